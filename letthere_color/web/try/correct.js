// Colours that the visitor knows: hints on the photo, and the part of the page that makes them.

import { bytesOf, lightness } from "./color.js";
import { Edits } from "./edits.js";
import { usualReach } from "./hints.js";
import { read, written } from "./hints_file.js";
import { Marks } from "./marks.js";
import { colourAt, nameOf } from "./palette.js";
import { Swatches } from "./swatches.js";

const $ = (id) => document.getElementById(id);
const NO_PLACE = "#919191"; // swatches are made for it while no hint is chosen
const many = (n) => (n === 1 ? "one hint" : `${n} hints`);
const lightnessOf = (colour) => lightness(Uint8ClampedArray.of(...bytesOf(colour), 255))[0];

/** Tells the page: changed(), paint again; turned(on); keep(blob, name), a file. */
export class Correcting {
  #page;
  #marks;
  #swatches;
  #photos = new Map(); // all that were open, for when they come back
  #photo = { name: "", width: 1, height: 1, least: 1, edits: new Edits(), kept: [] };
  #brush = { colour: null, width: 0, reach: 0 }; // of the next hint; colour null: the one that is there
  #gesture = ""; // draw or move
  #pipette = false;
  #pale = [];
  #outside = [];

  constructor(page) {
    this.#page = page;
    this.#marks = new Marks($("marks"), this);
    this.#swatches = new Swatches($("common"), $("near"), (colour) => this.#give({ colour }));
    this.#listen();
    this.#show();
  }

  get hints() {
    return this.#edits.now.hints;
  }

