// The network: ONNX, run by onnxruntime-web on the processor.

import * as ort from "./assets/ort.wasm.bundle.min.mjs";
import { cropped, enlargedPlane, padded, plane } from "./resize.js";

const ASSETS = new URL("assets/", import.meta.url);
const RUNTIME = "ort-wasm-simd-threaded.wasm";
const NETWORK = "model.onnx";

/** The bytes of a file; progress(n) for each piece of n bytes. */
async function fetched(name, progress) {
  const response = await fetch(new URL(name, ASSETS));
  if (!response.ok) throw new Error(`${name}: ${response.status} ${response.statusText}`);
  const parts = [];
  for (const reader = response.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) return new Blob(parts).arrayBuffer();
    parts.push(value);
    progress(value.length);
  }
}

/** Runtime, network and presets; progress(share) while they come. */
export async function loadModel(progress) {
  const about = await (await fetch(new URL("model.json", ASSETS))).json();
  const total = Object.values(about.files).reduce((a, b) => a + b);
  let have = 0;
  const more = (n) => progress((have += n) / total);
  const [runtime, network] = await Promise.all([RUNTIME, NETWORK].map((name) => fetched(name, more)));
  ort.env.wasm.wasmBinary = runtime;
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create(network, { executionProviders: ["wasm"] });
  return { ...about, session };
}

const tensor = (data, ...shape) => new ort.Tensor("float32", data, shape);
const divisible = (n) => 8 * Math.ceil(n / 8);

/** Chroma of a copy, its global features, and how likely each class is. A style takes the place of the
 * features in the proportion weight. */
export async function look(model, copy, style = null, weight = 1) {
  const [w, h] = [divisible(copy.w), divisible(copy.h)];
  const { ab, scores, global_features } = await model.session.run({
    L: tensor(padded(copy, w, h).data, 1, 1, h, w),
    style: tensor(style ?? new Float32Array(model.n_features), 1, model.n_features),
    style_weight: tensor([style ? weight : 0], 1, 1),
  });
  if (!ab.data.every(Number.isFinite)) throw new Error("the network gave no numbers");
  const units = ab.data.map((o) => (2 * o - 1) * 110);
  const [a, b] = [0, 1].map((i) => {
    const half = plane(w / 2, h / 2, units.subarray((i * w * h) / 4, ((i + 1) * w * h) / 4));
    return cropped(enlargedPlane(half, w, h), copy.w, copy.h);
  });
  return { a, b, features: global_features.data, shares: softmax(scores.data) };
}

function softmax(scores) {
  const top = Math.max(...scores);
  const powers = Array.from(scores, (o) => Math.exp(o - top));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((o) => o / sum);
}

/** The n likeliest scenes: {name, share}. */
export function likeliest(model, shares, n = 5) {
  const named = shares.map((share, i) => ({ name: model.class_names[i], share }));
  return named.sort((a, b) => b.share - a.share).slice(0, n);
}
