import assert from "node:assert/strict";
import { test } from "node:test";

import { UserError, words } from "../../../demo/browser/src/errors.js";
import { coloured, level, opaque, veiled } from "../../../demo/browser/src/heat.js";
import { Meter } from "../../../demo/browser/src/meter.js";

test("levels of a map, what lies outside included", () => {
  assert.deepEqual([-1, 0, 0.5, 1, 2].map(level), [0, 0, 128, 255, 255]);
});

test("colours of a map", () => {
  const colours = Array.from({ length: 256 }, (_, i) => [i, 0, 255 - i]);
  const table = opaque(colours);
  assert.deepEqual([...coloured(new Float32Array([]), table)], []);
  const found = [...coloured(new Float32Array([0, 1]), table)];
  assert.deepEqual(found, [0, 0, 255, 255, 255, 0, 0, 255]);
  const shares = veiled(colours).map((colour) => colour[3]);
  assert.equal(shares[0], Math.round(255 * 0.3));
  assert.ok(shares[255] > 0.93 * 255 && shares.every((s, i) => i === 0 || s >= shares[i - 1]));
});

test("frames per second over the last ten", () => {
  const meter = new Meter();
  assert.equal(meter.perSecond, 0);
  meter.tick(0);
  assert.equal(meter.perSecond, 0);
  for (let i = 0; i < 30; i++) meter.tick(1000 + 250 * i);
  assert.equal(meter.perSecond, 4);
  meter.clear();
  assert.equal(meter.perSecond, 0);
});

test("errors in words", () => {
  assert.equal(words(new UserError("Do this.")), "Do this.");
  assert.equal(words(new TypeError("x is y")), "Something went wrong: x is y");
  assert.equal(words("odd"), "Something went wrong: odd");
});
