"use strict";
// The page of a study. The data, an element of JSON, are written by page_html (nbs/09a_rating.ipynb).

const $ = (id) => document.getElementById(id);
const study = JSON.parse($("study").textContent);

// Who sees what: line for line the rule of Python (user_study.order_for).

function hash(text) {
  let h = 2166136261;
  for (const b of new TextEncoder().encode(text)) h = Math.imul(h ^ b, 16777619);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function orderFor(rater) {
  const draw = (what) => hash(`${study.seed}|${rater}|${what}`);
  const sorted = (items, key) => [...items].sort((a, b) => draw(key(a)) - draw(key(b)));
  let seen = study.versions;
  if (!study.each) {
    const dealt = {};
    const first = draw("first");
    sorted(study.photos, (p) => p).forEach((p, i) => {
      dealt[p] = study.methods[(i + first) % study.methods.length];
    });
    seen = seen.filter((v) => v.method === dealt[v.photo]);
  }
  return sorted(seen, (v) => v.file);
}

// Memory: each answer is kept before the next picture comes.

let rater = "";
let order = [];
let answers = [];
const key = () => `letthere ${study.id} ${rater}`;

function remember() {
  try {
    localStorage.setItem(key(), JSON.stringify(answers));
  } catch {
    $("warning").textContent = "This browser keeps nothing: download your answers before you close the page.";
  }
}

function recall() {
  try {
    return JSON.parse(localStorage.getItem(key())) || [];
  } catch {
    return [];
  }
}

// The clock starts when a picture is on the screen, and a picture can't be answered before.

let begun = 0;
let shown = false;
let timer;

function show(id) {
  for (const s of ["welcome", "rating", "end"]) $(s).hidden = s !== id;
}

async function next() {
  shown = false;
  clearTimeout(timer);
  const n = answers.length;
  const picture = $("picture");
  $("progress").max = order.length;
  $("progress").value = n;
  $("count").textContent = `${n} of ${order.length} answered`;
  if (n >= order.length) {
    show("end");
    $("thanks").focus();
    return;
  }
  picture.alt = `Picture ${n + 1}`;
  picture.src = order[n].src;
  picture.style.visibility = "visible";
  try {
    await picture.decode();
  } catch {
    $("warning").textContent = `Picture ${n + 1} can't be shown.`;
  }
  requestAnimationFrame(startClock);
}

function startClock() {
  begun = performance.now();
  shown = true;
  const hide = () => {
    $("picture").style.visibility = "hidden";
  };
  if (study.seconds) timer = setTimeout(hide, study.seconds * 1000);
}

// An answer is a line of six fields, and a download holds all of them.

function answer(yes) {
  const took = (performance.now() - begun) / 1000;
  const v = order[answers.length];
  if ($("rating").hidden || !shown || took < study.fastest) return;
  const time = new Date().toISOString().slice(0, 19) + "Z";
  answers.push([rater, v.photo, v.method, yes ? "yes" : "no", took.toFixed(3), time]);
  remember();
  next();
}

function download() {
  const quoted = (o) => (/[",\n]/.test(o) ? `"${o.replaceAll('"', '""')}"` : o);
  const lines = [study.fields, ...answers].map((row) => row.map(quoted).join(",") + "\n");
  const a = document.createElement("a");
  a.href = URL.createObjectURL(new Blob(lines, { type: "text/csv" }));
  a.download = `answers-${rater.replace(/[^\p{L}\p{N}]+/gu, "-")}.csv`;
  a.click();
}

// What may be clicked, and the keys.

$("form").addEventListener("submit", (e) => {
  e.preventDefault();
  rater = $("name").value.normalize("NFC").trim().split(/\s+/).join(" ");
  if (!rater) return;
  order = orderFor(rater);
  answers = recall();
  remember();
  show("rating");
  $("question").focus();
  next();
});
$("yes").addEventListener("click", () => answer(true));
$("no").addEventListener("click", () => answer(false));
for (const b of document.querySelectorAll("[data-download]")) b.addEventListener("click", download);

const keys = { y: true, arrowright: true, n: false, arrowleft: false };
addEventListener("keydown", (e) => {
  const key = (e.key || "").toLowerCase();
  if (!(key in keys) || e.repeat || e.ctrlKey || e.altKey || e.metaKey || $("rating").hidden) return;
  e.preventDefault();
  answer(keys[key]);
});
