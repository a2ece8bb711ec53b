// The work, beside the page, so that the page always answers. Messages: {id, task, ...} in, {id, ...} out.

import { changedPart, painter } from "./chroma.js";
import { writeGrey } from "./color.js";
import { LEAST_REACH, scaleOf } from "./hints.js";
import { likeliest, loadModel, look } from "./model.js";
import { colouredFile, readPhoto, readStyle } from "./photo.js";
import { Refusal } from "./refusal.js";
import { withNote } from "./note.js";
import { tooColourful, withHints } from "./spread.js";

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
    const answer = await look(model, next.copy);
    photo = { ...next, ...answer, painted: key("own") };
    const grey = new ImageData(photo.pixels.data.slice(), photo.pixels.width);
    writeGrey(grey.data, photo.L);
    const { width, height, animated } = photo;
    const scenes = likeliest(model, photo.shares);
    const least = LEAST_REACH / scaleOf(photo.copy, photo);
    return { grey: await createImageBitmap(grey), width, height, least, animated, scenes };
  },

  /** A photo whose mood is to be used */
  async style({ file }) {
    const model = await loading;
    photoStyle = (await look(model, await readStyle(file, model.global_size))).features;
    if (photo) photo.painted = null;
    return {};
  },

  /** The photo as it is on the screen, in colour */
  async paint({ mood, weight, strength, hints }) {
    await setMood(mood, weight);
    const picture = repainted(withHints(photo, strength, hints));
    return { picture: await createImageBitmap(picture), pale: tooColourful(photo, hints) };
  },

  /** The photo at full size, as a file */
  async save({ type, mood, weight, strength, hints }) {
    const { note } = await setMood(mood, weight);
    const { file, copy, width, height } = photo;
    const paint = painter(...withHints(photo, strength, hints), copy, width, height);
    const result = await colouredFile(file, type, paint, (share) => postMessage({ saved: share }));
    return { result: await withNote(result, note) };
  },
};

/** The photo of the screen with this chroma. Where it did not change, what was painted last is still right. */
function repainted(chroma) {
  const { pixels, L, copy, shown } = photo;
  const { width: w, height: h } = pixels;
  const picture = shown?.picture ?? new ImageData(pixels.data.slice(), w);
  const part = shown ? changedPart(shown.chroma, chroma, w, h) : { left: 0, top: 0, right: w, bottom: h };
  const rows = [part.top * w, part.bottom * w];
  const rgba = picture.data.subarray(4 * rows[0], 4 * rows[1]);
  painter(...chroma, copy, w, h)(part.top, L.subarray(...rows), rgba, part);
  photo.shown = { chroma, picture };
  return picture;
}

const key = (mood, weight) => JSON.stringify(mood === "own" ? mood : [mood, weight]);

/** Ask the network again, if the mood is another one. */
async function setMood(mood, weight) {
  const model = await loading;
  if (photo.painted !== key(mood, weight)) {
    const style =
      mood === "own" ? null : mood === "photo" ? photoStyle : new Float32Array(model.styles[mood]);
    Object.assign(photo, await look(model, photo.copy, style, weight), {
      painted: key(mood, weight),
    });
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
