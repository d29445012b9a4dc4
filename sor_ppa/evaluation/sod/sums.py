"""Means over a data set that do not depend on the order or grouping of its images.

Floating-point sums depend on their order, so that two workers or two GPUs would change the last
digits. Here each value is cut into whole numbers (units of 2^20, 2^-20 and 2^-60), and those are
summed: exactly, in any order, in constant memory. What is below 2^-60 is cut off in every value on
its own, which changes a mean by less than 1e-18.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from sor_ppa.evaluation.sod.levels import Floats

Integers = npt.NDArray[np.int64]
_HIGH, _MIDDLE, _LOW = 2.0**20, 2.0**-20, 2.0**-60


class MetricSums:
    """Sums of scores (numbers and curves) over images; undefined scores are left out and counted.

    Attributes:
        images: how many images were added.
    """

    def __init__(self) -> None:
        """Nothing yet; the first image decides which scores there are."""
        self.images = 0
        self._places: dict[str, slice] = {}
        self._sums: Integers = np.zeros((3, 0), np.int64)
        self._counts: Integers = np.zeros(0, np.int64)

    @property
    def keys(self) -> list[str]:
        """Names of the scores."""
        return list(self._places)

    def add(self, scores: Mapping[str, float | Floats]) -> None:
        """Adds one image.

        Raises:
            ValueError: its scores are not those of the images before.
        """
        if not self.images:
            self._lay_out(scores)
        if self._places.keys() != scores.keys():
            raise ValueError(f"expected the scores {self.keys}, got {list(scores)}")
        values = np.empty(len(self._counts))
        for key, place in self._places.items():
            values[place] = scores[key]
        defined = np.isfinite(values)
        if not defined.all():
            values[~defined] = 0
        self._sums += _cut(values)
        self._counts += defined
        self.images += 1

    def merge(self, other: MetricSums) -> None:
        """Adds the images of another state; the order of merging does not matter.

        Raises:
            ValueError: it holds other scores.
        """
        if not other.images:
            return
        if not self.images:
            self._places = dict(other._places)
            self._sums = np.zeros_like(other._sums)
            self._counts = np.zeros_like(other._counts)
        if self._places != other._places:
            raise ValueError(f"expected the scores {self.keys}, got {other.keys}")
        self._sums += other._sums
        self._counts += other._counts
        self.images += other.images

    def count(self, key: str) -> int:
        """Images in which a score is defined (of a curve: its first entry)."""
        return int(self._counts[self._places[key]][0])

    def mean(self, key: str) -> float:
        """Mean of a number over the images that have it, correctly rounded; NaN = none has."""
        return float(self.curve(key)[0])

    def curve(self, key: str) -> Floats:
        """Mean of a curve, entry by entry."""
        place = self._places[key]
        sums, counts = self._sums[:, place].tolist(), self._counts[place].tolist()
        means = [
            ((high << 80) + (middle << 40) + low) / (count << 60) if count else np.nan
            for high, middle, low, count in zip(*sums, counts, strict=True)
        ]
        return np.array(means)

    def _lay_out(self, scores: Mapping[str, float | Floats]) -> None:
        start = 0
        for key, value in scores.items():
            length = np.size(value)
            self._places[key] = slice(start, start + length)
            start += length
        self._sums = np.zeros((3, start), np.int64)
        self._counts = np.zeros(start, np.int64)


def _cut(values: Floats) -> Integers:
    """Whole numbers (3, n) of units 2^20, 2^-20, 2^-60 whose sum is each value."""
    parts = np.empty((3, len(values)))
    np.trunc(values / _HIGH, out=parts[0])
    rest = (values - parts[0] * _HIGH) / _MIDDLE
    np.trunc(rest, out=parts[1])
    np.trunc((rest - parts[1]) * (_MIDDLE / _LOW), out=parts[2])
    return parts.astype(np.int64)
