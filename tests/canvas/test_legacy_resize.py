"""The two resizes against TensorFlow's own results and against the rule written out in loops."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from sor_ppa.canvas.legacy_resize import resize_area, resize_bicubic

GOLDENS = np.load(Path(__file__).parents[1] / "goldens" / "msinet.npz")


@pytest.mark.parametrize("case", range(5))
@pytest.mark.parametrize(("name", "resize"), [("area", resize_area), ("bicubic", resize_bicubic)])
def test_tensorflows_results(name: str, resize: object, case: int) -> None:
    image, expected = GOLDENS[f"ops/{name}{case}/x"], GOLDENS[f"ops/{name}{case}/y"]
    found = resize(image, expected.shape[:2])  # type: ignore[operator]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=5e-4)


@pytest.mark.parametrize(
    ("size", "new_size"),
    [
        ((1, 1), (1, 1)),
        ((1, 7), (3, 4)),
        ((9, 1), (4, 1)),
        ((13, 31), (7, 11)),
        ((50, 20), (49, 7)),
    ],
)
def test_area_as_written_out(size: tuple[int, int], new_size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).uniform(0, 255, size)
    by_rows = np.stack([slow_area(column, new_size[0]) for column in image.T], axis=1)
    expected = np.stack([slow_area(row, new_size[1]) for row in by_rows])
    np.testing.assert_allclose(resize_area(image, new_size), expected, atol=1e-3)


@pytest.mark.parametrize(
    ("size", "new_size"),
    [((1, 1), (1, 1)), ((1, 7), (3, 40)), ((5, 4), (5, 4)), ((8, 9), (31, 17))],
)
def test_bicubic_as_written_out(size: tuple[int, int], new_size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).uniform(0, 255, size)
    by_rows = np.stack([slow_bicubic(column, new_size[0]) for column in image.T], axis=1)
    expected = np.stack([slow_bicubic(row, new_size[1]) for row in by_rows])
    np.testing.assert_allclose(resize_bicubic(image, new_size), expected, atol=1e-3)


@pytest.mark.parametrize("resize", [resize_area, resize_bicubic])
def test_a_flat_picture_stays_flat(resize: object) -> None:
    found = resize(np.full((37, 53, 3), 99, np.uint8), (20, 91))  # type: ignore[operator]
    np.testing.assert_allclose(found, 99, atol=1e-3)


def test_bicubic_of_the_same_size_changes_nothing() -> None:
    image = np.random.default_rng(1).uniform(0, 255, (12, 17, 3)).astype(np.float32)
    np.testing.assert_array_equal(resize_bicubic(image, (12, 17)), image)


def step(length: int, new_length: int) -> np.float32:
    if new_length > 1:
        return np.float32(length - 1) / np.float32(new_length - 1)
    return np.float32(length) / np.float32(new_length)


def slow_area(line: np.ndarray, new_length: int) -> list[float]:
    scale = step(len(line), new_length)
    if scale == 0:
        return [float(line[0])] * new_length
    result = []
    for place in range(new_length):
        start, end = np.float32(place) * scale, np.float32(place + 1) * scale
        total = 0.0
        for pixel in range(math.floor(start), math.ceil(end)):
            if pixel < start:
                share = scale if pixel + 1 > end else pixel + 1 - start
            else:
                share = end - pixel if pixel + 1 > end else 1.0
            total += float(share) * line[min(max(pixel, 0), len(line) - 1)]
        result.append(total / float(scale))
    return result


def slow_bicubic(line: np.ndarray, new_length: int) -> list[float]:
    scale, a = step(len(line), new_length), -0.75
    result = []
    for place in range(new_length):
        at = scale * np.float32(place)
        first = math.floor(at)
        t = round(float(at - np.float32(first)) * 1024) / 1024
        total = 0.0
        for pixel, x in zip(range(first - 1, first + 3), (1 + t, t, 1 - t, 2 - t)):
            near = ((a + 2) * x - (a + 3)) * x * x + 1
            far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
            weight = near if x <= 1 else far
            total += weight * line[min(max(pixel, 0), len(line) - 1)]
        result.append(total)
    return result
