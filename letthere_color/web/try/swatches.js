// The colours of palette.js, to be clicked at.

import { nameOf, swatches } from "./palette.js";

function radio(name) {
  const o = document.createElement("input");
  Object.assign(o, { type: "radio", name, className: "swatch" });
  return o;
}

function button() {
  const o = document.createElement("button");
  Object.assign(o, { type: "button", className: "swatch" });
  return o;
}

function dress(o, { colour, name }) {
  o.style.setProperty("--colour", colour);
  o.value = colour;
  o.title = name;
  o.setAttribute("aria-label", name);
}

/** Two rows of swatches; picked(colour) when the visitor takes one. */
export class Swatches {
  #common;
  #near;

  constructor(common, near, picked) {
    const [many, few] = [swatches(50, "#808080").common, swatches(50, "#808080").near].map((o) => o.length);
    this.#common = Array.from({ length: many }, () => radio("colour"));
    this.#near = Array.from({ length: few }, button);
    for (const o of this.#common) o.addEventListener("change", () => picked(o.value));
    for (const o of this.#near) o.addEventListener("click", () => picked(o.value));
    common.append(...this.#common);
    near.append(...this.#near);
  }

  /** For a place of lightness L; the second row lies around a colour; chosen is the one of the hint, or null. */
  show(L, colour, chosen) {
    const { common, near } = swatches(L, colour);
    this.#common.forEach((o, i) => {
      dress(o, common[i]);
      o.checked = common[i].colour === chosen;
    });
    this.#near.forEach((o, i) =>
      dress(o, { ...near[i], name: `${nameOf(near[i].colour)}, ${near[i].name}` }),
    );
  }
}
