// Colours to choose from: what a place of this lightness can become.

import { bytesOf, labOf, writeColour } from "./color.js";

// Name, hue in degrees, chroma; where the photo is dark, orange is brown and yellow is olive
const NAMES = [
  ["grey", 0, 0],
  ["beige", 80, 18],
  ["skin", 52, 26],
  ["orange", 62, 50, "brown"],
  ["red", 32, 58],
  ["pink", 0, 38, "wine"],
  ["violet", 314, 42],
  ["blue", 284, 48],
  ["sky blue", 245, 28, "slate blue"],
  ["teal", 200, 30],
  ["green", 140, 44],
  ["yellow", 92, 62, "olive"],
];
const DARK = 45;

// What the colours near one differ in: name, hue in degrees, factor of chroma
const NEAR = [
  ["paler", 0, 0.55],
  ["stronger", 0, 1.5],
  ["hue −25°", -25, 1],
  ["hue −12°", -12, 1],
  ["hue +12°", 12, 1],
  ["hue +25°", 25, 1],
];

const rgba = new Uint8ClampedArray(4);
const hexOf = (rgb) => `#${[...rgb].map((o) => o.toString(16).padStart(2, "0")).join("")}`;

/** The colour of that lightness, hue and chroma, or the nearest paler one. */
function coloured(L, hue, chroma) {
  const angle = (hue * Math.PI) / 180;
  writeColour(rgba, 0, L, chroma * Math.cos(angle), chroma * Math.sin(angle));
  return hexOf(rgba.subarray(0, 3));
}

const polar = ([L, a, b]) => [L, (Math.atan2(b, a) * 180) / Math.PI, Math.hypot(a, b)];

/** Swatches {colour, name} for lightness L: common colours, and the neighbours of one colour. */
export function swatches(L, colour) {
  const common = NAMES.map(([name, hue, chroma, dark]) => ({
    colour: coloured(L, hue, chroma),
    name: L < DARK && dark ? dark : name,
  }));
  const [, hue, chroma] = polar(labOf(bytesOf(colour)));
  const near = NEAR.map(([name, turn, factor]) => ({
    colour: coloured(L, hue + turn, chroma * factor),
    name,
  }));
  return { common, near };
}

/** What one would call a colour, for those who listen. */
export function nameOf(colour) {
  const [L, hue, chroma] = polar(labOf(bytesOf(colour)));
  if (chroma < 8) return L < 15 ? "black" : L > 92 ? "white" : "grey";
  const turn = (h) => Math.abs(((hue - h + 540) % 360) - 180);
  const [best] = NAMES.slice(1).sort(
    (p, q) => Math.hypot(turn(p[1]), chroma - p[2]) - Math.hypot(turn(q[1]), chroma - q[2]),
  );
  return L < DARK && best[3] ? best[3] : best[0];
}

/** Colour of a picture around a place, as #rrggbb: the mean of 3x3 pixels. */
export function colourAt(canvas, x, y) {
  const context = new OffscreenCanvas(3, 3).getContext("2d");
  const place = ([o, n]) => Math.min(Math.max(0, Math.floor(o) - 1), Math.max(0, n - 3));
  const [left, top] = [[x, canvas.width], [y, canvas.height]].map(place); // prettier-ignore
  context.drawImage(canvas, -left, -top);
  const { data } = context.getImageData(0, 0, 3, 3);
  const sum = [0, 0, 0];
  let n = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (!data[i + 3]) continue; // beyond the border, or transparent
    n++;
    sum.forEach((_, c) => (sum[c] += data[i + c]));
  }
  return n ? hexOf(sum.map((o) => Math.round(o / n))) : "#808080";
}
