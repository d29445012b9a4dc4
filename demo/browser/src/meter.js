/** How fast pictures come out. */

const KEPT = 10;

/** Pictures a second over the last few. */
export class Meter {
  /** @type {number[]} */
  #times = [];

  /** @param {number} now in milliseconds */
  tick(now) {
    this.#times.push(now);
    if (this.#times.length > KEPT) this.#times.shift();
  }

  /** Starts anew. */
  clear() {
    this.#times = [];
  }

  /** @returns {number} 0 before the second picture */
  get perSecond() {
    const times = this.#times;
    const span = times[times.length - 1] - times[0];
    return times.length > 1 && span > 0 ? ((times.length - 1) * 1000) / span : 0;
  }
}
