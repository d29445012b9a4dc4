/** What is on the screen: picture, heat map, or one over the other. */

/**
 * @typedef {import("./network.js").Result} Result
 * @typedef {"overlay" | "heat" | "picture"} View
 */

/** The result, drawn as asked for; changing how costs no pass of the network. */
export class Stage {
  /** @type {Result | null} */
  result = null;
  /** @type {View} */
  view = "overlay";
  opacity = 0.65;
  mirrored = false;

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
  }

  /** @param {Result} result takes the place of the last one */
  show(result) {
    this.result?.picture.close();
    this.result?.heat.close();
    this.result?.veil.close();
    this.result = result;
    this.canvas.hidden = false;
    this.draw();
  }

  /** Draws the result again. */
  draw() {
    const pen = this.canvas.getContext("2d");
    if (!this.result || !pen) return;
    const { picture, heat, veil, height, width } = this.result;
    this.canvas.width = width; // also empties it
    this.canvas.height = height;
    if (this.mirrored) pen.setTransform(-1, 0, 0, 1, width, 0);
    pen.drawImage(this.view === "heat" ? heat : picture, 0, 0);
    if (this.view !== "overlay") return;
    pen.globalAlpha = this.opacity;
    pen.drawImage(veil, 0, 0);
  }

  /** @returns {Promise<Blob>} what is shown, as a PNG of the picture's own size */
  png() {
    return new Promise((resolve, reject) => {
      const done = (/** @type {Blob | null} */ blob) =>
        blob ? resolve(blob) : reject(new Error("the picture is too large to be saved"));
      this.canvas.toBlob(done, "image/png");
    });
  }
}

/**
 * @param {HTMLCanvasElement} canvas 256 x 1
 * @param {number[][]} colours 256, red first
 */
export function drawLegend(canvas, colours) {
  const strip = new ImageData(256, 1);
  colours.forEach((colour, index) => strip.data.set([...colour, 255], 4 * index));
  canvas.getContext("2d")?.putImageData(strip, 0, 0);
}

/**
 * Has the browser save a file.
 *
 * @param {Blob} blob
 * @param {string} name
 */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
