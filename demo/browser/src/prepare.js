/**
 * What stands around a network, as in the Python package: from a picture to the network's input
 * (`prepare`), and from its output to a map at the picture's own size (`finish`).
 */

import { area, bicubic, bilinear, bilinearCorners, resize, triangle } from "./resize.js";
import { fitted, place } from "./placement.js";

/**
 * @typedef {import("./placement.js").Model} Model
 * @typedef {import("./placement.js").Size} Size
 * @typedef {import("./placement.js").Placement} Placement
 * @typedef {import("./resize.js").Planes} Planes
 */

/**
 * @param {{ data: ArrayLike<number>, height: number, width: number }} pixels RGBA, 0 ... 255
 * @param {Model} model
 * @param {Size} canvas
 * @returns {Float32Array} (1, 3, canvas height, canvas width), normalised
 */
export function prepare(pixels, model, canvas) {
  const { data, height, width } = pixels; // an ImageData cannot be spread
  const image = { data, height, width, channels: 3, stride: 4 };
  const where = placed(pixels, model, canvas);
  const inner = onCanvas(image, model, where);
  const plane = canvas.height * canvas.width;
  const result = new Float32Array(3 * plane);
  for (let c = 0; c < 3; c++) {
    const [mean, std] = [model.mean[c], model.std[c]];
    const from = model.channels === "RGB" ? c : 2 - c;
    result.fill((model.pad - mean) / std, c * plane, (c + 1) * plane);
    for (let y = 0; y < where.height; y++) {
      const row = c * plane + (where.top + y) * canvas.width + where.left;
      for (let x = 0; x < where.width; x++) {
        result[row + x] = (inner[(y * where.width + x) * 3 + from] - mean) / std;
      }
    }
  }
  return result;
}

/**
 * @param {Size} picture
 * @param {Model} model
 * @param {Size} canvas
 * @returns {Placement} of the picture on the canvas
 */
function placed(picture, model, canvas) {
  if (model.canvas === "stretch") return { ...canvas, top: 0, left: 0 };
  return place(picture, canvas);
}

/**
 * @param {Planes} image
 * @param {Model} model
 * @param {Size} size
 * @returns {Float32Array} (height, width, 3), 0 ... 255
 */
function onCanvas(image, model, { height, width }) {
  if (model.canvas === "repository") return legacy(image, height, width);
  if (model.canvas === "hub") return resize(image, height, width, bilinear);
  return resize(image, height, width, triangle).map(Math.round); // Pillow hands out whole levels
}

/**
 * Area where a side shrinks, else bicubic; kept within 0 ... 255 (maps within 0 ... 1: `finish`).
 *
 * @param {Planes} image
 * @param {number} height
 * @param {number} width
 * @returns {Float32Array}
 */
function legacy(image, height, width) {
  const shrinks = height < image.height || width < image.width;
  const result = resize(image, height, width, shrinks ? area : bicubic);
  return clamped(result, 255);
}

/**
 * @param {Float32Array} output of the network, (1, 1, canvas height, canvas width)
 * @param {Model} model
 * @param {Size} canvas
 * @param {Size} picture
 * @returns {Float32Array} (picture height, picture width) in 0 ... 1
 */
export function finish(output, model, canvas, picture) {
  const where = placed(picture, model, canvas);
  const map = { data: stretched(output, model, canvas, where), ...canvas, channels: 1 };
  return clamped(offCanvas(map, model, where, picture), 1);
}

/**
 * @param {Float32Array} output
 * @param {Model} model
 * @param {Size} canvas
 * @param {Placement} where the picture lies
 * @returns {Float32Array} 0 ... 1 over the canvas or over the picture alone
 */
function stretched(output, model, canvas, where) {
  if (model.stretch === "none") return output;
  const data = model.stretch === "canvas" ? output : cut(output, canvas.width, where).data;
  const low = data.reduce((least, value) => Math.min(least, value), Infinity);
  const high = data.reduce((most, value) => Math.max(most, value), -Infinity);
  return output.map((value) => Math.min(Math.max(value - low, 0) / (1e-7 + high - low), 1));
}

/**
 * @param {Planes} map
 * @param {Model} model
 * @param {Placement} where the picture lies
 * @param {Size} picture
 * @returns {Float32Array}
 */
function offCanvas(map, model, where, picture) {
  const { height, width } = picture;
  if (model.back === "corners") return resize(map, height, width, bilinearCorners);
  if (model.back === "centres") return resize(map, height, width, bilinear);
  if (model.back === "crop") {
    return resize(cut(map.data, map.width, where), height, width, bilinear);
  }
  const grown = fitted(map, picture, true);
  // Python scales to 0 ... 255 and back, which clips at the same places.
  const data = legacy(map, grown.height, grown.width);
  const top = Math.floor((grown.height - height) / 2);
  const left = Math.floor((grown.width - width) / 2);
  return cut(data, grown.width, { height, width, top, left }).data;
}

/**
 * @param {ArrayLike<number>} data (any height, width)
 * @param {number} width
 * @param {Placement} where
 * @returns {Planes & { data: Float32Array }} the rectangle
 */
function cut(data, width, where) {
  const result = new Float32Array(where.height * where.width);
  for (let y = 0; y < where.height; y++) {
    const row = (where.top + y) * width + where.left;
    for (let x = 0; x < where.width; x++) result[y * where.width + x] = data[row + x];
  }
  return { data: result, height: where.height, width: where.width, channels: 1 };
}

/**
 * @param {Float32Array} data changed in place
 * @param {number} most
 * @returns {Float32Array} with everything within 0 ... most
 */
function clamped(data, most) {
  for (let i = 0; i < data.length; i++) data[i] = Math.min(Math.max(data[i], 0), most);
  return data;
}
