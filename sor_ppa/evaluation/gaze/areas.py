"""Areas under ROC curves: how well a map tells fixated places from others.

Fixations are pixels (K, 2), x and y; a map is any float64 (H, W). What is exact here is exact: no
thresholds are binned but where a definition says so.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "Negatives",
    "auc",
    "auc_borji",
    "auc_judd",
    "auc_judd_mit",
    "drawn_negatives",
    "fixated",
    "first_of_permutations",
    "min_max",
]

_STEP = 0.1


class Negatives:
    """Values of a map at the places that are no fixations, sorted, each with a weight.

    Args:
        values: (M,) of the map.
        weights: (M,) how often each counts; None = once.
    """

    def __init__(self, values: np.ndarray, weights: np.ndarray | None = None) -> None:
        if weights is None:
            self.values = np.sort(values)
            self._below = None
            self.total = float(values.size)
        else:
            order = np.argsort(values, kind="stable")
            self.values = values[order]
            self._below = np.concatenate([[0.0], np.cumsum(weights[order], dtype=np.float64)])
            self.total = float(self._below[-1])

    def below(self, values: np.ndarray) -> np.ndarray:
        """Weight of what is less than each value."""
        return self._weight(np.searchsorted(self.values, values, "left"))

    def up_to(self, values: np.ndarray) -> np.ndarray:
        """Weight of what is less than each value, or equal to it."""
        return self._weight(np.searchsorted(self.values, values, "right"))

    def _weight(self, places: np.ndarray) -> np.ndarray:
        return places.astype(np.float64) if self._below is None else self._below[places]


def fixated(fixation: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The map's values (K,) at the points (K, 2)."""
    return fixation[points[:, 1], points[:, 0]]


def auc(positives: np.ndarray, negatives: Negatives, own: np.ndarray | None = None) -> np.ndarray:
    """AUC of each fixation: share of negatives below its value, plus half the share equal to it.

    Its mean over an image's fixations is the area under the image's ROC curve.

    Args:
        positives: (K,) values at the fixations.
        negatives: all pixels (Tuebingen's AUC), or other images' fixations (shuffled AUC).
        own: (M,) values that are among the negatives but do not count (unfixated pixels only).

    Returns:
        (K,); NaN where there is no negative.
    """
    below, up_to, total = negatives.below(positives), negatives.up_to(positives), negatives.total
    if own is not None:
        mine = Negatives(own)
        below, up_to, total = below - mine.below(positives), up_to - mine.up_to(positives), total
        total -= mine.total
    if total == 0:
        return np.full(positives.shape, np.nan)
    return (below + up_to) / 2 / total


def auc_judd(positives: np.ndarray, pixels: Negatives, own: np.ndarray) -> float:
    """AUC-Judd as pysaliency has it: the curve's corners lie at the fixated values only.

    Args:
        positives: (K,) values at the fixations, with repetitions.
        pixels: all pixels of the map.
        own: values of the fixated pixels, each pixel once; the others are the negatives.

    Returns:
        NaN without fixations or without other pixels.
    """
    unfixated = pixels.total - own.size
    if positives.size == 0 or unfixated == 0:
        return float("nan")
    levels = np.unique(positives)[::-1]
    hits = (positives.size - Negatives(positives).below(levels)) / positives.size
    above = pixels.total - pixels.below(levels)
    false = (above - (own.size - Negatives(own).below(levels))) / unfixated
    return _area(np.concatenate([[0], hits, [1]]), np.concatenate([[0], false, [1]]))


def auc_judd_mit(positives: np.ndarray, pixels: Negatives) -> float:
    """AUC-Judd of the MIT benchmark's Matlab code, without its jitter.

    The i-th largest fixated value has i hits, and the pixels from it on but i as false alarms.

    Args:
        positives: (n,) values at the fixated pixels, each pixel once.
        pixels: all pixels of the map.
    """
    count = positives.size
    if count == 0 or count == pixels.total:
        return float("nan")
    levels = np.sort(positives)[::-1]
    rank = np.arange(1, count + 1)
    false = (pixels.total - pixels.below(levels) - rank) / (pixels.total - count)
    hits = np.concatenate([[0], rank / count, [1]])
    return _area(hits, np.concatenate([[0], false, [1]]))


def auc_borji(positives: np.ndarray, negatives: np.ndarray) -> float:
    """AUC-Borji, and the MIT benchmark's shuffled AUC: mean over splits with drawn negatives.

    Thresholds are 0, 0.1, 0.2 ... up to the largest value of a split, itself included as Matlab's
    ranges do.

    Args:
        positives: (n,) values at the fixated pixels of a map in 0 ... 1, each pixel once.
        negatives: (m, splits) values at drawn pixels.

    Returns:
        NaN with fewer than two fixations, or without negatives.
    """
    if positives.size <= 1 or negatives.size == 0:
        return float("nan")
    largest = np.maximum(positives.max(), negatives.max(axis=0))  # (splits,)
    counts = np.floor(largest / _STEP + 1e-9) + 1
    levels = np.arange(int(counts.max())) * _STEP
    used = np.arange(levels.size)[:, None] < counts  # (levels, splits)
    hits = (positives[None] >= levels[:, None]).mean(axis=1)[:, None] * used
    false = (negatives[None] >= levels[:, None, None]).mean(axis=1) * used
    ends = np.ones((1, largest.size)), np.zeros((1, largest.size))
    hits = np.concatenate([ends[0], hits, ends[1]])
    false = np.concatenate([ends[0], false, ends[1]])
    areas = (false[:-1] - false[1:]) * (hits[:-1] + hits[1:]) / 2
    return float(areas.sum(axis=0).mean())


def min_max(fixation: np.ndarray) -> np.ndarray:
    """A map stretched to 0 ... 1; a constant one becomes 0."""
    low, high = fixation.min(), fixation.max()
    return (fixation - low) / (high - low) if high > low else np.zeros_like(fixation)


def drawn_negatives(pixels: int, count: int, splits: int, rng: np.random.Generator) -> np.ndarray:
    """Flat indices (count, splits) of pixels, each drawn by itself."""
    return rng.integers(0, pixels, (count, splits))


def first_of_permutations(
    places: np.ndarray, count: int, splits: int, rng: np.random.Generator
) -> np.ndarray:
    """The first ``count`` of a random order of places (M,), for each split: (<= count, splits)."""
    count = min(count, places.size)
    return np.stack([rng.permutation(places)[:count] for _ in range(splits)], axis=1)


def _area(hits: np.ndarray, false: np.ndarray) -> float:
    """Trapezoid rule, from (0, 0) to (1, 1)."""
    return float(((false[1:] - false[:-1]) * (hits[1:] + hits[:-1])).sum() / 2)
