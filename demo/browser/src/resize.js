/**
 * Pictures at another size, axis by axis, with the kernels that the Python package uses
 * (sor_ppa/canvas/legacy_resize.py; Pillow's and PyTorch's bilinear).
 */

/**
 * One axis of a resize: output pixel d is the sum of `taps` source pixels, each times a weight.
 *
 * @typedef {object} Axis
 * @property {number} length of the result
 * @property {number} taps source pixels of each output pixel
 * @property {Int32Array} source (length * taps) their indices
 * @property {Float64Array} weights (length * taps)
 *
 * @typedef {(length: number, newLength: number) => Axis} Kernel
 *
 * @typedef {object} Planes
 * @property {ArrayLike<number>} data (height, width, stride), the first `channels` of each pixel used
 * @property {number} height
 * @property {number} width
 * @property {number} channels
 * @property {number} [stride] numbers a pixel takes; by default its channels
 */

const CUBIC_A = -0.75;
const TABLE_SIZE = 1024;

/**
 * TensorFlow 1's area resize with aligned corners: the windows do not tile the picture.
 *
 * @type {Kernel}
 */
export function area(length, newLength) {
  const step = alignedStep(length, newLength);
  if (step === 0) return gather(newLength, 1, () => [[0, 1]], length); // one pixel becomes several
  return gather(newLength, Math.ceil(step) + 2, (d) => areaWindow(d, step), length);
}

/**
 * @param {number} d index of the output pixel
 * @param {number} step source pixels between output pixels
 * @returns {[number, number][]} source pixels and weights
 */
function areaWindow(d, step) {
  const start = Math.fround(d * step);
  const end = Math.fround((d + 1) * step);
  /** @type {[number, number][]} */
  const found = [];
  for (let v = Math.floor(start); v < Math.ceil(end); v++) {
    const share = v < start ? (v + 1 > end ? step : v + 1 - start) : v + 1 > end ? end - v : 1;
    found.push([v, share / step]);
  }
  return found;
}

/**
 * TensorFlow 1's bicubic resize with aligned corners; its kernel is a table of 1,024 steps.
 *
 * @type {Kernel}
 */
export function bicubic(length, newLength) {
  const step = alignedStep(length, newLength);
  return gather(newLength, 4, (d) => cubicNeighbours(Math.fround(d * step)), length);
}

/**
 * @param {number} place in source pixels
 * @returns {[number, number][]} source pixels and weights
 */
function cubicNeighbours(place) {
  const floor = Math.floor(place);
  const t = roundHalfEven(Math.fround(place - floor) * TABLE_SIZE) / TABLE_SIZE;
  return [
    [floor - 1, cubicFar(1 + t)],
    [floor, cubicNear(t)],
    [floor + 1, cubicNear(1 - t)],
    [floor + 2, cubicFar(2 - t)],
  ];
}

/** @param {number} x */
const cubicNear = (x) => ((CUBIC_A + 2) * x - (CUBIC_A + 3)) * x * x + 1;
/** @param {number} x */
const cubicFar = (x) => ((CUBIC_A * x - 5 * CUBIC_A) * x + 8 * CUBIC_A) * x - 4 * CUBIC_A;

/**
 * Bilinear with half-pixel centres and no antialiasing (PyTorch, align_corners=False).
 *
 * @type {Kernel}
 */
export function bilinear(length, newLength) {
  const step = length / newLength;
  return gather(newLength, 2, (d) => between(Math.max(0, (d + 0.5) * step - 0.5)), length);
}

/**
 * Bilinear with aligned corners (PyTorch, align_corners=True).
 *
 * @type {Kernel}
 */
export function bilinearCorners(length, newLength) {
  const step = newLength > 1 ? (length - 1) / (newLength - 1) : 0;
  return gather(newLength, 2, (d) => between(d * step), length);
}

/**
 * @param {number} place in source pixels
 * @returns {[number, number][]} source pixels and weights
 */
