import assert from "node:assert/strict";
import { test } from "node:test";

import { canvasFor, fitted, place, sizesOf } from "../../../demo/browser/src/placement.js";

const network = (settings) => ({
  step: 8,
  size: null,
  canvas: "repository",
  ...settings,
});
const size = (height, width) => ({ height, width });

test("every quality has sides that the network takes", () => {
  for (const step of [8, 32]) {
    const sizes = sizesOf(network({ step }));
    assert.equal(sizes.length, 5);
    for (const { height, width } of sizes) {
      assert.equal(height % step, 0);
      assert.equal(width % step, 0);
      assert.ok(height < width);
    }
  }
  assert.deepEqual(sizesOf(network({}))[0], size(48, 64));
  assert.deepEqual(sizesOf(network({ size: [40, 56] })), [size(40, 56)]);
});

test("portraits turn the canvas, unless there is only one", () => {
  const wide = size(48, 64);
  const cases = [
    [network({}), size(10, 20), wide],
    [network({}), size(20, 20), wide],
    [network({}), size(21, 20), size(64, 48)],
    [network({ size: [48, 64] }), size(21, 20), wide],
    [network({ canvas: "hub" }), size(30, 31), size(64, 64)],
    [network({ canvas: "hub" }), size(75, 100), wide],
    [network({ canvas: "hub" }), size(7, 8), size(64, 64)], // as near to both: square first
    [network({ canvas: "hub" }), size(100, 30), size(64, 48)],
  ];
  for (const [model, picture, expected] of cases) {
    assert.deepEqual(canvasFor(model, wide, picture), expected);
  }
});

test("a picture fits into its canvas, or covers it", () => {
  assert.deepEqual(fitted(size(333, 487), size(240, 320)), size(219, 320));
  assert.deepEqual(fitted(size(400, 300), size(240, 320)), size(240, 180));
  assert.deepEqual(fitted(size(240, 320), size(333, 487), true), size(365, 487));
  assert.deepEqual(fitted(size(1, 5000), size(48, 64)), size(1, 64));
  assert.deepEqual(fitted(size(5, 2), size(1, 9)), size(1, 1)); // 0.4 is no side
});

test("an odd row goes to the bottom, an odd column to the right", () => {
  assert.deepEqual(place(size(333, 487), size(240, 320)), {
    ...size(219, 320),
    top: 10,
    left: 0,
  });
  assert.deepEqual(place(size(9, 4), size(9, 7)), {
    ...size(9, 4),
    top: 0,
    left: 1,
  });
});
