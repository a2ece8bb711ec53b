// The file of hints, as `letthere colorize --hints` reads it (chapter 10a).

import { usualReach } from "./hints.js";
import { Refusal } from "./refusal.js";

const VERSION = 1;
const KEYS = ["at", "width", "reach", "colour"];
const SAME_SHAPE = 0.01;

/** Hints as the text of a file. */
export function written(hints, { width, height }) {
  const lines = hints.map(({ points, box, width: wide, reach, colour }) => {
    const at = box ? points.flat() : points.length > 1 ? points : points[0];
    return "  " + JSON.stringify({ at, ...(wide ? { width: wide } : {}), reach, colour });
  });
  const head = `"letthere_hints": ${VERSION}, "size": ${JSON.stringify([width, height])}`;
  return `{${head}, "hints": [\n${lines.join(",\n")}\n]}\n`;
}

function must(so, why) {
  if (!so) throw new Refusal(`can't be used: ${why}`);
}

const isNumber = (o) => typeof o === "number" && Number.isFinite(o);
const isList = (o, n, is) => Array.isArray(o) && o.length >= n && o.every(is);
const isPlace = (o) => isList(o, 2, isNumber) && o.length === 2;

/** The hints of a file for a photo; positions in a smaller or larger one of the same shape are scaled. Throws a
 * Refusal that says what is wrong. */
export function read(text, photo) {
  let o;
  try {
    o = JSON.parse(text);
  } catch {
    must(false, "it is not JSON.");
  }
  must(o?.letthere_hints, "it is no file of hints, which begins with letthere_hints.");
  must(o.letthere_hints === VERSION, "it is of a newer version than this page: reload the page.");
  const unknown = Object.keys(o).find((key) => !["letthere_hints", "size", "hints"].includes(key));
  must(!unknown, `it has "${unknown}", which is unknown.`);
  must(isPlace(o.size) && o.size.every((n) => n > 0), "it does not say the size of its photo.");
  must(
    isList(o.hints, 0, (hint) => hint && typeof hint === "object"),
    "it has no list of hints.",
  );
  const [w, h] = o.size;
  must(
    Math.abs((w * photo.height) / (h * photo.width) - 1) <= SAME_SHAPE,
    `its photo has ${w} × ${h} pixels, and this one ${photo.width} × ${photo.height}.`,
  );
  return o.hints.map((hint, i) => scaled(readHint(hint, `hint ${i + 1}`, w, h), w, h, photo));
}

function readHint(hint, name, w, h) {
  const unknown = Object.keys(hint).find((key) => !KEYS.includes(key));
  must(!unknown, `${name} has "${unknown}", which is unknown.`);
  const points = readPoints(hint.at, name);
  const inside = points.every(([x, y]) => x >= 0 && y >= 0 && x < w && y < h);
  must(inside, `${name} is outside of the photo of ${w} × ${h} pixels.`);
  const { width = 0, reach = usualReach({ width: w, height: h }) } = hint;
  must(isNumber(reach) && reach > 0, `${name} has the reach ${JSON.stringify(reach)}: give pixels.`);
  must(isNumber(width) && width >= 0, `${name} has the width ${JSON.stringify(width)}: give pixels.`);
  return {
    points,
    box: hint.at.length === 4 && isNumber(hint.at[0]),
    width,
    reach,
    colour: readColour(hint.colour, name),
  };
}

/** One point, the points of a stroke, or two corners of a box. */
function readPoints(at, name) {
  if (isPlace(at)) return [at];
  if (isList(at, 1, isPlace)) return at;
  must(
    isList(at, 4, isNumber) && at.length === 4,
    `${name} has "at": ${JSON.stringify(at)}: give [x, y], [[x, y], [x, y], ...] or [x0, y0, x1, y1].`,
  );
  const [x0, y0, x1, y1] = at;
  return [
    [Math.min(x0, x1), Math.min(y0, y1)],
    [Math.max(x0, x1), Math.max(y0, y1)],
  ];
}

/** #rrggbb of a colour in hexadecimal or by its CSS name; null stays. */
function readColour(colour, name) {
  if (colour === null) return null;
  const looks = /^(#[0-9a-f]{6}|#[0-9a-f]{3}|[a-z]+)$/i.test(colour);
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  if (looks && CSS.supports("color", colour)) context.fillStyle = colour;
  else context.fillStyle = "#0000";
  must(
    /^#/.test(context.fillStyle), // one that is transparent is written otherwise
    `${name} has the colour ${JSON.stringify(colour)}: give #rrggbb, a name of CSS, or null to keep what is there.`,
  );
  return context.fillStyle;
}

/** The same hint in a photo of another size. */
function scaled({ points, width, reach, ...rest }, w, h, photo) {
  const along = (o, n, m) => Math.min(m - 1, Math.floor(((2 * Math.floor(o) + 1) * m) / (2 * n)));
  const factor = Math.sqrt((photo.width * photo.height) / (w * h));
  return {
    points: points.map(([x, y]) => [along(x, w, photo.width), along(y, h, photo.height)]),
    width: width * factor,
    reach: reach * factor,
    ...rest,
  };
}
