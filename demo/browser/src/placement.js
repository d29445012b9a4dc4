/** Which size a network looks at, and where a picture lies on its canvas. */

import { roundHalfEven } from "./resize.js";

/**
 * A network of the page's list (models.json, written by build_page.py).
 *
 * @typedef {object} Model
 * @property {string} name of its config
 * @property {string} title for people
 * @property {string} about what it does, for people
 * @property {"fixation" | "saliency"} task
 * @property {string} file relative to models.json
 * @property {number} bytes of the file
 * @property {"RGB" | "BGR"} channels
 * @property {number[]} mean per channel, in grey levels
 * @property {number[]} std per channel, in grey levels
 * @property {number} step sides are multiples of it
 * @property {[number, number] | null} size the only one (height, width); null: any
 * @property {"repository" | "hub" | "stretch"} canvas how a picture comes on the canvas
 * @property {number} pad grey level around it
 * @property {string} output the graph's output that becomes the map
 * @property {"canvas" | "picture" | "none"} stretch where its least and largest value become 0 and 1
 * @property {"cover" | "crop" | "corners" | "centres"} back how it comes off the canvas
 *
 * @typedef {{ height: number, width: number }} Size
 * @typedef {{ height: number, width: number, top: number, left: number }} Placement
 */

/** Sizes (height, width) of landscape pictures, from fast to fine. */
export const QUALITIES = ["very low", "low", "medium", "high", "very high"];
const FINE = [
  [48, 64],
  [72, 96],
  [120, 160],
  [168, 224],
  [240, 320],
];
// For networks whose sides are multiples of 32: the nearest that fit.
const COARSE = [
  [64, 96],
  [96, 128],
  [128, 160],
  [160, 224],
  [256, 320],
];

/**
 * @param {Model} model
 * @returns {Size[]} one for each of QUALITIES, or the only one that the network takes
 */
export function sizesOf(model) {
  if (model.size) return [{ height: model.size[0], width: model.size[1] }];
  const table = FINE.every((size) => size.every((side) => side % model.step === 0)) ? FINE : COARSE;
  return table.map(([height, width]) => ({ height, width }));
}

/**
 * The canvas for a picture: turned for portraits, unless the network takes only one.
 *
 * @param {Model} model
 * @param {Size} size of landscape pictures
 * @param {Size} picture
 * @returns {Size}
 */
export function canvasFor(model, size, picture) {
  if (model.size) return size;
  const turned = { height: size.width, width: size.height };
  if (model.canvas !== "hub") return picture.height > picture.width ? turned : size;
  const shape = picture.height / picture.width;
  const square = { height: size.width, width: size.width };
  const [far, wide, tall] = [1, 0.75, 1.333].map((ratio) => Math.abs(shape - ratio));
  if (far <= wide && far <= tall) return square;
  return wide <= tall ? size : turned;
}

/**
 * @param {Size} size to scale
 * @param {Size} target to fit into, or to cover
 * @param {boolean} [cover]
 * @returns {Size} of the same shape, halves rounded to even, at least 1 x 1
 */
export function fitted(size, target, cover = false) {
  const ratios = [target.height / size.height, target.width / size.width];
  const ratio = cover ? Math.max(...ratios) : Math.min(...ratios);
  const scaled = (/** @type {number} */ side) => Math.max(1, roundHalfEven(side * ratio));
  return { height: scaled(size.height), width: scaled(size.width) };
}

/**
 * @param {Size} picture
 * @param {Size} canvas
 * @returns {Placement} in the middle, as large as it fits; an odd row goes to the bottom
 */
export function place(picture, canvas) {
  const { height, width } = fitted(picture, canvas);
  const top = Math.floor((canvas.height - height) / 2);
  return { height, width, top, left: Math.floor((canvas.width - width) / 2) };
}
