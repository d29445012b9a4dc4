"""Made-up predictions and masks for the tests of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

GOLDENS = Path(__file__).parents[2] / "goldens"

Image = np.ndarray[Any, np.dtype[np.uint8]]


def blob_pair(seed: int, size_hw: tuple[int, int] = (40, 56)) -> tuple[Image, Image]:
    """(map, mask): a few rectangles, and a soft, shifted, noisy copy of them."""
    random = np.random.default_rng(seed)
    height, width = size_hw
    mask = np.zeros(size_hw, np.uint8)
    for _ in range(random.integers(1, 4)):
        top, left = random.integers(0, height - 1), random.integers(0, width - 1)
        bottom = top + random.integers(1, max(2, height // 2))
        mask[top:bottom, left : left + random.integers(1, max(2, width // 2))] = 255
    shifted = np.roll(mask, tuple(random.integers(-3, 4, 2)), (0, 1)).astype(float)
    noise = random.normal(0, 60 * random.random(), size_hw)
    return np.clip(shifted * random.random() + noise, 0, 255).astype(np.uint8), mask


def constant(value: int, size_hw: tuple[int, int] = (9, 12)) -> Image:
    """A map of one grey."""
    return np.full(size_hw, value, np.uint8)


def rectangle_mask(
    size_hw: tuple[int, int] = (9, 12), window: tuple[slice, slice] = np.s_[2:6, 3:9]
) -> Image:
    """A mask of one rectangle."""
    mask = np.zeros(size_hw, np.uint8)
    mask[window] = 255
    return mask


@st.composite
def image_pairs(draw: st.DrawFn) -> tuple[Image, Image]:
    """Small pairs of every kind: few or many greys, empty, full and speckled masks."""
    height, width = draw(st.integers(2, 24)), draw(st.integers(2, 24))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    low = draw(st.integers(0, 255))
    high = draw(st.integers(low, 255))
    kind = draw(st.sampled_from(["noise", "two greys", "blobs", "constant"]))
    prediction = random.integers(low, high + 1, (height, width))
    if kind == "two greys":
        prediction = np.where(random.random((height, width)) < 0.5, low, high)
    elif kind == "constant":
        prediction = np.full((height, width), low)
    share = draw(st.sampled_from([0.0, 0.02, 0.3, 0.9, 1.0]))
    mask = np.where(random.random((height, width)) < share, 255, 0)
    if kind == "blobs":
        return blob_pair(draw(st.integers(0, 10_000)), (height, width))
    return prediction.astype(np.uint8), mask.astype(np.uint8)
