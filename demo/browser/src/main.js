/**
 * The page: what its buttons do.
 *
 * Pages that embed this one may listen to the document's event "result"; its detail is a Result
 * (network.js).
 */

import { Camera } from "./camera.js";
import { UserError, words } from "./errors.js";
import { Meter } from "./meter.js";
import { Network } from "./network.js";
import { decoded, onDropOrPaste } from "./pictures.js";
import { QUALITIES, sizesOf } from "./placement.js";
import { drawLegend, save, Stage } from "./view.js";

/**
 * @typedef {import("./placement.js").Model} Model
 * @typedef {import("./network.js").Result} Result
 */

const LIST = new URL("../models/models.json", import.meta.url);

/** @param {string} id @returns {any} the element, of whatever kind */
const element = (id) => document.getElementById(id);
const [fileInput, cameraButton, saveButton] = ["file", "camera", "download"].map(element);
const [modelSelect, qualitySelect, statusLine, errorLine] = [
  "model",
  "quality",
  "status",
  "error",
].map(element);

const stage = new Stage(element("canvas"));
const network = new Network();
const meter = new Meter();

/** @type {{ colours: number[][], models: Model[] }} */
let list;
/** @type {Camera | null} */
let camera = null;
/** @type {{ bitmap: ImageBitmap, name: string } | null} */
let picture = null;
/** Whether what is shown comes from the webcam. */
let live = false;
/** Raised by whatever makes an older answer stale. */
let turn = 0;

const model = () => list.models[modelSelect.value];
const size = () => sizesOf(model())[qualitySelect.value];

/** @param {string} text */
function tell(text) {
  statusLine.textContent = text;
  errorLine.textContent = "";
}

/** @param {unknown} error */
function complain(error) {
  if (!(error instanceof UserError)) console.error(error);
  errorLine.textContent = words(error);
}

/**
 * @param {() => Promise<unknown>} action
 * @returns {() => Promise<void>} the same, its errors shown
 */
const guarded = (action) => () => action().then(() => {}, complain);

async function start() {
  tell("Loading the list of networks ...");
  const response = await fetch(LIST).catch(() => null);
  if (!response?.ok) throw new UserError("There are no networks: build the page again.");
  list = await response.json();
  fill(
    modelSelect,
    list.models.map(({ title }) => title),
  );
  element("model-row").hidden = list.models.length < 2;
  drawLegend(element("colours"), list.colours);
  await loadModel();
}

async function loadModel() {
  const mine = ++turn;
  const chosen = model();
  tell(`Loading the network (${(chosen.bytes / 2 ** 20).toFixed(1)} MiB) ...`);
  element("about").textContent = chosen.about;
  const sizes = sizesOf(chosen);
  const names = sizes.length === 1 ? ["the only one"] : QUALITIES;
  const kept = qualitySelect.value || "2";
  fill(
    qualitySelect,
    sizes.map(({ height, width }, i) => `${names[i]} (${width} x ${height})`),
  );
  qualitySelect.value = String(Math.min(Number(kept), sizes.length - 1));
  await network.load(chosen, LIST.href, list.colours);
  if (mine !== turn) return;
  tell("Ready.");
  if (camera) void guarded(watch)();
  else await look();
}

/**
 * @param {HTMLSelectElement} select
 * @param {string[]} texts
 */
function fill(select, texts) {
  select.replaceChildren(...texts.map((text, index) => new Option(text, String(index))));
}

/** Looks at the opened picture, if there is one. */
async function look() {
  if (!picture || camera) return;
  const mine = ++turn;
  tell("Looking ...");
  const result = await network.run(await createImageBitmap(picture.bitmap), size());
  if (mine === turn) show(result, `Done: ${picture.name}`);
}

/** Looks at what the webcam sees, again and again, until something else is asked for. */
async function watch() {
  const mine = ++turn;
  meter.clear();
  while (camera && mine === turn) {
    await new Promise(requestAnimationFrame); // rests while the page is hidden
    if (!camera || mine !== turn) return;
    const result = await network.run(await camera.frame(), size());
    if (mine !== turn) return;
    meter.tick(performance.now());
    show(result, "Watching the webcam.");
  }
}

/**
 * @param {Result} result
 * @param {string} text
 */
function show(result, text) {
  live = camera !== null;
  stage.mirrored = live && element("mirror").checked;
  stage.show(result);
  element("hint").hidden = true;
  element("legend").hidden = false;
  saveButton.disabled = false;
  const rate = camera ? `${meter.perSecond.toFixed(1)} frames per second, ` : "";
  const { networkMs, totalMs, canvas, width, height } = result;
  const times = `${totalMs.toFixed(0)} ms a picture, ${networkMs.toFixed(0)} ms of them the network`;
  element("rate").textContent = `${rate}${times} (at ${canvas.width} x ${canvas.height})`;
  const what = model().task === "fixation" ? "where people look" : "what stands out";
  stage.canvas.setAttribute("aria-label", `${width} x ${height} picture with ${what} marked`);
  if (statusLine.textContent !== text || errorLine.textContent) tell(text);
  document.dispatchEvent(new CustomEvent("result", { detail: result }));
}

/** @param {File | null} file */
async function open(file) {
  if (!file) throw new UserError("There is no picture file in that.");
  const bitmap = await decoded(file);
  closeCamera();
  picture?.bitmap.close();
  picture = { bitmap, name: file.name || "pasted picture" };
  await look();
}

async function switchCamera() {
  if (camera) {
    closeCamera();
    tell("The webcam is off.");
    return;
  }
  tell("Opening the webcam ...");
  cameraButton.disabled = true;
  camera = await Camera.open(() => {
    closeCamera();
    complain(new UserError("The webcam went away."));
  }).finally(() => (cameraButton.disabled = false));
  picture?.bitmap.close();
  picture = null;
  cameraButton.setAttribute("aria-pressed", "true");
  cameraButton.textContent = "Stop the webcam";
  await watch();
}

function closeCamera() {
  turn++;
  camera?.close();
  camera = null;
  cameraButton.setAttribute("aria-pressed", "false");
  cameraButton.textContent = "Use the webcam";
}

async function download() {
  const name = live || !picture ? "webcam" : picture.name.replace(/\.[^.]*$/, "");
  save(await stage.png(), `${name}-${stage.view}.png`);
}

function restyle() {
  stage.view = /** @type {any} */ (document.querySelector("input[name=view]:checked")).value;
  stage.opacity = Number(element("opacity").value);
  stage.mirrored = live && element("mirror").checked;
  stage.draw();
}

modelSelect.addEventListener("change", guarded(loadModel));
qualitySelect.addEventListener("change", guarded(look));
cameraButton.addEventListener("click", guarded(switchCamera));
saveButton.addEventListener("click", guarded(download));
fileInput.addEventListener("change", () => {
  const [file] = fileInput.files;
  fileInput.value = ""; // so that the same file can be opened again
  if (file) void guarded(() => open(file))();
});
onDropOrPaste(element("stage"), (file) => void guarded(() => open(file))());
for (const name of ["overlay", "heat", "picture"]) {
  document.querySelector(`input[value=${name}]`)?.addEventListener("change", restyle);
}
element("opacity").addEventListener("input", restyle);
element("mirror").addEventListener("change", restyle);
void guarded(start)();
