// Colour at full size: the chroma of the small copy, its edges drawn by the photo's own lightness (chapter 7).

import { enlarged, mapped, plane } from "./resize.js";
import { writeColour } from "./color.js";
import { maskRows } from "./settle.js";

const EPS = 0.01; // variances of lightness below this say nothing
const SPREADS = 3; // pixels of the copy as far as one of them colours the photo: twice a box, and between two

const combined = (f, x, y) => mapped(x, (o, i) => f(o, y.data[i]));
const product = (x, y) => combined((o, p) => o * p, x, y);
const difference = (x, y) => combined((o, p) => o - p, x, y);

/** Mean of the 3x3 neighbours; border pixels count for those beyond. */
function box({ data, w, h }) {
  const line = new Float32Array(w * h);
  const out = plane(w, h);
  for (let y = 0; y < h; y++)
    for (let i = 0, p = y * w; i < w; i++, p++)
      line[p] = (data[p - (i > 0)] + data[p] + data[p + (i < w - 1)]) / 3;
  for (let y = 0, p = 0; y < h; y++)
    for (let i = 0; i < w; i++, p++)
      out.data[p] = (line[y > 0 ? p - w : p] + line[p] + line[y < h - 1 ? p + w : p]) / 3;
  return out;
}

/** How chroma changes with lightness around each pixel: the slope of a guided filter. */
export function edgeSlope(chroma, copy) {
  const light = box(copy);
  const together = difference(box(product(copy, chroma)), product(light, box(chroma)));
  const alone = difference(box(product(copy, copy)), product(light, light));
  return box(combined((o, v) => o / (v + EPS), together, alone));
}

/** The part of a picture of w x h pixels that new chroma changes: {left, top, right, bottom}. */
export function changedPart(before, after, w, h) {
  const { w: cw, h: ch } = after[0];
  const [xs, ys] = [[cw, -1], [ch, -1]]; // prettier-ignore
  for (let i = 0; i < cw * ch; i++) {
    if (before.every((o, k) => o.data[i] === after[k].data[i])) continue;
    const [x, y] = [i % cw, Math.floor(i / cw)];
    [xs[0], xs[1], ys[0], ys[1]] = [
      Math.min(xs[0], x),
      Math.max(xs[1], x),
      Math.min(ys[0], y),
      Math.max(ys[1], y),
    ];
  }
  const from = (o, n, m) => Math.max(0, Math.floor(((o - SPREADS) * m) / n));
  const to = (o, n, m) => (o < 0 ? 0 : Math.min(m, Math.ceil(((o + 1 + SPREADS) * m) / n)));
  return {
    left: from(xs[0], cw, w),
    right: to(xs[1], cw, w),
    top: from(ys[0], ch, h),
    bottom: to(ys[1], ch, h),
  };
}

/** Chroma of one layer, {chroma, copy}: a function that adds row y, of lightness L, to two lines. */
function layerRows({ chroma: [a, b], copy }, w, h, box) {
  const rows = [a, b, copy, edgeSlope(a, copy), edgeSlope(b, copy)].map((x) => enlarged(x, w, h, box));
  const lines = rows.map(() => new Float32Array(w));
  return (y, L, as, bs, left, right) => {
    rows.forEach((row, i) => row(y, lines[i]));
    const [ra, rb, soft, slopeA, slopeB] = lines;
    for (let i = left; i < right; i++) {
      const edge = L[i] / 100 - soft[i];
      as[i] += ra[i] + slopeA[i] * edge;
      bs[i] += rb[i] + slopeB[i] * edge;
    }
  };
}

/** Chroma of a photo of w x h pixels: a function that writes row y, of lightness L, into two lines. Layers add up:
 * the first one lies in the frame, where there is one, others on all of the photo; outside of the frame is none. */
export function chromaRows(layers, w, h, frame = null) {
  const parts = layers.map((o, i) => layerRows(o, w, h, i || !frame ? undefined : frame.box));
  const mask = frame && maskRows(frame, w, h);
  return (y, L, as, bs, left = 0, right = w) => {
    for (const line of [as, bs]) line.fill(0, left, right);
    for (const add of parts) add(y, L, as, bs, left, right);
    if (mask) mask(y, as, bs);
  };
}

/** A function that colours rows, or a part of them: (first row, lightness, rgba, from which to which
 * column), for a photo of w x h pixels. */
export function painter(layers, w, h, frame) {
  const rows = chromaRows(layers, w, h, frame);
  const [as, bs] = [new Float64Array(w), new Float64Array(w)];
  return (y0, L, rgba, { left = 0, right = w } = {}) => {
    for (let k = 0; k < L.length; k += w) {
      rows(y0 + k / w, L.subarray(k, k + w), as, bs, left, right);
      for (let i = left; i < right; i++) writeColour(rgba, 4 * (k + i), L[k + i], as[i], bs[i]);
    }
  };
}