  get #edits() {
    return this.#photo.edits;
  }

  get #chosen() {
    return this.hints[this.#edits.now.selected];
  }

  /** A photo is open. What to say about its hints, and those of the one before, which wait until it comes back. */
  opened({ name, size, width, height, least }) {
    const before = this.#photo;
    const key = JSON.stringify([name, size]);
    if (!this.#photos.has(key))
      this.#photos.set(key, { name, width, height, least, edits: new Edits(), kept: [] });
    this.#photo = this.#photos.get(key);
    this.#brush = { colour: null, width: 0, reach: usualReach(this.#photo) };
    this.#pale = this.#outside = [];
    this.#gesture = "";
    this.#marks.resize(width, height);
    $("reach").min = Math.ceil((100 * least) / Math.max(width, height));
    $("reach").max = Math.max(100, $("reach").min);
    this.#turn(false);
    this.#show();
    const [here, there] = [this.hints.length, before.edits.now.hints.length];
    if (here) return `Your ${many(here)} for it: here again.`;
    if (there) return `Your ${many(there)} for ${before.name} will be back when you open it again.`;
    return "";
  }

  /** The picture is painted; pale are the hints whose colour its lightness does not allow, outside those on the frame. */
  painted(pale, outside) {
    [this.#pale, this.#outside] = [pale, outside];
    if (!this.#gesture) this.#show();
  }

  // ---- the pointer on the photo, or the cross and Enter

  press(point, hit) {
    if (this.#pipette) {
      this.#usePipette(false);
      this.#give({ colour: this.#seen("after", point) });
    } else if (hit < 0) {
      this.#gesture = "draw";
      this.#try([...this.hints, { points: [point], box: false, ...this.#brush }], this.hints.length);
    } else {
      this.#gesture = "move";
      this.#try(this.hints, hit);
    }
  }

  drag(point, last) {
    const { points } = this.#chosen ?? {};
    if (this.#gesture === "draw") this.#change({ points: [...points, point] });
    if (this.#gesture === "move") this.#change({ points: this.#shifted(points, point, last) });
  }

  release() {
    this.#gesture = "";
    this.#edits.settle();
    this.#show();
  }

  cancel() {
    this.#gesture = "";
    this.#edits.drop();
    this.#show();
    this.#page.changed();
  }

  /** Points moved as the pointer moved, as far as the photo goes. */
  #shifted(points, to, from) {
    const ends = [this.#photo.width, this.#photo.height];
    const by = ends.map((n, i) => {
      const along = points.map((p) => p[i]);
      return Math.min(n - 1 - Math.max(...along), Math.max(-Math.min(...along), to[i] - from[i]));
    });
    return points.map((p) => p.map((o, i) => o + by[i]));
  }

  // ---- changes

  #try(hints, selected) {
    const same = hints === this.hints;
    this.#edits.show(hints, selected);
    this.#show();
    if (!same) this.#page.changed();
  }

  /** Change the chosen hint. */
  #change(what) {
    const { selected } = this.#edits.now;
    this.#try(
      this.hints.map((o, i) => (i === selected ? { ...o, ...what } : o)),
      selected,
    );
  }

  /** Colour or reach, for the chosen hint and the next ones. */
  #give(what, settled = true) {
    Object.assign(this.#brush, what);
    if (this.#chosen) this.#change(what);
    else this.#show();
    if (settled) this.#edits.settle();
  }

  #remove() {
    if (!this.#chosen) return;
    const { selected } = this.#edits.now;
    this.#try(
      this.hints.filter((_, i) => i !== selected),
      -1,
    );
    this.#edits.settle();
  }

  #go(way) {
    this.#edits[way]();
    this.#show();
    this.#page.changed();
  }

  // ---- files

  /** Hints from a file, in the place of those that are here. Throws a Refusal. */
  async open(file) {
    const hints = read(await file.text(), this.#photo);
    this.#turn(true);
    this.#try(hints, -1);
    this.#edits.settle();
    this.#photo.kept = hints;
    return many(hints.length);
  }

  #keep() {
    const text = written(this.hints, this.#photo);
    this.#page.keep(
      new Blob([text], { type: "application/json" }),
      `${this.#photo.name.replace(/\.\w+$/, "")}_hints.json`,
    );
    this.kept(this.hints);
  }

  /** These hints, or a picture with them, are in a file. */
  kept(hints) {
    this.#photo.kept = hints;
  }

  /** Is there work that no file holds? */
  get unkept() {
    return [...this.#photos.values()].some(
      ({ edits, kept }) => edits.now.hints.length && edits.now.hints !== kept,
    );
  }

  // ---- controls

  #listen() {
    const on = (id, event, f) => $(id).addEventListener(event, f);
    on("correct", "click", () => this.#turn($("hints").hidden));
    on("colour", "input", () => this.#give({ colour: $("colour").value }, false));
    on("colour", "change", () => this.#edits.settle());
    on("own", "click", () => this.#give({ colour: null }));
    on("pipette", "click", () => this.#usePipette(!this.#pipette));
    on("reach", "input", () => this.#give({ reach: this.#reach }, false));
    on("reach", "change", () => this.#edits.settle());
    on("undo", "click", () => this.#go("undo"));
    on("redo", "click", () => this.#go("redo"));
    on("remove", "click", () => this.#remove());
    on("save-hints", "click", () => this.#keep());
    document.addEventListener("keydown", (e) => !$("hints").hidden && this.#key(e));
  }

  /** Begin or end to correct. */
  #turn(on) {
    if (on !== $("hints").hidden) return;
    for (const id of ["hints", "advice", "marks"]) $(id).hidden = !on;
    $("takes").hidden = on;
    $("compare").classList.toggle("correcting", on);
    $("correct").textContent = on ? "Done" : "Correct it";
    $("correct").setAttribute("aria-expanded", on);
    this.#usePipette(false);
    if (on) $("marks").focus({ preventScroll: true });
    this.#page.turned(on);
  }

  #usePipette(on) {
    this.#pipette = on;
    $("pipette").setAttribute("aria-pressed", on);
    $("marks").classList.toggle("pipette", on);
    this.#show();
  }

  #key(e) {
    if (this.#gesture) return; // one thing at a time
    const command = e.ctrlKey || e.metaKey;
    const letter = e.key.toLowerCase();
    if (command && letter === "z") this.#go(e.shiftKey ? "redo" : "undo");
    else if (command && letter === "y") this.#go("redo");
    else if (e.key === "Delete" || e.key === "Backspace") this.#remove();
    else if (e.key === "Escape") this.#pipette ? this.#usePipette(false) : this.#try(this.hints, -1);
    else return;
    e.preventDefault();
  }

  /** What the slider says, in pixels of the photo. */
  get #reach() {
    const { width, height, least } = this.#photo;
    return Math.max(Math.ceil(least), Math.round(($("reach").value * Math.max(width, height)) / 100));
  }

  // ---- what is seen

  /** Colour of a picture, grey or coloured, at a point of the photo. */
  #seen(id, [x, y]) {
    const { width, height } = $(id);
    const { width: w, height: h } = this.#photo;
    return colourAt($(id), ((x + 0.5) * width) / w, ((y + 0.5) * height) / h);
  }

  #show() {
    const { hints, selected } = this.#edits.now;
    const chosen = this.#chosen;
    const { colour, reach } = chosen ?? this.#brush;
    const grey = chosen ? this.#seen("before", chosen.points[0]) : NO_PLACE;
    const own = chosen ? this.#seen("after", chosen.points[0]) : NO_PLACE;
    this.#marks.draw(hints, selected);
    this.#swatches.show(lightnessOf(grey), colour ?? own, colour);
    $("colour").value = colour ?? own;
    $("own").setAttribute("aria-pressed", !colour);
    $("reach").value = Math.round((100 * reach) / Math.max(this.#photo.width, this.#photo.height));
    $("reach-value").textContent = `${$("reach").value} %`;
    const outside = this.#outside.includes(selected);
    $("pale").hidden = !chosen || !(outside || this.#pale.includes(selected));
    $("pale").textContent = outside
      ? "This is the frame around the picture, which stays grey. Choose none as its frame to colour it, too."
      : `Here the photo is too ${lightnessOf(grey) < 50 ? "dark" : "bright"} for so strong a colour: it becomes paler.`;
    $("undo").disabled = !this.#edits.canUndo;
    $("redo").disabled = !this.#edits.canRedo;
    $("remove").disabled = !chosen;
    $("save-hints").disabled = !hints.length;
    $("advice").textContent = this.#advice();
  }

  #advice() {
    const { colour } = this.#chosen ?? this.#brush;
    if (this.#pipette) return "Click on the colour to take.";
    if (this.#chosen && !colour) return "Which colour is it? Until you choose, it stays as it is.";
    if (this.#chosen)
      return "Too little? Draw over more of it. Too much? Lower its reach, or click there and take “As it is”.";
    if (colour) return `Click on what is ${nameOf(colour)}, or draw over it.`;
    return "Click on a thing whose colour you know.";
  }
}
