// A note in the file, as `letthere colorize` leaves it: the colours come from a model (XMP, chapter 6a).

const encoder = new TextEncoder();
const XMP_PNG = encoder.encode("XML:com.adobe.xmp\0\0\0\0\0");
const XMP_JPEG = encoder.encode("http://ns.adobe.com/xap/1.0/\0");

function joined(...parts) {
  const out = new Uint8Array(parts.reduce((n, o) => n + o.length, 0));
  parts.reduce((at, o) => (out.set(o, at), at + o.length), 0);
  return out;
}

function crc32(data) {
  let crc = ~0;
  for (const byte of data) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = (crc >>> 1) ^ (crc & 1 && 0xedb88320);
  }
  return ~crc >>> 0;
}

const uint = (n, size) => Uint8Array.from({ length: size }, (_, i) => n >>> (8 * (size - 1 - i)));

function pngChunk(xmp) {
  const body = joined(encoder.encode("iTXt"), XMP_PNG, xmp);
  return joined(uint(body.length - 4, 4), body, uint(crc32(body), 4));
}

function jpegSegment(xmp) {
  const body = joined(XMP_JPEG, xmp);
  return joined(Uint8Array.of(0xff, 0xe1), uint(body.length + 2, 2), body);
}

/** The file with the note: in PNG behind the header, in JPEG behind the first segment. */
export async function withNote(file, note) {
  const xmp = encoder.encode(note);
  const { type } = file;
  const segment = new DataView(await file.slice(4, 6).arrayBuffer()).getUint16(0);
  const at = type === "image/png" ? 33 : 4 + segment;
  const piece = type === "image/png" ? pngChunk(xmp) : jpegSegment(xmp);
  return new Blob([file.slice(0, at), piece, file.slice(at)], { type });
}
