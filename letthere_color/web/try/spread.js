// A difference that spreads from hints over neighbours of like lightness (chapter 10a), by conjugate gradients.

const MU = 1e-3;
const SIGMA = 0.05;
const EXACT = 1e-5; // of the first error: what is left when it ends
const MOST_STEPS = 2000;

/** How alike each pixel is to its neighbour: one list for each of the directions that look ahead. */
export function likeness({ data, w, h }) {
  const ahead = [[1, 0], [0, 1]]; // prettier-ignore
  return ahead.map(([dx, dy]) => {
    const weights = new Float64Array(w * h);
    for (let y = 0; y + dy < h; y++)
      for (let x = 0; x + dx < w; x++) {
        const i = y * w + x;
        weights[i] = Math.exp(-(((data[i] - data[i + dy * w + dx]) / SIGMA) ** 2) / 2);
      }
    return { step: dy * w + dx, weights };
  });
}

/** out = (weighted Laplacian + mu) x, 0 where free is 0. */
function applied(links, free, x, out) {
  for (let i = 0; i < x.length; i++) out[i] = MU * x[i];
  for (const { step, weights } of links)
    for (let i = 0, j = step; j < x.length; i++, j++) {
      const flow = weights[i] * (x[i] - x[j]);
      out[i] += flow;
      out[j] -= flow;
    }
  for (let i = 0; i < x.length; i++) out[i] *= free[i];
}

function diagonal(links, n) {
  const out = new Float64Array(n).fill(MU);
  for (const { step, weights } of links)
    for (let i = 0, j = step; j < n; i++, j++) {
      out[i] += weights[i];
      out[j] += weights[i];
    }
  return out;
}

function dot(x, y) {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i];
  return sum;
}

/** Fill in x where free is 1, so that it costs least; elsewhere it stays. */
export function solve(links, free, x) {
  const n = x.length;
  const scale = diagonal(links, n);
  const [r, p, q] = [0, 0, 0].map(() => new Float64Array(n));
  applied(links, free, x, r);
  for (let i = 0; i < n; i++) r[i] = -r[i];
  const z = r.map((o, i) => o / scale[i]);
  p.set(z);
  let rz = dot(r, z);
  const enough = EXACT ** 2 * rz;
  for (let k = 0; k < MOST_STEPS && rz > enough; k++) {
    applied(links, free, p, q);
    const a = rz / dot(p, q);
    for (let i = 0; i < n; i++) {
      x[i] += a * p[i];
      r[i] -= a * q[i];
      z[i] = r[i] / scale[i];
    }
    const next = dot(r, z);
    for (let i = 0; i < n; i++) p[i] = z[i] + (next / rz) * p[i];
    rz = next;
  }
  return x;
}
