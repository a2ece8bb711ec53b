// STAND-IN
import { Refusal } from "./refusal.js";
import { labOf } from "./color.js";
import { solve, likeness } from "./spread.js";
import { plane } from "./resize.js";
export const DEFAULT_REACH = 0.15;
export function readHints(text) {
  try {
    return JSON.parse(text).hints;
  } catch {
    throw new Refusal("is no file of hints.");
  }
}
export const writtenHints = (hints) => JSON.stringify({ hints });
export function tinted({ copy, width, height, a, b }, hints) {
  const n = copy.w * copy.h,
    free = new Uint8Array(n),
    d = [new Float64Array(n), new Float64Array(n)];
  const at = ([x, y]) => [
    Math.min(copy.w - 1, Math.floor(((x + 0.5) * copy.w) / width)),
    Math.min(copy.h - 1, Math.floor(((y + 0.5) * copy.h) / height)),
  ];
  for (const { points, reach } of hints)
    for (const p of points) {
      const [cx, cy] = at(p);
      const R = reach * Math.max(copy.w, copy.h);
      for (let y = 0; y < copy.h; y++)
        for (let x = 0; x < copy.w; x++) if (Math.hypot(x - cx, y - cy) < R) free[y * copy.w + x] = 1;
    }
  for (const { points, colour } of hints)
    for (const p of points) {
      const [cx, cy] = at(p),
        i = cy * copy.w + cx;
      free[i] = 0;
      if (colour) {
        const [, ca, cb] = labOf([1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16)));
        d[0][i] = ca - a.data[i];
        d[1][i] = cb - b.data[i];
      }
    }
  const links = likeness(copy);
  const out = [a, b].map((c, k) => {
    solve(links, free, d[k]);
    return plane(
      c.w,
      c.h,
      c.data.map((o, i) => o + d[k][i]),
    );
  });
  return { a: out[0], b: out[1], pale: [] };
}
