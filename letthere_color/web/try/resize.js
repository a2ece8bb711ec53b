// Smaller copies and larger chroma, as PyTorch interpolates (chapter 7). A plane is {data, w, h}.

export const plane = (w, h, data = new Float32Array(w * h)) => ({ data, w, h });
export const mapped = (x, f) => plane(x.w, x.h, x.data.map(f));

/** As Python rounds: halves to the even number. */
export const roundEven = (x) => (x % 1 === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));

/** For each of n results: the first of m numbers that it averages, and their weights; a triangle, or its
 * two nearest neighbours where it enlarges. */
function triangles(m, n) {
  const scale = m / n;
  const reach = Math.max(scale, 1);
  return Array.from({ length: n }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5));
    const end = Math.min(m, Math.trunc(centre + reach + 0.5));
    const weights = [];
    for (let j = first; j < end; j++) weights.push(Math.max(0, 1 - Math.abs(j - centre + 0.5) / reach));
    const sum = weights.reduce((a, b) => a + b);
    return { first, weights: weights.map((o) => o / sum) };
  });
}

function narrowed(x, w) {
  const out = plane(w, x.h);
  triangles(x.w, w).forEach(({ first, weights }, i) => {
    for (let y = 0; y < x.h; y++)
      for (let k = 0; k < weights.length; k++)
        out.data[y * w + i] += weights[k] * x.data[y * x.w + first + k];
  });
  return out;
}

function shortened(x, h) {
  const out = plane(x.w, h);
  triangles(x.h, h).forEach(({ first, weights }, i) => {
    weights.forEach((weight, k) => {
      for (let j = 0; j < x.w; j++) out.data[i * x.w + j] += weight * x.data[(first + k) * x.w + j];
    });
  });
  return out;
}

/** A copy of another size, without jagged edges. */
export const resized = (x, w, h) => shortened(narrowed(x, w), h);

/** The same from strips, so that no plane of the full size is needed. */
export function resizedStrips(strips, w, h) {
  const parts = [];
  for (const strip of strips) parts.push(narrowed(strip, w));
  const tall = plane(w, 0, new Float32Array(parts.reduce((n, o) => n + o.data.length, 0)));
  for (const o of parts) {
    tall.data.set(o.data, tall.h * w);
    tall.h += o.h;
  }
  return shortened(tall, h);
}

/** Repeats the last column and row until w and h are reached. */
export function padded(x, w, h) {
  const out = plane(w, h);
  for (let y = 0; y < h; y++)
    for (let i = 0; i < w; i++)
      out.data[y * w + i] = x.data[Math.min(y, x.h - 1) * x.w + Math.min(i, x.w - 1)];
  return out;
}

export function cropped(x, w, h) {
  const out = plane(w, h);
  for (let y = 0; y < h; y++) out.data.set(x.data.subarray(y * x.w, y * x.w + w), y * w);
  return out;
}

/** Where each of n numbers lies among m, which reach from one place to another: the neighbour before it, and how
 * far it is to the next. */
function places(m, n, from, to) {
  return Array.from({ length: n }, (_, i) => {
    const x = Math.min(m - 1, Math.max(0, ((i + 0.5 - from) * m) / (to - from) - 0.5));
    return { before: Math.floor(x), after: Math.min(Math.floor(x) + 1, m - 1), part: x - Math.floor(x) };
  });
}

/** Bilinear enlargement to the box left, top, right, bottom of w x h pixels: a function that writes row y into an
 * array of w numbers. */
export function enlarged(x, w, h, [left, top, right, bottom] = [0, 0, w, h]) {
  const columns = places(x.w, w, left, right);
  const rows = places(x.h, h, top, bottom);
  const wide = plane(w, x.h);
  for (let y = 0; y < x.h; y++)
    for (let i = 0; i < w; i++) {
      const { before, after, part } = columns[i];
      const a = x.data[y * x.w + before];
      wide.data[y * w + i] = a + part * (x.data[y * x.w + after] - a);
    }
  return (y, out) => {
    const { before, after, part } = rows[y];
    for (let i = 0, p = before * w, q = after * w; i < w; i++, p++, q++)
      out[i] = wide.data[p] + part * (wide.data[q] - wide.data[p]);
  };
}

/** All rows of an enlargement. */
export function enlargedPlane(x, w, h) {
  const row = enlarged(x, w, h);
  const out = plane(w, h);
  for (let y = 0; y < h; y++) row(y, out.data.subarray(y * w, (y + 1) * w));
  return out;
}
