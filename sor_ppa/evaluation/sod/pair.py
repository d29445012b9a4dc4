"""One prediction and its mask, counted in one pass; every metric starts from these counts."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from sor_ppa.evaluation.sod import levels
from sor_ppa.evaluation.sod.levels import Floats
from sor_ppa.evaluation.sod.windows import Mask, Window, box_of

Codes = npt.NDArray[Any]
Table = Callable[[int, int], Floats]

# An adaptive threshold this close to a level that occurs is computed again as the references do.
_TIE = 1e-9


class Pair:
    """Counts of a prediction under a mask.

    The picture is cut into four at the centroid of the mask (see :mod:`.structure`); what holds
    for the whole picture is the sum over the quadrants.

    Attributes:
        mask: uint8 (H, W), 1 = object.
        codes: (H, W), see :mod:`.levels`.
        values: float64 (K,), saliency of each code.
        box: window around the object; None = empty mask.
        quadrants: the four windows: top left, top right, bottom left, bottom right.
        by_quadrant: float64 (4, 2, K), whole numbers: how often each code occurs in each quadrant,
            [:, 0] everywhere and [:, 1] on the object.
        counts: float64 (2, K), their sum.
        size: pixels, ``N``.
        positives: pixels of the object, ``n1``.
    """

    def __init__(self, codes: Codes, mask: Mask, values: Floats | Table) -> None:
        """Counts.

        Args:
            codes: uint8, or integers that index ``values``, (H, W).
            mask: uint8 (H, W), 0 and 1.
            values: saliency of each code, or for uint8 codes the function of the smallest and
                the largest grey level that gives it.
        """
        self.mask, self.codes = mask, codes
        self.size = mask.size
        self.box = box_of(mask)
        self.positives, (cy, cx) = _centroid(mask, self.box)
        height, width = mask.shape
        tops, lefts = (0, cy, height), (0, cx, width)
        self.quadrants = [
            Window(tops[row], tops[row + 1], lefts[column], lefts[column + 1])
            for row in (0, 1)
            for column in (0, 1)
        ]
        number = 256 if callable(values) else len(values)
        self.by_quadrant = np.zeros((4, 2, number))
        # Outside this window there is neither object nor any other code than 0.
        self._busy = self.box
        if above_0 := box_of(codes) if codes.dtype == np.uint8 else Window(0, height, 0, width):
            self._busy = above_0 if self.box is None else above_0.joined(self.box)
        for quadrant, window in zip(self.by_quadrant, self.quadrants, strict=True):
            self._count(quadrant, window)
        self.counts = self.by_quadrant.sum(0)
        self.values = values(*_range(self.counts[0])) if callable(values) else values

    def _count(self, quadrant: Floats, window: Window) -> None:
        inner = self._busy and window.common(self._busy)
        if inner:
            codes, mask = inner.of(self.codes), inner.of(self.mask)
            quadrant[:] = levels.histograms(codes, mask, quadrant.shape[1])
        quadrant[0, 0] += window.pixels - (inner.pixels if inner else 0)

    @functools.cached_property
    def mean(self) -> float:
        """Mean saliency."""
        return float(self.counts[0] @ self.values) / self.size

    @functools.cached_property
    def background(self) -> Floats:
        """How often each code occurs off the object, (K,)."""
        return self.counts[0] - self.counts[1]

    @functools.cached_property
    def adaptive_threshold(self) -> float:
        """Twice the mean saliency, at most 1."""
        threshold = min(2 * self.mean, 1.0)
        near = np.abs(self.values - threshold) < _TIE
        if near.any() and self.counts[0, near].any():
            # On a tie the rounding of the mean decides; so it is rounded like the references'.
            threshold = min(2 * float(levels.plane(self.values, self.codes).mean()), 1.0)
        return threshold

    @functools.cached_property
    def eight_bit(self) -> Mask:
        """The map in the 8 bits that thresholds are compared with, uint8 (H, W)."""
        return levels.lookup(levels.eight_bit(self.values), self.codes)


def _centroid(mask: Mask, box: Window | None) -> tuple[int, tuple[int, int]]:
    """Object pixels, and (row, column) where the picture is cut into quadrants.

    The mean position is rounded half to even; 1 is added so that the first quadrant holds the row
    and column of the centroid. Without an object any cut will do.
    """
    if box is None:
        return 0, (mask.shape[0], mask.shape[1])
    inner = box.of(mask)
    rows = cv2.reduce(inner, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel().astype(np.int64)
    columns = cv2.reduce(inner, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel().astype(np.int64)
    positives = int(rows.sum())
    row = int(rows @ np.arange(box.top, box.bottom)) / positives
    column = int(columns @ np.arange(box.left, box.right)) / positives
    return positives, (round(row) + 1, round(column) + 1)


def _range(counts: Floats) -> tuple[int, int]:
    """Smallest and largest code that occurs."""
    occurring = np.flatnonzero(counts)
    return int(occurring[0]), int(occurring[-1])
