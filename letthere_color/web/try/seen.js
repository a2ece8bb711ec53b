// What the network is shown of a faded or dark photo (chapter 6l): its copy, stretched. The photo keeps its lightness.

import { mapped } from "./resize.js";

const SPAN = 0.5; // where lightness spans less, the copy is stretched
const FLAT = 0.02; // where it spans less than that, there is nothing to see

/** The copy as the network reads it best: stretched where it must be, itself elsewhere. */
export function readable(copy) {
  const sorted = copy.data.slice().sort();
  const k = Math.floor(sorted.length / 1000);
  const [low, high] = [sorted[k], sorted[sorted.length - 1 - k]];
  if (high - low >= SPAN || high - low <= FLAT) return copy;
  const scale = 0.6 / (high - low);
  return mapped(copy, (o) => Math.min(1, Math.max(0, o * scale + 0.2 - low * scale)));
}
