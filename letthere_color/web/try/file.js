// What a file is, read from its first bytes: a browser would guess, and decode a bomb to find out its size.

import { Refusal } from "./refusal.js";

export const MAX_PIXELS = 64e6;
const BOXED = /^....ftyp(heic|heix|mif1|hevc|avif|avis)/s; // some browsers decode them, others not
const OTHERS = [
  [/^(II\*\0|MM\0\*|II\+\0|MM\0\+)/, "TIFF or a raw photo"],
  [/^8BPS/, "a Photoshop file"],
  [/^(\xff\n|\0\0\0\fJXL )/, "JPEG XL"],
  [/^%PDF/, "PDF"],
];
const FILM = /^(....(ftyp|moov|mdat)|.E\xdf\xa3|RIFF....AVI |\0\0.[\xba\xb3]|G.{187}G|OggS|0&\xb2u|FLV)/s;

const bytes = async (file, from, n) => new DataView(await file.slice(from, from + n).arrayBuffer());
const text = (view) => String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset, view.byteLength));

function png(head, view) {
  return { width: view.getUint32(16), height: view.getUint32(20), animated: head.includes("acTL") };
}

function gif(head, view) {
  const at = head.indexOf("!\xf9\x04");
  const delay = at < 0 ? 0 : head.charCodeAt(at + 4) + head.charCodeAt(at + 5);
  return {
    width: view.getUint16(6, true),
    height: view.getUint16(8, true),
    animated: head.includes("NETSCAPE2.0") || delay > 0, // it repeats, or its first picture has an end
  };
}

function webp(head, view) {
  const uint24 = (i) => view.getUint16(i, true) + (view.getUint8(i + 2) << 16);
  const kind = head.slice(12, 16);
  if (kind === "VP8X")
    return { width: uint24(24) + 1, height: uint24(27) + 1, animated: (view.getUint8(20) & 2) > 0 };
  if (kind === "VP8 ")
    return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
  const bits = view.getUint32(21, true);
  return { width: (bits & 0x3fff) + 1, height: ((bits >> 14) & 0x3fff) + 1 };
}

function bmp(head, view) {
  return { width: view.getInt32(18, true), height: Math.abs(view.getInt32(22, true)) };
}

/** AVIF and HEIC: the largest of the pictures in it, of which many are tiles. */
async function boxed(file) {
  const view = await bytes(file, 0, 65536);
  const head = text(view);
  let found = { width: 0, height: 0 };
  for (let at = head.indexOf("ispe"); at >= 0 && at + 16 <= head.length; at = head.indexOf("ispe", at + 4)) {
    const [width, height] = [view.getUint32(at + 8), view.getUint32(at + 12)];
    if (width * height > found.width * found.height)
      found = { width, height, animated: head.startsWith("avis", 8) };
  }
  return found;
}

/** "AVIF" or "HEIC" if it is one of these; for the message when the browser does not decode it. */
export async function boxedKind(file) {
  const kind = text(await bytes(file, 0, 16)).match(BOXED);
  return kind && (kind[1].startsWith("av") ? "AVIF" : "HEIC");
}

/** The size is in the first frame header; the segments before it may be long. */
async function jpeg(file) {
  for (let at = 2; at + 9 < file.size;) {
    const segment = await bytes(file, at, 9);
    const marker = segment.getUint8(1);
    if (segment.getUint8(0) !== 0xff) break;
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker))
      return { width: segment.getUint16(7), height: segment.getUint16(5) };
    at += marker === 0xff ? 1 : 2 + segment.getUint16(2);
  }
  throw new Refusal("is damaged or cut off: copy it again.");
}

async function inspected(file) {
  const view = await bytes(file, 0, 4096);
  const head = text(view);
  if (!head) throw new Refusal("is empty (0 bytes): copy the photo again.");
  if (head.startsWith("\xff\xd8\xff")) return jpeg(file);
  if (head.startsWith("\x89PNG")) return png(head, view);
  if (/^GIF8/.test(head)) return gif(head, view);
  if (/^RIFF....WEBP/s.test(head)) return webp(head, view);
  if (head.startsWith("BM")) return bmp(head, view);
  if (BOXED.test(head)) return boxed(file);
  if (FILM.test(head)) throw new Refusal("is a film: the command colours it, letthere colorize FILM.");
  const other = OTHERS.find(([start]) => start.test(head));
  throw new Refusal(
    other
      ? `is ${other[1]}: this page reads JPEG, PNG and WebP, BMP, AVIF and perhaps HEIC. Save it as JPEG.`
      : "is not a photo: this page reads JPEG, PNG and WebP, BMP, AVIF and perhaps HEIC.",
  );
}

/** Width, height and whether it is animated. Throws a Refusal for all that is no photo, or too large. */
export async function inspect(file) {
  let found;
  try {
    found = await inspected(file);
  } catch (e) {
    throw e instanceof Refusal ? e : new Refusal("is damaged or cut off: copy it again.");
  }
  const pixels = found.width * found.height;
  if (!pixels) throw new Refusal("has no pixels: copy it again.");
  if (pixels > MAX_PIXELS)
    throw new Refusal(
      `has ${Math.round(pixels / 1e6)} million pixels, and this page colours up to ${MAX_PIXELS / 1e6} million: ` +
        "make it smaller, or use the command letthere colorize.",
    );
  return found;
}
