// Colour at full size: the chroma of the small copy, its edges drawn by the photo's own lightness (chapter 7).

import { enlarged, plane } from "./resize.js";
import { writeColour } from "./color.js";

const EPS = 0.01; // variances of lightness below this say nothing

const map = (f, ...xs) =>
  plane(
    xs[0].w,
    xs[0].h,
    xs[0].data.map((_, i) => f(...xs.map((x) => x.data[i]))),
  );

/** Mean of the 3x3 neighbours; border pixels count for those beyond. */
function box(x) {
  const line = plane(x.w, x.h);
  const out = plane(x.w, x.h);
  const near = (i, n) => [Math.max(0, i - 1), i, Math.min(n - 1, i + 1)];
  for (let y = 0; y < x.h; y++)
    for (let i = 0; i < x.w; i++)
      line.data[y * x.w + i] = near(i, x.w).reduce((sum, j) => sum + x.data[y * x.w + j], 0) / 3;
  for (let y = 0; y < x.h; y++)
    for (let i = 0; i < x.w; i++)
      out.data[y * x.w + i] = near(y, x.h).reduce((sum, j) => sum + line.data[j * x.w + i], 0) / 3;
  return out;
}

/** How chroma changes with lightness around each pixel: the slope of a guided filter. */
export function edgeSlope(chroma, copy) {
  const light = box(copy);
  const mean = box(chroma);
  const both = box(map((L, c) => L * c, copy, chroma));
  const square = box(map((L) => L * L, copy));
  return box(map((lc, L, c, LL) => (lc - L * c) / (LL - L * L + EPS), both, light, mean, square));
}

/** A function that colours rows: (first row, lightness, rgba, strength), for a photo of w x h pixels. */
export function painter(a, b, copy, w, h) {
  const rows = [a, b, copy, edgeSlope(a, copy), edgeSlope(b, copy)].map((x) => enlarged(x, w, h));
  const lines = rows.map(() => new Float32Array(w));
  return (y0, L, rgba, strength) => {
    for (let k = 0; k < L.length; k += w) {
      rows.forEach((row, i) => row(y0 + k / w, lines[i]));
      const [as, bs, soft, slopeA, slopeB] = lines;
      for (let i = 0; i < w; i++) {
        const edge = L[k + i] / 100 - soft[i];
        const [ca, cb] = [as[i] + slopeA[i] * edge, bs[i] + slopeB[i] * edge];
        writeColour(rgba, 4 * (k + i), L[k + i], ca * strength, cb * strength);
      }
    }
  };
}
