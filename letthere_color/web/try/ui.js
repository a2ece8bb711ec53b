// What the visitor sees and does. The work is in worker.js.

import { ask, hear } from "./ask.js";
import { Correcting } from "./correct.js";
import { frameNote } from "./frame_note.js";
import { Refusal } from "./refusal.js";

const $ = (id) => document.getElementById(id);
const percent = (x) => `${Math.round(100 * x)} %`;
const readable = (name) => name.replace(/^obj_/, "").replaceAll("_", " ");

hear({
  loaded: (share) => say(`Loading the network: ${percent(share)}`, share),
  saved: (share) => say("Colouring at full size", share),
  styles: ready,
  broken: dead,
});

// ---- telling

/** One line about what is going on; with a share, a bar. */
function say(text, share) {
  // a screen reader need not hear every percent
  if (share === undefined || $("status").dataset.last !== text.split(":")[0]) $("status").textContent = text;
  $("status").dataset.last = text.split(":")[0];
  $("progress").hidden = share === undefined;
  if (share !== undefined) $("progress").value = share;
}

function complain(text) {
  $("problem").textContent = text;
  $("problem").hidden = !text;
}

function ready(styles) {
  document.body.dataset.ready = "yes";
  for (const name of styles) $("presets").append(new Option(readable(name), name));
  if (!photo) say("Ready. From here on the page works offline.");
}

/** The network can't run here. */
function dead(why) {
  say("The network is not here.");
  complain(
    `The network could not be started (${why}). Reload the page, or try a newer Firefox, Chrome, Edge or Safari.`,
  );
  for (const o of $("app").querySelectorAll("input, button, select")) o.disabled = true;
}

function explain(name, error) {
  if (error.refusal) return `${name} ${error.message}`;
  return `${name} could not be coloured (${error.message}). Try a smaller photo, or reload the page.`;
}

// ---- a photo

const COMPARE = "The slider on the picture compares.";

let photo = null; // {name, size, width, height, animated, framed, scenes}
let newest = 0;

async function open(file) {
  const turn = ++newest;
  complain("");
  say(document.body.dataset.ready ? `Colouring ${file.name}` : "Loading the network first", undefined);
  try {
    const found = await ask("open", { file });
    if (turn !== newest) return;
    photo = { ...found, name: file.name, size: file.size };
    resetMood();
    const word = correcting.opened(photo);
    show($("before"), found.grey);
    await paint();
    reveal(word);
  } catch (e) {
    if (turn !== newest) return;
    complain(explain(file.name, e));
    say(photo ? `${photo.name} is still here.` : "");
  }
}

function show(canvas, bitmap) {
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("bitmaprenderer").transferFromImageBitmap(bitmap);
}

function reveal(word) {
  $("empty").hidden = true;
  $("picture").hidden = $("panel").hidden = false;
  $("compare").style.setProperty("--ratio", photo.width / photo.height);
  $("caption").textContent =
    `${photo.name}, ${photo.width} × ${photo.height} pixels` +
    (photo.animated ? "; it is animated, this is its first picture" : "");
  listScenes(photo.scenes);
  say(`${photo.name} is coloured. ${word || COMPARE}`);
}

function listScenes(scenes) {
  $("scenes").replaceChildren(
    ...scenes.map(({ name, share }) => {
      const [li, label, value, bar] = ["li", "span", "span", "div"].map((o) => document.createElement(o));
      [label.textContent, value.textContent] = [readable(name), percent(share)];
      bar.style.setProperty("--share", share);
      li.append(label, value, bar);
      return li;
    }),
  );
}

// ---- its colours

const settings = () => ({
  mood: $("mood").value,
  weight: $("weight").value / 100,
  strength: $("strength").value / 100,
  frame: $("frame").value,
  hints: correcting.hints,
});

const correcting = new Correcting({
  changed: repaint,
  turned: (on) => say(on ? "" : COMPARE),
  keep(blob, name) {
    download(blob, name);
    say(`${name} is saved. Open it here, or give it to the command: letthere colorize --hints`);
  },
});

let painting = null; // the paint that runs
let again = false;

/** Paint with the newest settings; while one paint runs, the next waits. */
async function paint() {
  again = true;
  painting ??= (async () => {
    $("picture").ariaBusy = true;
    try {
      while (again) {
        again = false;
        const given = settings();
        const { picture, pale, outside } = await ask("paint", given);
        show($("after"), picture);
        correcting.painted(pale, outside);
        $("frame-note").textContent = frameNote(photo.framed, given.frame, outside.length);
      }
    } finally {
      painting = null;
      $("picture").ariaBusy = false;
    }
  })();
  return painting;
}

