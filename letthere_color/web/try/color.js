// sRGB to L*a*b* and back, with the numbers of chapter 0 (letthere_color.core).

const RGB_TO_XYZ = [
  [0.412453 / 0.95047, 0.35758 / 0.95047, 0.180423 / 0.95047],
  [0.212671, 0.71516, 0.072169],
  [0.019334 / 1.08883, 0.119193 / 1.08883, 0.950227 / 1.08883],
];
const XYZ_TO_RGB = inverse(RGB_TO_XYZ);
const SHRINK_STEPS = 12;

/** Inverse of a 3x3 matrix, by cofactors. */
function inverse(m) {
  const cofactor = (i, j) =>
    m[(i + 1) % 3][(j + 1) % 3] * m[(i + 2) % 3][(j + 2) % 3] -
    m[(i + 1) % 3][(j + 2) % 3] * m[(i + 2) % 3][(j + 1) % 3];
  const det = m[0].reduce((sum, x, j) => sum + x * cofactor(0, j), 0);
  return m.map((row, i) => row.map((_, j) => cofactor(j, i) / det));
}

const linear = (x) => (x > 0.04045 ? ((x + 0.055) / 1.055) ** 2.4 : x / 12.92);
const gamma = (x) => (x > 0.0031308 ? 1.055 * x ** (1 / 2.4) - 0.055 : 12.92 * x);
const root = (t) => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
const cube = (f) => (f > 0.2068966 ? f * f * f : (f - 16 / 116) / 7.787);

// What each value of each channel adds to the luminance, and the byte for each of 65537 steps of linear light
const LUMINANCE = RGB_TO_XYZ[1].map((k) => Float64Array.from({ length: 256 }, (_, i) => k * linear(i / 255)));
const TO_BYTE = Uint8Array.from({ length: 65537 }, (_, i) => Math.round(gamma(i / 65536) * 255));
const byte = (x) => TO_BYTE[Math.min(65536, Math.max(0, Math.floor(x * 65536 + 0.5)))];

/** Three bytes of #rrggbb. */
export const bytesOf = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

/** L, a and b of a colour of three bytes. */
export function labOf(rgb) {
  const [x, y, z] = RGB_TO_XYZ.map((row) =>
    root(row.reduce((sum, k, i) => sum + k * linear(rgb[i] / 255), 0)),
  );
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

/** Lightness, 0 to 100, of pixels RGBA. */
export function lightness(rgba) {
  const [red, green, blue] = LUMINANCE;
  const L = new Float32Array(rgba.length / 4);
  for (let i = 0, p = 0; i < L.length; i++, p += 4)
    L[i] = 116 * root(red[rgba[p]] + green[rgba[p + 1]] + blue[rgba[p + 2]]) - 16;
  return L;
}

const [[RX, RY, RZ], [GX, GY, GZ], [BX, BY, BZ]] = XYZ_TO_RGB;

/** Is a colour one that sRGB does not have? f is (L + 16) / 116, y the luminance. */
function outside(f, y, a, b) {
  const x = cube(f + a / 500);
  const z = cube(Math.max(0, f - b / 200));
  const red = RX * x + RY * y + RZ * z;
  const green = GX * x + GY * y + GZ * z;
  const blue = BX * x + BY * y + BZ * z;
  return Math.min(red, green, blue) < -5e-6 || Math.max(red, green, blue) > 1 + 1e-4;
}

/** The largest share of the chroma that sRGB holds at lightness L, by bisection. */
export function share(L, a, b) {
  const f = (L + 16) / 116;
  const y = cube(f);
  if (!outside(f, y, a, b)) return 1;
  let low = 0;
  for (let i = 1; i <= SHRINK_STEPS; i++) {
    const middle = low + 0.5 ** i;
    if (!outside(f, y, a * middle, b * middle)) low = middle;
  }
  return low;
}

/** Write a colour into rgba at p: its lightness and hue stay, its chroma is lowered where sRGB can't hold it. */
export function writeColour(rgba, p, L, a, b) {
  const k = share(L, a, b);
  const f = (L + 16) / 116;
  const x = cube(f + (a * k) / 500);
  const y = cube(f);
  const z = cube(Math.max(0, f - (b * k) / 200));
  rgba[p] = byte(RX * x + RY * y + RZ * z);
  rgba[p + 1] = byte(GX * x + GY * y + GZ * z);
  rgba[p + 2] = byte(BX * x + BY * y + BZ * z);
}

/** Write greys of lightness L into rgba; alpha stays. */
export function writeGrey(rgba, L) {
  for (let i = 0; i < L.length; i++) writeColour(rgba, 4 * i, L[i], 0, 0);
}
