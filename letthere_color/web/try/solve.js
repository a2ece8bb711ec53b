// A sparse system on a grid, as SciPy solves it in chapter 10a: each unknown is the mean of its four neighbours, weighted
// by how alike they are. Conjugate gradients; an incomplete Cholesky factor makes the steps few.

const EXACT = 1e-5; // of the first error: where it ends
const MOST_STEPS = 1000;
const MODIFIED = 0.97; // share of the factor's left-out numbers that its diagonal gets

/** The unknowns and a border of one around them: {w, h, at}, at maps to the grid, -1 where it has ended. */
function windowOn(free, w) {
  const h = free.length / w;
  const [xs, ys] = [[w, -1], [h, -1]]; // prettier-ignore
  free.forEach((o, i) => {
    if (!o) return;
    const [x, y] = [i % w, Math.floor(i / w)];
    [xs[0], xs[1], ys[0], ys[1]] = [
      Math.min(xs[0], x),
      Math.max(xs[1], x),
      Math.min(ys[0], y),
      Math.max(ys[1], y),
    ];
  });
  const size = [xs[1] - xs[0] + 3, ys[1] - ys[0] + 3];
  const at = Int32Array.from({ length: size[0] * size[1] }, (_, i) => {
    const [x, y] = [xs[0] - 1 + (i % size[0]), ys[0] - 1 + Math.floor(i / size[0])];
    return x >= 0 && x < w && y >= 0 && y < h ? y * w + x : -1;
  });
  return { w: size[0], n: at.length, at };
}

/** The matrix: weights between unknowns to the right and below, its diagonal, and the links to what is known. */
function matrix({ w, n, at }, free, alike, pull) {
  const [right, below, diagonal] = [0, 0, 0].map(() => new Float64Array(n));
  const known = []; // [unknown, its known neighbour on the grid, weight]
  const link = (list, i, j) => {
    const [p, q] = [at[i], at[j]];
    if (p < 0 || q < 0 || !(free[p] || free[q])) return;
    const weight = alike(p, q);
    diagonal[i] += weight;
    diagonal[j] += weight;
    if (free[p] && free[q]) list[i] = weight;
    else known.push(free[p] ? [i, q, weight] : [j, p, weight]);
  };
  for (let i = 0; i < n - w; i++) {
    link(right, i, i + 1);
    link(below, i, i + w);
  }
  for (let i = 0; i < n; i++)
    if (at[i] >= 0 && free[at[i]]) diagonal[i] += pull(at[i]);
    else diagonal[i] = 1; // is not asked for, and stays 0
  return { w, n, right, below, diagonal, known };
}

/** Pivots of the incomplete factor. */
function factor({ w, n, right, below, diagonal }) {
  const pivots = diagonal.slice();
  for (let i = w; i < n - w; i++) {
    const [r, b] = [right[i - 1], below[i - w]];
    const left = (r * (r + MODIFIED * below[i - 1])) / pivots[i - 1];
    const above = (b * (b + MODIFIED * right[i - w])) / pivots[i - w];
    if (diagonal[i] - left - above > diagonal[i] / 4) pivots[i] -= left + above;
  }
  return pivots;
}

/** out = matrix x */
function times({ w, n, right, below, diagonal }, x, out) {
  for (let i = w; i < n - w; i++)
    out[i] =
      diagonal[i] * x[i] -
      (right[i] * x[i + 1] + right[i - 1] * x[i - 1] + below[i] * x[i + w] + below[i - w] * x[i - w]);
}

/** out = what the factor makes of r: there and back again. */
function conditioned({ w, n, right, below }, pivots, r, out) {
  for (let i = w; i < n - w; i++)
    out[i] = (r[i] + right[i - 1] * out[i - 1] + below[i - w] * out[i - w]) / pivots[i];
  for (let i = n - w - 1; i >= w; i--) out[i] += (right[i] * out[i + 1] + below[i] * out[i + w]) / pivots[i];
}

function dot(x, y) {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i];
  return sum;
}

/** x with matrix x = r; r is used up. */
function conjugateGradients(system, pivots, r) {
  const [x, z, q] = [0, 0, 0].map(() => new Float64Array(system.n));
  conditioned(system, pivots, r, z);
  const p = z.slice();
  let rz = dot(r, z);
  const enough = EXACT ** 2 * rz;
  for (let k = 0; k < MOST_STEPS && rz > enough; k++) {
    times(system, p, q);
    const step = rz / dot(p, q);
    for (let i = 0; i < x.length; i++) {
      x[i] += step * p[i];
      r[i] -= step * q[i];
    }
    conditioned(system, pivots, r, z);
    const next = dot(r, z);
    for (let i = 0; i < x.length; i++) p[i] = z[i] + (next / rz) * p[i];
    rz = next;
  }
  return x;
}

/** Fill in each of the planes ds where free is 1, from what they hold elsewhere. On the grid, which is w wide,
 * alike(p, q) is the weight of two neighbours, and pull(p) that of zero. */
export function fillIn(ds, free, w, alike, pull) {
  if (!free.includes(1)) return;
  const view = windowOn(free, w);
  const system = matrix(view, free, alike, pull);
  const pivots = factor(system);
  for (const d of ds) {
    const r = new Float64Array(system.n);
    for (const [i, q, weight] of system.known) r[i] += weight * d[q];
    conjugateGradients(system, pivots, r).forEach((o, i) => {
      if (view.at[i] >= 0 && free[view.at[i]]) d[view.at[i]] = o;
    });
  }
}
