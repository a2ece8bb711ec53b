// From a file to pixels and lightness, strip by strip, and back to a file.

import { lightness } from "./color.js";
import { boxedKind, inspect } from "./file.js";
import { findFrame } from "./frame.js";
import { plane, resizedStrips, roundEven } from "./resize.js";
import { Refusal } from "./refusal.js";
import { settled } from "./settle.js";

const WORKING_SIZE = 176; // side of the square whose area the network's copy has
const PREVIEW_PIXELS = 1.5e6; // what is shown; a larger photo is coloured at its full size when it is saved
const STRIP_PIXELS = 1 << 19;

/** Decoded and upright, as EXIF says; of an animation the first picture. */
export async function decoded(file) {
  try {
    return await createImageBitmap(file);
  } catch {
    const kind = await boxedKind(file);
    if (kind) throw new Refusal(`is ${kind}, which this browser does not read: save it as JPEG.`);
    throw new Refusal("is damaged or cut off, or does not fit into the memory: copy it again.");
  }
}

/** Shape of the copy that the network looks at. */
export function workingSize(w, h) {
  const scale = Math.min(1, WORKING_SIZE / Math.sqrt(w * h));
  return [w, h].map((n) => Math.max(8, roundEven(n * scale)));
}

function drawingOn(canvas) {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Refusal("does not fit into the memory of this browser: make it smaller.");
  return context;
}

/** Strips of a picture, or of a part of it: {y, pixels}, y from the part's first row, pixels as ImageData. */
export function* strips(bitmap, [left, top, right, bottom] = [0, 0, bitmap.width, bitmap.height]) {
  const [w, h] = [right - left, bottom - top];
  const rows = Math.min(h, Math.max(1, Math.floor(STRIP_PIXELS / w)));
  const context = drawingOn(new OffscreenCanvas(w, rows));
  for (let y = 0; y < h; y += rows) {
    const n = Math.min(rows, h - y);
    context.clearRect(0, 0, w, n);
    context.drawImage(bitmap, left, top + y, w, n, 0, 0, w, n);
    yield { y, pixels: context.getImageData(0, 0, w, n) };
  }
}

/** The lightness of a picture, or of a part of it, in [0,1], w x h. */
export function smallCopy(bitmap, w, h, box) {
  function* planes() {
    for (const { pixels } of strips(bitmap, box)) {
      const L = lightness(pixels.data);
      yield plane(
        pixels.width,
        pixels.height,
        L.map((o) => o / 100),
      );
    }
  }
  return resizedStrips(planes(), w, h);
}

/** The lightness of a picture, strip by strip: {y, L}. */
function* light(bitmap) {
  for (const { y, pixels } of strips(bitmap)) yield { y, L: lightness(pixels.data) };
}

/** What the network may be shown: {frame, copy}, without the frame around the picture, or with it. */
function views(bitmap, copy) {
  const none = { frame: null, copy };
  const found = findFrame(copy);
  if (!found) return { auto: none, none };
  const frame = settled(found, copy, bitmap.width, bitmap.height, light(bitmap));
  const [left, top, right, bottom] = frame.box;
  const inside = smallCopy(bitmap, ...workingSize(right - left, bottom - top), frame.box);
  return { auto: { frame, copy: inside }, none };
}

/** The picture, or a smaller one, for the screen. */
async function preview(bitmap) {
  const scale = Math.sqrt(PREVIEW_PIXELS / (bitmap.width * bitmap.height));
  if (scale >= 1) return bitmap;
  const [resizeWidth, resizeHeight] = [bitmap.width, bitmap.height].map((n) =>
    Math.max(1, Math.round(n * scale)),
  );
  return createImageBitmap(bitmap, { resizeWidth, resizeHeight, resizeQuality: "high" });
}

/** All that is kept of a photo: its file, a copy, what of it the network may be shown, and the pixels on the screen. */
export async function readPhoto(file) {
  const { animated } = await inspect(file);
  const bitmap = await decoded(file);
  const { width, height } = bitmap;
  const copy = smallCopy(bitmap, ...workingSize(width, height));
  const seen = views(bitmap, copy);
  const small = await preview(bitmap);
  const context = drawingOn(new OffscreenCanvas(small.width, small.height));
  context.drawImage(small, 0, 0);
  const pixels = context.getImageData(0, 0, small.width, small.height);
  for (const o of [bitmap, small]) o.close();
  return { file, width, height, animated, copy, views: seen, pixels, L: lightness(pixels.data) };
}

/** A style is a square copy of its photo. */
export async function readStyle(file, side) {
  await inspect(file);
  const bitmap = await decoded(file);
  const copy = smallCopy(bitmap, side, side);
  bitmap.close();
  return copy;
}

/** Chroma of the photo, as chromaRows gives it at full size, on a small copy of w x h. */
export async function shrunkChroma(file, rows, w, h) {
  const bitmap = await decoded(file);
  function* planes(k) {
    for (const { y, L } of light(bitmap)) {
      const strip = plane(bitmap.width, L.length / bitmap.width);
      const line = () => new Float64Array(strip.w);
      for (let i = 0, ab = [line(), line()]; i < strip.h; i++) {
        rows(y + i, L.subarray(i * strip.w, (i + 1) * strip.w), ...ab);
        strip.data.set(ab[k], i * strip.w);
      }
      yield strip;
    }
  }
  const ab = [0, 1].map((k) => resizedStrips(planes(k), w, h));
  bitmap.close();
  return ab;
}

/** The photo at full size, coloured by paint(y, L, rgba) strip by strip, as a file. */
export async function colouredFile(file, type, paint, progress) {
  const bitmap = await decoded(file);
  const { width: w, height: h } = bitmap;
  const canvas = new OffscreenCanvas(w, h);
  const context = drawingOn(canvas);
  for (const { y, pixels } of strips(bitmap)) {
    paint(y, lightness(pixels.data), pixels.data);
    context.putImageData(pixels, 0, y);
    progress((y + pixels.height) / h);
  }
  bitmap.close();
  if (type === "image/jpeg") layOnWhite(context, w, h);
  return canvas.convertToBlob({ type, quality: 0.95 });
}

/** JPEG has no transparency. */
function layOnWhite(context, w, h) {
  context.globalCompositeOperation = "destination-over";
  context.fillStyle = "white";
  context.fillRect(0, 0, w, h);
}