function between(place) {
  const floor = Math.floor(place);
  return [
    [floor, 1 - (place - floor)],
    [floor + 1, place - floor],
  ];
}

/**
 * Pillow's bilinear: a triangle as wide as the picture shrinks.
 *
 * @type {Kernel}
 */
export function triangle(length, newLength) {
  const step = length / newLength;
  const wide = Math.max(1, step);
  return gather(newLength, 2 * Math.ceil(wide) + 1, (d) => under((d + 0.5) * step, wide, length));
}

/**
 * @param {number} centre of the triangle
 * @param {number} wide half its base
 * @param {number} length of the source
 * @returns {[number, number][]} source pixels and weights
 */
function under(centre, wide, length) {
  const first = Math.max(0, Math.floor(centre - wide + 0.5));
  const last = Math.min(length, Math.floor(centre + wide + 0.5));
  /** @type {[number, number][]} */
  const found = [];
  let sum = 0;
  for (let v = first; v < last; v++) {
    const weight = Math.max(0, 1 - Math.abs((v - centre + 0.5) / wide));
    found.push([v, weight]);
    sum += weight;
  }
  return found.map(([v, weight]) => [v, weight / sum]);
}

/**
 * @param {number} length
 * @param {number} newLength
 * @returns {number} source pixels a step, in float32 as TensorFlow has it
 */
function alignedStep(length, newLength) {
  return Math.fround(newLength > 1 ? (length - 1) / (newLength - 1) : length / newLength);
}

/**
 * @param {number} length of the result
 * @param {number} taps
 * @param {(d: number) => [number, number][]} pixels of an output pixel, with their weights
 * @param {number} [sourceLength] pixels outside stand for the border's
 * @returns {Axis}
 */
function gather(length, taps, pixels, sourceLength = Infinity) {
  const source = new Int32Array(length * taps);
  const weights = new Float64Array(length * taps);
  for (let d = 0; d < length; d++) {
    pixels(d).forEach(([pixel, weight], tap) => {
      source[d * taps + tap] = Math.min(Math.max(pixel, 0), sourceLength - 1);
      weights[d * taps + tap] = weight;
    });
  }
  return { length, taps, source, weights };
}

/**
 * @param {Planes} image
 * @param {number} newHeight
 * @param {number} newWidth
 * @param {Kernel} kernel
 * @returns {Float32Array} (newHeight, newWidth, channels)
 */
export function resize(image, newHeight, newWidth, kernel) {
  const { width, channels } = image;
  const rows = mixedRows(image, kernel(image.height, newHeight));
  const { taps, source, weights } = kernel(width, newWidth);
  const result = new Float32Array(newHeight * newWidth * channels);
  let at = 0;
  for (let start = 0; start < rows.length; start += width * channels) {
    for (let first = 0; first < source.length; first += taps) {
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let tap = first; tap < first + taps; tap++) {
          sum += weights[tap] * rows[start + source[tap] * channels + c];
        }
        result[at++] = sum;
      }
    }
  }
  return result;
}

/**
 * @param {Planes} image
 * @param {Axis} axis of its rows
 * @returns {Float64Array} (axis.length, width, channels)
 */
function mixedRows(image, axis) {
  const { data, width, channels, stride = channels } = image;
  const result = new Float64Array(axis.length * width * channels);
  for (let y = 0; y < axis.length; y++) {
    for (let tap = y * axis.taps; tap < (y + 1) * axis.taps; tap++) {
      const weight = axis.weights[tap];
      if (weight === 0) continue;
      let from = axis.source[tap] * width * stride;
      let to = y * width * channels;
      for (let x = 0; x < width; x++, from += stride, to += channels) {
        for (let c = 0; c < channels; c++) result[to + c] += weight * data[from + c];
      }
    }
  }
  return result;
}

/**
 * @param {number} x
 * @returns {number} the nearest whole number, halves to the even one, as Python rounds
 */
export function roundHalfEven(x) {
  const floor = Math.floor(x);
  const part = x - floor;
  if (part !== 0.5) return part < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}
