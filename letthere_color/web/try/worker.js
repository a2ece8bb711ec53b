// The work, beside the page, so that the page always answers. Messages: {id, task, ...} in, {id, ...} out.

import { changedPart, painter } from "./chroma.js";
import { writeGrey } from "./color.js";
import { LEAST_REACH, scaleOf } from "./hints.js";
import { layersOf, onFrame } from "./layers.js";
import { likeliest, loadModel, look } from "./model.js";
import { colouredFile, readPhoto, readStyle } from "./photo.js";
import { Refusal } from "./refusal.js";
import { withNote } from "./note.js";
import { readable } from "./seen.js";
import { scaled } from "./settle.js";
import { tooColourful } from "./spread.js";

const loading = loadModel((share) => postMessage({ loaded: share }));
loading.then(
  ({ styles }) => postMessage({ styles: Object.keys(styles) }),
  (e) => postMessage({ broken: e.message }),
);

let photo; // from readPhoto, with the chroma that the network gave
let photoStyle; // global features of the visitor's second photo

const tasks = {
  /** A new photo, in its own mood */
  async open({ file }) {
    const model = await loading;
    const next = await readPhoto(file);
    const view = next.views.auto;
    const answer = await look(model, readable(view.copy));
    photo = { ...next, view, ...answer, painted: key({ mood: "own", frame: "auto" }) };
    const grey = new ImageData(photo.pixels.data.slice(), photo.pixels.width);
    writeGrey(grey.data, photo.L);
    const { width, height, animated } = photo;
    const scenes = likeliest(model, photo.shares);
    const least = LEAST_REACH / scaleOf(photo.copy, photo);
    const framed = view.frame !== null;
    return { grey: await createImageBitmap(grey), width, height, least, animated, framed, scenes };
  },

  /** A photo whose mood is to be used */
  async style({ file }) {
    const model = await loading;
    photoStyle = (await look(model, await readStyle(file, model.global_size))).features;
    if (photo) photo.painted = null;
    return {};
  },

  /** The photo as it is on the screen, in colour */
  async paint({ strength, hints, ...asked }) {
    await askNetwork(asked);
    const picture = repainted(await layersOf(photo, strength, hints), strength);
    const told = { pale: tooColourful(photo, hints), outside: onFrame(photo, hints) };
    return { picture: await createImageBitmap(picture), ...told };
  },

  /** The photo at full size, as a file */
  async save({ type, strength, hints, ...asked }) {
    const { note } = await askNetwork(asked);
    const { file, view, width, height } = photo;
    const paint = painter(await layersOf(photo, strength, hints), width, height, view.frame);
    const result = await colouredFile(file, type, paint, (share) => postMessage({ saved: share }));
    return { result: await withNote(result, note) };
  },
};

/** The photo of the screen with these layers. Where they did not change, what was painted last is still right. */
function repainted(layers, strength) {
  const { pixels, L, shown, view, painted } = photo;
  const { width: w, height: h } = pixels;
  const picture = shown?.picture ?? new ImageData(pixels.data.slice(), w);
  const frame = view.frame && scaled(view.frame, w / photo.width, h / photo.height);
  const below = frame ? [painted, strength, layers.length].join() : ""; // where only the last layer may differ
  const part =
    shown?.below === below
      ? changedPart(shown.layers.at(-1).chroma, layers.at(-1).chroma, w, h)
      : { left: 0, top: 0, right: w, bottom: h };
  const rows = [part.top * w, part.bottom * w];
  const rgba = picture.data.subarray(4 * rows[0], 4 * rows[1]);
  painter(layers, w, h, frame)(part.top, L.subarray(...rows), rgba, part);
  photo.shown = { layers, below, picture };
  return picture;
}

const key = ({ mood, weight, frame }) =>
  JSON.stringify(mood === "own" ? [mood, frame] : [mood, frame, weight]);

/** Ask the network again, if the mood is another one, or what it is shown. */
async function askNetwork(asked) {
  const model = await loading;
  if (photo.painted !== key(asked)) {
    const { mood, weight, frame } = asked;
    const style =
      mood === "own" ? null : mood === "photo" ? photoStyle : new Float32Array(model.styles[mood]);
    const view = photo.views[frame];
    const answer = await look(model, readable(view.copy), style, weight);
    Object.assign(photo, { view, whole: null, ...answer, painted: key(asked) });
  }
  return model;
}

let last = Promise.resolve();
addEventListener("message", ({ data: { id, task, ...given } }) => {
  last = last.then(async () => {
    try {
      const answer = await tasks[task](given);
      postMessage(
        { id, ...answer },
        Object.values(answer).filter((o) => o instanceof ImageBitmap),
      );
    } catch (e) {
      postMessage({ id, error: e.message || String(e), refusal: e instanceof Refusal });
    }
  });
});
