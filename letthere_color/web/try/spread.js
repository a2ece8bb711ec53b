// What hints do to the chroma of the copy (chapter 10a): their difference to it spreads over neighbours of like lightness.

import { bytesOf, labOf, share } from "./color.js";
import { cellOf, cellsOf, LEAST_REACH, scaleOf } from "./hints.js";
import { mapped } from "./resize.js";
import { fillIn } from "./solve.js";

const SIGMA = 0.03; // of lightness in [0,1]: neighbours that differ by more are not alike
const FLOOR = 0.0001; // what is left of the links at edges
const MU = 0.0001; // how strongly each pixel is drawn to no correction: drains what leaks through edges
const EDGE = 5; // pixels of the copy that a colour leaks when it is enlarged
const SHARE = 0.9; // a hint that keeps less of its chroma is too colourful

/** How far each pixel of a w x h grid is from the nearest of some of them, by columns and then by rows. */
export function distances(cells, w, h) {
  const above = new Float64Array(w * h).fill(Infinity);
  const columns = [...new Set(cells.map((i) => i % w))];
  for (const i of cells) above[i] = 0;
  for (let i = w; i < w * h; i++) above[i] = Math.min(above[i], above[i - w] + 1);
  for (let i = w * (h - 1) - 1; i >= 0; i--) above[i] = Math.min(above[i], above[i + w] + 1);
  const out = new Float64Array(w * h);
  for (let i = 0; i < w * h; i++) {
    const row = i - (i % w);
    let least = Infinity;
    for (const x of columns) least = Math.min(least, (x - i + row) ** 2 + above[row + x] ** 2);
    out[i] = Math.sqrt(least);
  }
  return out;
}

/** The hints by their reach in pixels of the copy, far ones first. */
function groups(hints, copy, photo) {
  const found = new Map();
  for (const hint of hints) {
    const reach = Math.max(LEAST_REACH, hint.reach * scaleOf(copy, photo));
    found.set(reach, [...(found.get(reach) ?? []), hint]);
  }
  return [...found].sort(([p], [q]) => q - p);
}

/** One group of hints of a reach, on chroma that others have changed. */
function corrected(now, base, copy, pinned, reach, targets) {
  const { w, h, data: L } = copy;
  const rho = distances([...targets.keys()], w, h);
  for (const cell of targets.keys()) pinned[cell] = 1;
  const free = Uint8Array.from(rho, (o, i) => o <= reach - EDGE && !pinned[i]);
  const ds = now.map(() => new Float64Array(w * h));
  for (const [cell, target] of targets)
    ds.forEach((d, k) => (d[cell] = (target ? target[k] : base[k].data[cell]) - now[k].data[cell]));
  const alike = (p, q) =>
    (Math.exp(-((L[p] - L[q]) ** 2) / (2 * SIGMA ** 2)) + FLOOR) / (1 + (rho[p] + rho[q]) / 2);
  fillIn(ds, free, w, alike, (p) => MU / (1 + rho[p]));
  return now.map((x, k) => mapped(x, (o, i) => o + ds[k][i]));
}

const chromaOf = ({ colour }) => colour && labOf(bytesOf(colour)).slice(1);

/** Chroma of the copy of a photo, of that strength, with hints. */
export function withHints({ copy, a, b, width, height }, strength, hints) {
  const photo = { width, height };
  const base = [a, b].map((x) => mapped(x, (o) => o * strength));
  let now = base;
  const pinned = new Uint8Array(copy.w * copy.h);
  for (const [reach, group] of groups(hints, copy, photo)) {
    const targets = new Map(); // of a cell that several hints pin, the last one has it
    for (const hint of group)
      for (const cell of cellsOf(hint, copy, photo)) targets.set(cell, chromaOf(hint));
    now = corrected(now, base, copy, pinned, reach, targets);
  }
  return now;
}

/** Which hints have a colour that the lightness there does not allow? Their places in the list. */
export function tooColourful({ copy, width, height }, hints) {
  const pale = ({ points, box, colour }) => {
    if (!colour) return false;
    const middle = box ? points[0].map((o, k) => Math.floor((o + points[1][k]) / 2)) : points[0];
    const [x, y] = cellOf(middle, copy, { width, height });
    return share(100 * copy.data[y * copy.w + x], ...chromaOf({ colour })) < SHARE;
  };
  return hints.flatMap((hint, i) => (pale(hint) ? [i] : []));
}