async function repaint() {
  $("strength-value").textContent = percent($("strength").value / 100);
  $("weight-value").textContent = percent($("weight").value / 100);
  complain(""); // before: what is said meanwhile stays
  try {
    await paint();
  } catch (e) {
    complain(explain(photo.name, e));
  }
}

function resetMood() {
  $("mood").value = "own";
  $("frame").value = "auto";
  $("frame").disabled = !photo.framed;
  $("strength").value = $("weight").value = 100;
  $("strength-value").textContent = $("weight-value").textContent = percent(1);
  showMoodControls();
}

let hasStyle = false; // has a second photo been chosen?

function showMoodControls() {
  const mood = $("mood").value;
  $("style-photo").hidden = mood !== "photo";
  $("weighing").hidden = mood === "own" || (mood === "photo" && !hasStyle);
}

async function chooseMood() {
  showMoodControls();
  if ($("mood").value !== "photo" || hasStyle) await repaint();
}

async function openStyle(file) {
  complain("");
  say(`Looking at ${file.name}`);
  try {
    await ask("style", { file });
    hasStyle = true;
    $("style-name").textContent = file.name;
    showMoodControls();
    await repaint();
    say(`Painted in the mood of ${file.name}.`);
  } catch (e) {
    complain(explain(file.name, e));
    say("The mood stays as it was.");
  }
}

// ---- keeping it

async function save(type) {
  complain("");
  say("Colouring at full size", 0);
  $("png").disabled = $("jpeg").disabled = true;
  try {
    const given = { type, ...settings() };
    const { result } = await ask("save", given);
    const name = `${photo.name.replace(/\.\w+$/, "")}_color.${type === "image/png" ? "png" : "jpg"}`;
    download(result, name);
    correcting.kept(given.hints);
    say(`${name} is saved.`);
  } catch (e) {
    complain(explain(photo.name, e));
    say("");
  } finally {
    $("png").disabled = $("jpeg").disabled = false;
  }
}

function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function openHints(file) {
  complain("");
  try {
    if (!photo) throw new Refusal("has hints: open their photo first.");
    say(`${await correcting.open(file)} from ${file.name}.`);
  } catch (e) {
    complain(explain(file.name, e));
  }
}

// ---- where photos come from

const sample = fetch(new URL("assets/sample.jpg", import.meta.url)).then((o) => o.blob());

function take(files) {
  const file = [...files].find((o) => o.type.startsWith("image/")) ?? files[0];
  if (/\.json$/i.test(file?.name)) openHints(file);
  else if (file) open(file);
}

function listen() {
  for (const button of document.querySelectorAll("[data-picks]"))
    button.addEventListener("click", () => $(button.dataset.picks).click());
  $("file").addEventListener("change", ({ target }) => {
    take(target.files);
    target.value = "";
  });
  $("style-file").addEventListener("change", ({ target }) => {
    if (target.files[0]) openStyle(target.files[0]);
    target.value = "";
  });
  $("hints-file").addEventListener("change", ({ target }) => {
    take(target.files);
    target.value = "";
  });
  addEventListener("beforeunload", (e) => correcting.unkept && e.preventDefault());
  $("sample").addEventListener("click", async () =>
    open(new File([await sample], "rocket.jpg", { type: "image/jpeg" })),
  );
  addEventListener("paste", (e) => take(e.clipboardData.files));
  addEventListener("dragover", (e) => {
    e.preventDefault();
    document.body.classList.add("drag");
  });
  for (const name of ["dragleave", "drop"])
    addEventListener(name, () => document.body.classList.remove("drag"));
  addEventListener("drop", (e) => {
    e.preventDefault();
    take(e.dataTransfer.files);
  });
  $("cut").addEventListener("input", () => $("compare").style.setProperty("--cut", `${$("cut").value}%`));
  for (const id of ["strength", "weight"]) $(id).addEventListener("input", repaint);
  $("mood").addEventListener("change", chooseMood);
  $("frame").addEventListener("change", repaint);
  $("png").addEventListener("click", () => save("image/png"));
  $("jpeg").addEventListener("click", () => save("image/jpeg"));
}

$("dead").hidden = true;
$("app").hidden = false;
if ("WebAssembly" in window) listen();
else dead("this browser has no WebAssembly, or it is switched off");
