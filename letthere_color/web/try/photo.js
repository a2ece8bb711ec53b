// From a file to pixels and lightness, strip by strip, and back to a file.

import { lightness } from "./color.js";
import { boxedKind, inspect } from "./file.js";
import { plane, resizedStrips } from "./resize.js";
import { Refusal } from "./refusal.js";

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

function roundEven(x) {
  return x % 1 === 0.5 ? 2 * Math.round(x / 2) : Math.round(x);
}

function drawingOn(canvas) {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Refusal("does not fit into the memory of this browser: make it smaller.");
  return context;
}

/** Strips of a picture: {y, pixels}, pixels as ImageData. */
export function* strips(bitmap) {
  const { width: w, height: h } = bitmap;
  const rows = Math.min(h, Math.max(1, Math.floor(STRIP_PIXELS / w)));
  const context = drawingOn(new OffscreenCanvas(w, rows));
  for (let y = 0; y < h; y += rows) {
    const n = Math.min(rows, h - y);
    context.clearRect(0, 0, w, n);
    context.drawImage(bitmap, 0, y, w, n, 0, 0, w, n);
    yield { y, pixels: context.getImageData(0, 0, w, n) };
  }
}

/** The lightness of a picture in [0,1], w x h. */
export function smallCopy(bitmap, w, h) {
  function* planes() {
    for (const { pixels } of strips(bitmap)) {
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

/** The picture, or a smaller one, for the screen. */
async function preview(bitmap) {
  const scale = Math.sqrt(PREVIEW_PIXELS / (bitmap.width * bitmap.height));
  if (scale >= 1) return bitmap;
  const [resizeWidth, resizeHeight] = [bitmap.width, bitmap.height].map((n) =>
    Math.max(1, Math.round(n * scale)),
  );
  return createImageBitmap(bitmap, { resizeWidth, resizeHeight, resizeQuality: "high" });
}

/** All that is kept of a photo: its file, the network's copy, and the pixels on the screen. */
export async function readPhoto(file) {
  const { animated } = await inspect(file);
  const bitmap = await decoded(file);
  const { width, height } = bitmap;
  const copy = smallCopy(bitmap, ...workingSize(width, height));
  const small = await preview(bitmap);
  const context = drawingOn(new OffscreenCanvas(small.width, small.height));
  context.drawImage(small, 0, 0);
  const pixels = context.getImageData(0, 0, small.width, small.height);
  for (const o of [bitmap, small]) o.close();
  return { file, width, height, animated, copy, pixels, L: lightness(pixels.data) };
}

/** A style is a square copy of its photo. */
export async function readStyle(file, side) {
  await inspect(file);
  const bitmap = await decoded(file);
  const copy = smallCopy(bitmap, side, side);
  bitmap.close();
  return copy;
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
