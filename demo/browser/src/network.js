/** The network, which runs in a worker so that the page stays responsive. */

/**
 * @typedef {import("./placement.js").Model} Model
 * @typedef {import("./placement.js").Size} Size
 *
 * @typedef {object} Result
 * @property {ImageBitmap} picture what was looked at
 * @property {ImageBitmap} heat its map in colours, of the same size
 * @property {ImageBitmap} veil the same, to be laid over the picture
 * @property {Float32Array} map (height, width) in 0 ... 1
 * @property {number} height
 * @property {number} width
 * @property {Size} canvas what the network saw
 * @property {number} networkMs the network alone
 * @property {number} totalMs with everything around it
 */

import { UserError } from "./errors.js";

/** One worker; its answers come in the order of the questions. */
export class Network {
  #worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  /** @type {{ resolve: (value: any) => void, reject: (error: Error) => void }[]} */
  #waiting = [];
  /** @type {any} why the worker is gone, if it is */
  #dead = null;

  constructor() {
    this.#worker.addEventListener("message", ({ data }) => {
      const { resolve, reject } = this.#waiting.shift() ?? {};
      if (data.error) reject?.(new UserError(data.error));
      else resolve?.(data);
    });
    this.#worker.addEventListener("error", (event) => {
      this.#dead = new Error(event.message || "the worker does not start");
      this.#waiting.splice(0).forEach(({ reject }) => reject(this.#dead));
    });
  }

  /**
   * @param {Model} model from now on
   * @param {string} base address that its file is relative to
   * @param {number[][]} colours 256, red first
   * @returns {Promise<void>}
   */
  load(model, base, colours) {
    return this.#ask({ kind: "load", model, base, colours });
  }

  /**
   * @param {ImageBitmap} picture is handed over
   * @param {Size} size of a landscape picture's canvas
   * @returns {Promise<Result>}
   */
  run(picture, size) {
    return this.#ask({ kind: "run", picture, size }, [picture]);
  }

  /**
   * @param {object} message
   * @param {Transferable[]} [handedOver]
   * @returns {Promise<any>}
   */
  #ask(message, handedOver = []) {
    return new Promise((resolve, reject) => {
      if (this.#dead) return reject(this.#dead);
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(message, handedOver);
    });
  }
}
