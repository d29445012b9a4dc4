"""The fixations of all other images, which shuffled AUC takes for its negatives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["PooledFixations"]

Size = tuple[int, int]


class PooledFixations:
    """All fixations of a data set, at hand for any of its images.

    Coordinates are scaled by (w_i / w_j, h_i / h_j) and truncated; repetitions are kept.

    Args:
        points: of each image, int (K, 2).
        sizes: (height, width) of each image.
    """

    def __init__(self, points: Sequence[np.ndarray], sizes: Sequence[Size]) -> None:
        self._points = [np.asarray(each, dtype=np.int64).reshape(-1, 2) for each in points]
        self._sizes = [(int(h), int(w)) for h, w in sizes]
        groups: dict[Size, list[np.ndarray]] = {}
        for each, size in zip(self._points, self._sizes, strict=True):
            groups.setdefault(size, []).append(each)
        # Equal pixels of images of one size are scaled together.
        self._groups = {size: _unique(np.concatenate(each)) for size, each in groups.items()}
        self._cache: dict[Size, np.ndarray] = {}

    def counts(self, index: int) -> np.ndarray:
        """How often each pixel of an image is one of the others' fixations: int64 (H, W)."""
        size = self._sizes[index]
        counts = self._all(size).copy()
        own = self._points[index]
        np.subtract.at(counts, (own[:, 1], own[:, 0]), 1)
        return counts

    def others(self, index: int, number: int, rng: np.random.Generator) -> np.ndarray:
        """Flat indices of the pixels that any of some other images' fixations lie on (MIT)."""
        candidates = np.delete(np.arange(len(self._points)), index)
        chosen = rng.permutation(candidates)[:number]
        size = self._sizes[index]
        places = [_scaled(self._points[j], self._sizes[j], size) for j in chosen]
        union = np.concatenate(places) if places else np.zeros((0, 2), np.int64)
        return np.unique(union[:, 1] * size[1] + union[:, 0])

    def _all(self, size: Size) -> np.ndarray:
        if size not in self._cache:
            if len(self._cache) > 8:
                self._cache.clear()
            total = np.zeros(size, dtype=np.int64)
            for other, (pixels, times) in self._groups.items():
                at = _scaled(pixels, other, size)
                np.add.at(total, (at[:, 1], at[:, 0]), times)
            self._cache[size] = total
        return self._cache[size]


def _unique(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pixels, times = np.unique(points, axis=0, return_counts=True)
    return pixels, times


def _scaled(points: np.ndarray, size: Size, target: Size) -> np.ndarray:
    """Points of an image of one size in one of another."""
    if size == target:
        return points
    factors = np.array([target[1] / size[1], target[0] / size[0]])
    return np.minimum((points * factors).astype(np.int64), np.array(target[::-1]) - 1)
