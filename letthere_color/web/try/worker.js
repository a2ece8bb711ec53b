// The work, beside the page, so that the page always answers. Messages: {id, task, ...} in, {id, ...} out.

import { painter } from "./chroma.js";
import { writeGrey } from "./color.js";
import { tinted } from "./hints.js";
import { likeliest, loadModel, look } from "./model.js";
import { colouredFile, readPhoto, readStyle } from "./photo.js";
import { Refusal } from "./refusal.js";
import { withNote } from "./note.js";

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
    return { grey: await createImageBitmap(grey), width, height, animated, scenes };
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
    const { pixels, L, copy } = photo;
    const { a, b, pale } = tinted(photo, hints);
    const picture = new ImageData(pixels.data.slice(), pixels.width);
    painter(a, b, copy, pixels.width, pixels.height)(0, L, picture.data, strength);
    return { picture: await createImageBitmap(picture), pale };
  },

  /** The photo at full size, as a file */
  async save({ type, mood, weight, strength, hints }) {
    const { note } = await setMood(mood, weight);
    const { file, copy, width, height } = photo;
    const { a, b } = tinted(photo, hints);
    const paint = painter(a, b, copy, width, height);
    const coloured = (y, L, rgba) => paint(y, L, rgba, strength);
    const result = await colouredFile(file, type, coloured, (share) => postMessage({ saved: share }));
    return { result: await withNote(result, note) };
  },
};

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
