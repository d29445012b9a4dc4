"""Metrics of the outline: mean boundary accuracy, boundary IoU, thin IoU."""

from __future__ import annotations

import math

import cv2
import numpy as np

from sor_ppa.evaluation.sod import levels
from sor_ppa.evaluation.sod.levels import Floats
from sor_ppa.evaluation.sod.pair import Pair
from sor_ppa.evaluation.sod.windows import Mask, Window, box_of

BIOU_RATIO, TIOU_RATIO = 0.02, 0.001
_MBA_STEPS = 5


def mba_radii(size_hw: tuple[int, int]) -> list[int]:
    """The five radii (pixels) at which boundary accuracy is taken."""
    largest = sum(size_hw) / 300
    return [1 + int((largest - 1) / _MBA_STEPS * step) for step in range(_MBA_STEPS)]


def mean_boundary_accuracy(prediction: Mask, mask: Mask) -> float:
    """Agreement in bands around the true outline: mBA (CascadePSP, Cheng et al., CVPR 2020).

    Args:
        prediction: uint8 (H, W), 0 and 1.
        mask: likewise.

    Returns:
        0 ... 1; NaN where the mask has no outline (all object, or none).
    """
    box = box_of(mask)
    if box is None or cv2.countNonZero(mask) == mask.size:
        return math.nan
    radii = mba_radii((mask.shape[0], mask.shape[1]))
    by_radius = {radius: _band_accuracy(prediction, mask, box, radius) for radius in set(radii)}
    return sum(by_radius[radius] for radius in radii) / len(radii)


def _band_accuracy(prediction: Mask, mask: Mask, box: Window, radius: int) -> float:
    """Share of the pixels near the outline (elliptic element) where both masks agree."""
    around = box.grown(radius + 1, (mask.shape[0], mask.shape[1]))
    true = around.of(mask)
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    band = cv2.morphologyEx(true, cv2.MORPH_GRADIENT, element)
    wrong = cv2.bitwise_and(band, cv2.bitwise_xor(true, around.of(prediction)))
    return 1 - cv2.countNonZero(wrong) / cv2.countNonZero(band)


def boundary_width(size_hw: tuple[int, int], ratio: float) -> int:
    """Pixels of a boundary: a share of the diagonal, at least 1."""
    return max(1, round(ratio * math.hypot(*size_hw)))


def boundary(image: Mask, width: int) -> Mask:
    """``image - eroded(image)`` by a square of 2 width + 1; the picture's edge is a boundary."""
    framed = cv2.copyMakeBorder(image, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    square = cv2.getStructuringElement(cv2.MORPH_RECT, (2 * width + 1, 2 * width + 1))
    return cv2.subtract(image, cv2.erode(framed, square)[1:-1, 1:-1])


def _true_boundary(pair: Pair, width: int) -> tuple[Mask, int]:
    """Boundary of the mask in its box (0 and 1), and its number of pixels."""
    box = pair.box
    if box is None:
        return np.zeros((0, 0), np.uint8), 0
    found = boundary(np.ascontiguousarray(box.of(pair.mask)), width)
    return found, cv2.countNonZero(found)


def biou_curve(pair: Pair) -> Floats:
    """Boundary IoU at 256 thresholds, of the boundary of the *grey* map, as in InSPyReNet.

    The published Boundary IoU (Cheng et al., CVPR 2021) takes the boundary of the cut map instead.
    """
    width = boundary_width((pair.mask.shape[0], pair.mask.shape[1]), BIOU_RATIO)
    true, number = _true_boundary(pair, width)
    grey = boundary(pair.eight_bit, width)
    mask = np.zeros_like(grey)
    if pair.box is not None:
        pair.box.of(mask)[:] = true
    counts, hits = levels.histograms(grey, mask, 256)
    tp, fp = hits[::-1].cumsum(), (counts - hits)[::-1].cumsum()
    return tp / (max(number, 1) + fp)


def tiou_curve(pair: Pair) -> Floats:
    """Thin IoU at 256 thresholds: the map is compared only on a hair's breadth of true boundary."""
    width = boundary_width((pair.mask.shape[0], pair.mask.shape[1]), TIOU_RATIO)
    true, number = _true_boundary(pair, width)
    hits = np.zeros(256)
    if pair.box is not None:
        hits = levels.histograms(pair.box.of(pair.eight_bit), true, 256)[1]
    tp, fp = hits[::-1].cumsum(), np.zeros(256)
    fp[-1] = pair.size - number  # everything else is 0, which only the last threshold selects
    return tp / (max(number, 1) + fp)
