// What is painted onto a photo: the chroma of the network inside of the frame, and over it what hints change (chapters 6k
// and 10a). A layer is {chroma, copy}.

import { chromaRows } from "./chroma.js";
import { shrunkChroma } from "./photo.js";
import { mapped } from "./resize.js";
import { isPicture } from "./settle.js";
import { withHints } from "./spread.js";

/** Which hints lie on the frame, which stays grey? Their places in the list. As the command judges: by the first point. */
export function onFrame({ view, width, height }, hints) {
  const there = ({ points }) => view.frame && !isPicture(view.frame, points[0], width, height);
  return hints.flatMap((hint, i) => (there(hint) ? [i] : []));
}

/** What the network would have said of a small copy of the whole photo, with its frame in grey: a and b. */
async function wholeChroma({ file, view, a, b, copy, width, height }) {
  const rows = chromaRows([{ chroma: [a, b], copy: view.copy }], width, height, view.frame);
  return shrunkChroma(file, rows, copy.w, copy.h);
}

/** The layers of a photo of that strength. Hints count in pixels of the whole photo; those on the frame change nothing. */
export async function layersOf(photo, strength, hints) {
  const { view, copy, width, height } = photo;
  if (!view.frame) return [{ chroma: withHints(photo, strength, hints), copy }];
  const base = { chroma: [photo.a, photo.b].map((x) => mapped(x, (o) => o * strength)), copy: view.copy };
  const outside = onFrame(photo, hints);
  const told = hints.filter((_, i) => !outside.includes(i));
  if (!told.length) return [base];
  const [a, b] = (photo.whole ??= await wholeChroma(photo));
  const now = withHints({ copy, a, b, width, height }, strength, told);
  const more = now.map((x, k) => mapped(x, (o, i) => o - strength * [a, b][k].data[i]));
  return [base, { chroma: more, copy }];
}
