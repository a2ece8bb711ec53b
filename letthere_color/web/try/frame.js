// Is there paper, a mount, a film bar around the picture? Found on the network's copy (chapter 6k).

import { roundEven } from "./resize.js";

const LEANS = Array.from({ length: 21 }, (_, i) => i * 0.005 - 0.05); // rows per column
const SPOILT = [0.15, 0.6]; // share of the border that may be no paper: usually, and where nearly all columns agree
const WAYS = [-1, 1, 1, -1]; // left, top, right, bottom: which way each leans where the scan is turned
const LEAST = 24; // pixels of a side of the copy

const clamped = (x, low, high) => Math.min(high, Math.max(low, x));
const mean = (x) => x.reduce((a, b) => a + b, 0) / x.length;

function median(x) {
  const sorted = Float64Array.from(x).sort();
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** What differs from the first row, the edge of the photo, by more than its grain: {off, tone}; off is null where
 * the edge is no paper. */
function offPaper({ data, w }) {
  const first = data.subarray(0, w);
  const half = Math.floor(w / 2);
  const [left, right, tone] = [first.subarray(0, half), first.subarray(half), first].map(median);
  const slope = clamped(((right - left) * 2) / w, -0.08 / w, 0.08 / w);
  const paper = Float64Array.from(first, (_, i) => tone + slope * (i - (w - 1) / 2));
  const grain = 1.48 * median(paper.map((o, i) => Math.abs(first[i] - o))); // as a standard deviation
  if (grain >= 0.05) return { off: null, tone };
  const most = Math.max(0.05, 4 * grain);
  return { off: Uint8Array.from(data, (o, p) => Math.abs(o - paper[p % w]) > most), tone };
}

/** Rows and columns where picture follows after paper. */
function begins(off, w, n) {
  const found = [];
  for (let y = 1; y < n - 1; y++)
    for (let p = y * w; p < (y + 1) * w; p++)
      if (!off[p - w] && off[p] && off[p + w] && (y < 2 || !off[p - 2 * w])) found.push([y, p % w]);
  return found;
}

/** The share of the columns that agree on each depth, give or take a row, if the line leans so. */
function votesOf(steps, lean, w, n) {
  const at = steps.map(([y, x]) => clamped(roundEven(y - lean * (x - (w - 1) / 2)), 0, n - 1));
  const votes = new Float64Array(n);
  for (const d of at) votes[d] += 1;
  votes[0] = votes[n - 1] = 0;
  const near = votes.map((o, d) => (d && d < n - 1 ? (votes[d - 1] + o + votes[d + 1]) / w : 0));
  return { at, votes: near };
}

/** The share of all before each row that is no paper, but for two rows. */
function dirtOf(off, w, n) {
  const dirt = new Float64Array(n);
  let sum = 0;
  for (let y = 0; y < n - 2; y++) {
    sum += mean(off.subarray(y * w, (y + 1) * w));
    dirt[y + 2] = sum / (y + 1);
  }
  return dirt;
}

/** Where most columns agree: {lean, d, at}. */
function elected(steps, dirt, w, n) {
  let best = { score: -Infinity };
  for (const lean of LEANS) {
    const { at, votes } = votesOf(steps, lean, w, n);
    votes.forEach((vote, d) => {
      const fair = dirt[d] < SPOILT[0] || (dirt[d] < SPOILT[1] && vote > 0.85);
      const score = (fair ? vote : 0) - 0.8 * Math.abs(lean);
      if (score > best.score) best = { score, lean, d, at };
    });
  }
  return best;
}

/** The line along which paper ends, if there is paper and it ends. The first row is the edge of the photo.
 * {depth, in the middle; lean; share of the columns; tone of the paper; dirt on it; sharp, does it end at once?} */
export function straightLine(x) {
  const { data, w, h: n } = x;
  const { off, tone } = offPaper(x);
  const steps = off ? begins(off, w, n) : [];
  if (!off || steps.length < 0.2 * w) return null;
  const dirt = dirtOf(off, w, n);
  const { lean, d, at } = elected(steps, dirt, w, n);
  const near = steps.filter((_, i) => Math.abs(at[i] - d) < 2);
  if (!near.length) return null;
  const [before, after] = [-2, 1].map((o) =>
    median(near.map(([y, c]) => Math.abs(data[clamped(y + o, 0, n - 1) * w + c] - data[c]))),
  );
  const depth = mean(near.map(([y, c]) => y - lean * (c - (w - 1) / 2)));
  const share = new Set(near.map(([, c]) => c)).size / w;
  return { depth, lean, share, tone, dirt: dirt[d], sharp: before < 0.35 * after };
}

const clear = (line, share) => Boolean(line) && line.sharp && line.share >= share;

/** The part of the copy from left, top to right, bottom. */
function part({ data, w }, [l, t, r, b]) {
  const out = { data: new Float64Array((r - l) * (b - t)), w: r - l, h: b - t };
  for (let y = t; y < b; y++) out.data.set(data.subarray(y * w + l, y * w + r), (y - t) * out.w);
  return out;
}

/** The copy as it is seen from one of its sides, 45 % deep. */
function seenFrom(side, { data, w, h }) {
  const [wide, deep] = side % 2 ? [w, h] : [h, w];
  const n = Math.floor(0.45 * deep);
  const place = (y, x) => {
    const inward = side > 1 ? deep - 1 - y : y;
    return side % 2 ? inward * w + x : x * w + inward;
  };
  const out = Float64Array.from({ length: n * wide }, (_, p) => data[place(Math.floor(p / wide), p % wide)]);
  return { data: out, w: wide, h: n };
}

/** The lines along left, top, right, bottom; each without these margins of its neighbours. */
function four(x, skip) {
  const [l, t, r, b] = skip.map(Math.ceil);
  const tall = part(x, [0, t, x.w, x.h - b]);
  const wide = part(x, [l, 0, x.w - r, x.h]);
  const line = (side) => straightLine(seenFrom(side, side % 2 ? wide : tall));
  const first = [line(0), line(1)];
  return first[0] || first[1] ? [...first, line(2), line(3)] : [null, null, null, null];
}

function alike(lines, i, k) {
  const turned = Math.abs(WAYS[i] * lines[i].lean - WAYS[k] * lines[k].lean);
  return Math.abs(lines[i].tone - lines[k].tone) < 0.1 && turned < 0.0225;
}

/** Are two lines that face each other the bars of a film? Between them must be something else than bar. */
function areBars(two, i, x) {
  if (!two.every((o) => o.share > 0.55 && o.dirt < 0.05 && Math.abs(o.lean) < 0.011)) return false;
  const [{ tone, depth }, last] = [two[0], roundEven(two[1].depth)];
  if ((tone > 0.15 && tone < 0.85) || !last) return false;
  const first = roundEven(depth);
  const between = part(x, i ? [0, first, x.w, x.h - last] : [first, 0, x.w - last, x.h]);
  return mean(between.data.map((o) => Math.abs(o - tone) > 0.06)) > 0.5;
}

/** Which of four lines make a frame of the copy x; null if there is none. */
function belong(lines, x) {
  const facing = (i) => [lines[i], lines[i + 2]];
  const sure = (i) => facing(i).every((o) => clear(o, 0.5)) && alike(lines, i, i + 2);
  const agreed = (i) => facing(i).reduce((sum, o) => sum + o.share, 0);
  const pairs = [0, 1].filter(sure);
  if (!pairs.length) return null;
  const i = pairs.length > 1 && agreed(1) > agreed(0) ? 1 : pairs[0];
  const ok = lines.map((o, k) => clear(o, 0.25) && alike(lines, i, k));
  return ok.filter(Boolean).length > 2 || areBars(facing(i), i, x) ? ok : null;
}

/** Where the picture lies on a copy, if there is a frame around it: {depth, lean} of left, top, right and bottom,
 * depth 0 where there is no line; else null. */
export function findFrame(copy) {
  let [x, found, cut] = [copy, null, [0, 0, 0, 0]];
  for (let round = 0; round < 3 && Math.min(x.w, x.h) >= LEAST; round++) {
    const rough = four(x, [0, 0, 0, 0]);
    const lines = four(
      x,
      rough.map((o) => (clear(o, 0.25) ? o.depth : 0)),
    );
    const ok = belong(lines, x);
    if (!ok) break;
    found ??= cut.map(() => ({ depth: 0, lean: 0 }));
    for (const [i, o] of lines.entries()) if (ok[i]) found[i] = { depth: cut[i] + o.depth, lean: o.lean };
    const more = lines.map((o, i) => (ok[i] ? Math.ceil(o.depth + 1.5) : 0));
    const [l, t, r, b] = more;
    x = part(x, [l, t, x.w - r, x.h - b]);
    cut = cut.map((o, i) => o + more[i]);
  }
  return found;
}
