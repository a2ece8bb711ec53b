// The lines of a frame to the pixel of the photo, and what lies inside of them (chapter 6k). A frame is {lines, box}:
// left, top, right, bottom, each [x (y) at the photo's first row (column), at its end], and the smallest upright
// rectangle that holds the picture.

import { roundEven } from "./resize.js";

const PIECES = 48; // of each line

/** The straight line over which lightness steps most often: where it crosses the first piece and the last one,
 * from 1 to n - 1. */
export function sharpestLine(pieces) {
  const n = pieces[0].length - 1;
  const score = new Float64Array(n * n);
  pieces.forEach((piece, k) => {
    const u = (k + 0.5) / pieces.length;
    const step = Float64Array.from({ length: n }, (_, i) => Math.min(10, Math.abs(piece[i + 1] - piece[i])));
    for (let a = 0; a < n; a++)
      for (let b = 0; b < n; b++) score[a * n + b] += step[Math.trunc(a + (b - a) * u + 0.5)];
  });
  const best = score.indexOf(score.reduce((a, b) => Math.max(a, b)));
  return [Math.floor(best / n) + 1, (best % n) + 1];
}

/** A band across one side of the photo, cut into pieces along that side: adds strips, gives their means. */
class Band {
  #sums;
  #counts;

  /** Across the side from `from` to `to`, along it from `begin` to `end`; level: is the side top or bottom? */
  constructor(level, from, to, begin, end) {
    Object.assign(this, { level, from, to, begin, end });
    const n = Math.min(PIECES, end - begin);
    this.#sums = Array.from({ length: n }, () => new Float64Array(to - from));
    this.#counts = new Float64Array(n);
  }

  /** Which piece: the first ones are longer by one where they cannot all be of one length. */
  #piece(along) {
    const [long, n] = [this.end - this.begin, this.#counts.length];
    const [least, more] = [Math.floor(long / n), long % n];
    const i = along - this.begin;
    return i < more * (least + 1) ? Math.floor(i / (least + 1)) : Math.floor((i - more) / least);
  }

  add(y0, L, w) {
    const [x0, x1, ya, yb] = this.level
      ? [this.begin, this.end, this.from, this.to]
      : [this.from, this.to, this.begin, this.end];
    for (let y = Math.max(ya, y0); y < Math.min(yb, y0 + L.length / w); y++)
      for (let x = x0; x < x1; x++) {
        const [along, across] = this.level ? [x, y] : [y, x];
        this.#sums[this.#piece(along)][across - this.from] += L[(y - y0) * w + x];
        if (across === this.from) this.#counts[this.#piece(along)]++;
      }
  }

  get means() {
    return this.#sums.map((sum, k) => sum.map((o) => o / this.#counts[k]));
  }
}

function boxOf([l, t, r, b], w, h) {
  return [
    Math.max(0, Math.floor(Math.min(...l) + 0.5)),
    Math.max(0, Math.floor(Math.min(...t) + 0.5)),
    Math.min(w, Math.ceil(Math.max(...r) - 0.5)),
    Math.min(h, Math.ceil(Math.max(...b) - 0.5)),
  ];
}

/** The frame that was found on the copy of a photo of w x h pixels, whose lightness comes in strips {y, L}. */
export function settled(found, copy, w, h, strips) {
  const [scale, along] = [[w / copy.w, h / copy.h, w / copy.w, h / copy.h], [h, w, h, w]]; // prettier-ignore
  const deep = found.map(({ depth }, i) => (depth ? (depth + 0.3) * scale[i] : 0));
  const [l, t, r, b] = [deep[0], deep[1], w - deep[2], h - deep[3]].map(roundEven);
  const bands = found.map(({ depth, lean }, i) => {
    if (!depth) return null;
    const [far, reach] = [i % 2 ? h : w, 2 * scale[i] + (Math.abs(lean) * along[i]) / 2 + 1];
    const middle = i < 2 ? deep[i] : far - deep[i];
    const [from, to] = [Math.max(0, roundEven(middle - reach)), Math.min(far, roundEven(middle + reach) + 1)];
    return new Band(i % 2 === 1, from, to, ...(i % 2 ? [l, r] : [t, b]));
  });
  for (const { y, L } of strips) for (const band of bands) band?.add(y, L, w);
  const lines = bands.map((band, i) => {
    if (!band) return [0, 0, w, h].slice(i, i + 1).flatMap((o) => [o, o]);
    const [p, q] = sharpestLine(band.means).map((o) => o + band.from);
    const slope = (q - p) / (band.end - band.begin);
    return [p - slope * band.begin, q + slope * (along[i] - band.end)];
  });
  return { lines, box: boxOf(lines, w, h) };
}

/** The frame of a photo of w x h pixels on a copy of it that has another size. */
export function scaled({ lines, box }, kx, ky) {
  const k = [kx, ky, kx, ky];
  return { lines: lines.map((o, i) => o.map((p) => p * k[i])), box: box.map((o, i) => o * k[i]) };
}

/** A function that sets row y of lines of numbers, for a photo of w x h pixels, to 0 outside of the frame: where the
 * middle of a pixel does not lie inside. */
export function maskRows({ lines: [l, t, r, b] }, w, h) {
  const at = ([p, q], u) => p + (q - p) * u;
  const [top, bottom] = [t, b].map((o) => Float64Array.from({ length: w }, (_, x) => at(o, (x + 0.5) / w)));
  return (y, ...rows) => {
    const my = y + 0.5;
    const [left, right] = [at(l, my / h), at(r, my / h)];
    for (let x = 0; x < w; x++) {
      if (x + 0.5 > left && x + 0.5 < right && my > top[x] && my < bottom[x]) continue;
      for (const row of rows) row[x] = 0;
    }
  };
}

/** Does a pixel of a photo of w x h pixels lie in the picture? */
export function isPicture(frame, [x, y], w, h) {
  const row = new Uint8Array(w).fill(1);
  maskRows(frame, w, h)(y, row);
  return row[x] === 1;
}
