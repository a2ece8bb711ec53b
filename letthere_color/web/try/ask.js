// Asking the worker, which does the work beside the page.

/** A worker started from a blob obeys the policy of this page; one started from an address would not. */
function startWorker() {
  const address = JSON.stringify(new URL("worker.js", import.meta.url));
  const blob = new Blob([`import ${address}`], { type: "text/javascript" });
  return new Worker(URL.createObjectURL(blob), { type: "module" });
}

const worker = startWorker();
const waiting = new Map();
let count = 0;

/** Ask the worker; the answer is a promise. */
export function ask(task, given = {}) {
  const id = ++count;
  worker.postMessage({ id, task, ...given });
  return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
}

/** What the worker says unasked: loaded, saved (shares), styles, broken (why). */
export function hear(listeners) {
  worker.addEventListener("message", ({ data }) => {
    for (const name of Object.keys(listeners)) if (data[name]) listeners[name](data[name]);
  });
  worker.addEventListener("error", (e) => listeners.broken(e.message || "this browser is too old"));
}

worker.addEventListener("message", ({ data }) => {
  if (!waiting.has(data.id)) return;
  const { resolve, reject } = waiting.get(data.id);
  waiting.delete(data.id);
  if (data.error) reject(Object.assign(new Error(data.error), { refusal: data.refusal }));
  else resolve(data);
});
