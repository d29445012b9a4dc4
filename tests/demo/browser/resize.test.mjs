import assert from "node:assert/strict";
import { test } from "node:test";

import * as kernels from "../../../demo/browser/src/resize.js";

const { resize, roundHalfEven } = kernels;
const names = ["area", "bicubic", "bilinear", "bilinearCorners", "triangle"];
const row = (...data) => ({ data, height: 1, width: data.length, channels: 1 });

test("halves go to the even number", () => {
  const values = [-1.5, -0.5, 0.5, 1.5, 2.5, 2.4999, 2.5001, 7];
  assert.deepEqual(
    values.map(roundHalfEven),
    [-2, 0, 0, 2, 2, 2, 3, 7].map((v) => v + 0),
  );
});

for (const name of names) {
  test(`${name}: a picture's own size changes nothing, and grey stays grey`, () => {
    const image = row(3, 1, 4, 1, 5);
    assert.deepEqual([...resize(image, 1, 5, kernels[name])], image.data);
    const grey = {
      data: new Array(7 * 9).fill(50),
      height: 7,
      width: 9,
      channels: 1,
    };
    for (const [height, width] of [
      [3, 4],
      [14, 20],
      [1, 1],
      [5, 30],
    ]) {
      const result = resize(grey, height, width, kernels[name]);
      assert.equal(result.length, height * width);
      for (const value of result) assert.ok(Math.abs(value - 50) < 1e-4, `${name}: ${value}`);
    }
  });
}

test("rows by hand", () => {
  const near = (found, expected) =>
    expected.forEach((value, i) => assert.ok(Math.abs(found[i] - value) < 1e-5, `${found}`));
  near(resize(row(0, 4), 1, 4, kernels.bilinear), [0, 1, 3, 4]);
  near(resize(row(0, 3), 1, 4, kernels.bilinearCorners), [0, 1, 2, 3]);
  near(resize(row(0, 0, 8, 8), 1, 2, kernels.triangle), [8 / 7, 48 / 7]);
  // The windows start at 0 and 3 and are 3 wide; the last one hangs over the border.
  near(resize(row(0, 3, 6, 9), 1, 2, kernels.area), [3, 9]);
});

test("channels and pixels that take more numbers than are used", () => {
  const data = [1, 2, 3, 255, 5, 6, 7, 255];
  const image = { data, height: 1, width: 2, channels: 3, stride: 4 };
  assert.deepEqual([...resize(image, 1, 2, kernels.bilinear)], [1, 2, 3, 5, 6, 7]);
});
