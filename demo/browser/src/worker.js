/** The worker: loads a network, and turns pictures into maps (see network.js). */

import * as ort from "onnxruntime-web/wasm";

import { UserError, words } from "./errors.js";
import { coloured, opaque, veiled } from "./heat.js";
import { canvasFor } from "./placement.js";
import { finish, prepare } from "./prepare.js";

/**
 * @typedef {import("./placement.js").Model} Model
 * @typedef {import("./placement.js").Size} Size
 */

ort.env.wasm.wasmPaths = new URL("../ort/", import.meta.url).href;
// Several threads need two HTTP headers (see demo/README.md); one does without.
const cores = navigator.hardwareConcurrency || 1;
ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(4, Math.ceil(cores / 2)) : 1;

/** @type {{ session: ort.InferenceSession, model: Model, colours: number[][] } | null} */
let loaded = null;
const paper = new OffscreenCanvas(1, 1);
const pen = paper.getContext("2d", { willReadFrequently: true });

/** @param {{ model: Model, base: string, colours: number[][] }} message */
async function load({ model, base, colours }) {
  loaded = null;
  const response = await fetch(new URL(model.file, base)).catch(() => null);
  if (!response?.ok) {
    throw new UserError(`The network ${model.file} cannot be loaded from this page's server.`);
  }
  const session = await ort.InferenceSession.create(await response.arrayBuffer(), {
    executionProviders: ["wasm"],
    graphOptimizationLevel: "all",
  });
  loaded = { session, model, colours };
  return { answer: {}, handedOver: [] };
}

/** @param {{ picture: ImageBitmap, size: Size }} message */
async function run({ picture, size }) {
  if (!loaded) throw new UserError("The network is not loaded.");
  const { session, model, colours } = loaded;
  const start = performance.now();
  const canvas = canvasFor(model, size, picture);
  const input = prepare(pixels(picture), model, canvas);
  const before = performance.now();
  const feeds = { image: new ort.Tensor("float32", input, [1, 3, canvas.height, canvas.width]) };
  const outputs = await session.run(feeds, [model.output]);
  const networkMs = performance.now() - before;
  const output = /** @type {Float32Array} */ (outputs[model.output].data);
  const { height, width } = picture;
  const map = finish(output, model, canvas, { height, width });
  const [heat, veil] = await Promise.all(
    [opaque(colours), veiled(colours)].map((table) =>
      createImageBitmap(painted(map, table, width, height)),
    ),
  );
  const totalMs = performance.now() - start;
  return {
    answer: { picture, heat, veil, map, height, width, canvas, networkMs, totalMs },
    handedOver: [picture, heat, veil, map.buffer],
  };
}

/**
 * @param {ImageBitmap} picture transparency is laid on white
 * @returns {ImageData}
 */
function pixels(picture) {
  const { height, width } = picture;
  paper.width = width; // also empties it
  paper.height = height;
  if (!pen) throw new UserError("This browser cannot draw in a worker: update it.");
  pen.fillStyle = "white";
  pen.fillRect(0, 0, width, height);
  pen.drawImage(picture, 0, 0);
  return pen.getImageData(0, 0, width, height);
}

/**
 * @param {Float32Array} map
 * @param {number[][]} table
 * @param {number} width
 * @param {number} height
 * @returns {ImageData}
 */
function painted(map, table, width, height) {
  return new ImageData(/** @type {any} */ (coloured(map, table)), width, height);
}

/** @param {any} message */
async function answer(message) {
  try {
    const { answer, handedOver } = await (message.kind === "load" ? load(message) : run(message));
    self.postMessage(answer, { transfer: handedOver });
  } catch (error) {
    self.postMessage({ error: words(error) });
  }
}

// One after the other, so that answers come in the order of the questions.
let last = Promise.resolve();
self.addEventListener("message", ({ data }) => {
  last = last.then(() => answer(data));
});
