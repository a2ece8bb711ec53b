// Colours that a person tells, and where they lie on the network's copy (chapter 10a).
// A hint is {points, box, width, reach, colour}: one point, a stroke, or two corners of a box; width and reach are
// pixels of the photo; colour null keeps what the network says.

const REACH = 0.25; // of the longer side, where a file says nothing
export const LEAST_REACH = 8; // pixels of the copy

/** Pixels of the copy in one of the photo. */
export const scaleOf = (copy, { width, height }) => Math.sqrt((copy.w * copy.h) / (width * height));

/** The reach of a hint that does not say its own, in pixels of the photo. */
export const usualReach = ({ width, height }) => REACH * Math.max(width, height);

// ---- where they lie

/** The column and the row of the copy that hold the centre of a pixel. */
export function cellOf([x, y], copy, { width, height }) {
  const along = (o, m, n) => Math.min(m - 1, Math.floor(((2 * o + 1) * m) / (2 * n)));
  return [along(x, copy.w, width), along(y, copy.h, height)];
}

/** How far a point is from the line between two others, or through many. */
export function distance([x, y], points) {
  let least = Infinity;
  for (let i = 0; i < points.length; i++) {
    const [x0, y0] = points[i];
    const [dx, dy] = points[Math.min(i + 1, points.length - 1)].map((o, k) => o - points[i][k]);
    const long = dx * dx + dy * dy;
    const t = long && Math.min(1, Math.max(0, ((x - x0) * dx + (y - y0) * dy) / long));
    least = Math.min(least, Math.hypot(x - x0 - t * dx, y - y0 - t * dy));
  }
  return least;
}

/** Cells of the copy that a hint pins, as indices. */
export function cellsOf({ points, box, width }, copy, photo) {
  const found = new Set(points.map((p) => cellOf(p, copy, photo)).map(([x, y]) => y * copy.w + x));
  const add = (x0, y0, x1, y1, wanted) => {
    for (let y = Math.max(0, y0); y <= Math.min(copy.h - 1, y1); y++)
      for (let x = Math.max(0, x0); x <= Math.min(copy.w - 1, x1); x++)
        if (wanted([x, y])) found.add(y * copy.w + x);
  };
  if (box) add(...cellOf(points[0], copy, photo), ...cellOf(points[1], copy, photo), () => true);
  else if (points.length > 1) {
    const far = Math.max(0.5, (width / 2) * scaleOf(copy, photo)) + 1e-6; // a tie is in, however it is rounded
    const line = points.map(([x, y]) => [
      ((x + 0.5) * copy.w) / photo.width - 0.5,
      ((y + 0.5) * copy.h) / photo.height - 0.5,
    ]);
    for (let i = 1; i < line.length; i++) {
      const two = [line[i - 1], line[i]];
      const ends = [0, 1].map((k) => two.map((p) => p[k]));
      const [left, top] = ends.map((o) => Math.floor(Math.min(...o) - far));
      const [right, bottom] = ends.map((o) => Math.ceil(Math.max(...o) + far));
      add(left, top, right, bottom, (p) => distance(p, two) <= far);
    }
  }
  return [...found];
}
