// The hints as they lie on the photo: drawn, pointed at, drawn anew. Positions are pixels of the photo.

import { distance } from "./hints.js";

const SVG = "http://www.w3.org/2000/svg";
const NEAR = 16; // pixels of the screen: pointing so near to a hint means this hint
const APART = 5; // pixels of the screen between two points of a stroke

/** Its way on the screen: a box, a line, or a line without length, of which round ends make a dot. */
function way({ points, box }) {
  const [[x0, y0], [x1, y1] = []] = points;
  if (box) return `M${x0} ${y0}H${x1}V${y1}H${x0}Z`;
  return `M${points.map((p) => p.join(" ")).join("L")}${points.length > 1 ? "" : "h0.001"}`;
}

/** Points of the line that one sees. */
function outline({ points, box }) {
  if (!box) return points;
  const [[x0, y0], [x1, y1]] = points;
  return [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]; // prettier-ignore
}

function drawn(name, attributes) {
  const o = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) o.setAttribute(key, value);
  return o;
}

/** Tells its listener {press, drag, release, cancel}: press(point, index of the hint there or -1), drag(point). */
export class Marks {
  #box;
  #svg;
  #on;
  #size = [1, 1];
  #hints = [];
  #cross = [0, 0];
  #last = null; // where the pointer was, while it is down

  constructor(box, on) {
    this.#box = box;
    this.#svg = box.querySelector("svg");
    this.#on = on;
    box.addEventListener("pointerdown", (e) => this.#down(e));
    box.addEventListener("pointermove", (e) => this.#move(e));
    box.addEventListener("pointerup", () => this.#up("release"));
    box.addEventListener("pointercancel", () => this.#up("cancel"));
    box.addEventListener("keydown", (e) => this.#key(e));
  }

  /** A photo of w x h pixels. */
  resize(w, h) {
    this.#size = [w, h];
    this.#cross = [w >> 1, h >> 1];
    this.#svg.setAttribute("viewBox", `0 0 ${w} ${h}`);
  }

  draw(hints, selected) {
    this.#hints = hints;
    const centred = drawn("g", { transform: "translate(.5 .5)" });
    centred.append(
      ...(hints[selected] ? this.#reach(hints[selected]) : []),
      ...hints.flatMap((hint, i) => this.#mark(hint, i === selected)),
    );
    this.#svg.replaceChildren(centred, this.#crosshair());
  }

  /** The border of what a hint reaches: a broad line, of which a mask leaves the edge. */
  #reach(hint) {
    const d = way(hint);
    const whole = { x: 0, y: 0, width: "100%", height: "100%" };
    const mask = drawn("mask", { id: "rest", maskUnits: "userSpaceOnUse", ...whole });
    const inner = Math.max(0, 2 * (hint.reach - 1.5 * this.#scale));
    mask.append(
      drawn("rect", { ...whole, fill: "#fff" }),
      drawn("path", {
        d,
        class: "wide",
        fill: hint.box ? "#000" : "none",
        stroke: "#000",
        "stroke-width": inner,
      }),
    );
    const wide = { class: "wide reach", "stroke-width": 2 * hint.reach, mask: "url(#rest)" };
    return [mask, drawn("path", { d, ...wide })];
  }

  #mark(hint, chosen) {
    const [d, size] = [way(hint), hint.points.length > 1 ? "stroke" : "dot"];
    const layers = [chosen ? "chosen" : "edge", "rim", hint.colour ? "core" : "own"];
    const paths = layers.map((o) => drawn("path", { class: `${size} ${o}`, d }));
    if (hint.colour) paths.at(-1).setAttribute("stroke", hint.colour);
    return paths;
  }

  #crosshair() {
    const [x, y] = this.#cross;
    const [w, h] = this.#size;
    const d = `M0 ${y}H${w}M${x} 0V${h}`;
    const o = drawn("g", { class: "cross" });
    o.append(drawn("path", { class: "rim", d }), drawn("path", { class: "line", d }));
    return o;
  }

  /** Pixels of the photo in one of the screen. */
  get #scale() {
    return this.#size[0] / this.#box.clientWidth;
  }

  #point(e) {
    const box = this.#box.getBoundingClientRect();
    const share = [(e.clientX - box.left) / box.width, (e.clientY - box.top) / box.height];
    return share.map((o, i) => Math.min(this.#size[i] - 1, Math.max(0, Math.floor(o * this.#size[i]))));
  }

  /** The hint at a point: the nearest one, if it is near. */
  #hit(point) {
    const far = this.#hints.map((hint) => distance(point, outline(hint)));
    const least = Math.min(...far);
    return least < NEAR * this.#scale ? far.lastIndexOf(least) : -1;
  }

  #down(e) {
    if (e.button || this.#last) return;
    this.#box.setPointerCapture(e.pointerId);
    this.#last = this.#point(e);
    this.#on.press(this.#last, this.#hit(this.#last));
  }

  #move(e) {
    if (!this.#last) return;
    const point = this.#point(e);
    if (distance(point, [this.#last]) < APART * this.#scale) return;
    this.#on.drag(point, this.#last);
    this.#last = point;
  }

  #up(how) {
    if (!this.#last) return;
    this.#last = null;
    this.#on[how]();
  }

  #key(e) {
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
    if (arrow) {
      const step = Math.max(1, Math.round(Math.max(...this.#size) * (e.shiftKey ? 0.002 : 0.02)));
      this.#cross = this.#cross.map((o, i) => Math.min(this.#size[i] - 1, Math.max(0, o + step * arrow[i])));
      this.#svg.lastChild.replaceWith(this.#crosshair());
    } else if ((e.key === "Enter" || e.key === " ") && !e.repeat) {
      this.#on.press(this.#cross, this.#hit(this.#cross));
      this.#on.release();
    } else return;
    e.preventDefault();
  }
}
