"""Weighted F-measure (Margolin et al., CVPR 2014): errors near the object weigh otherwise."""

from __future__ import annotations

import dataclasses
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from sor_ppa.evaluation.sod import levels
from sor_ppa.evaluation.sod.levels import Floats
from sor_ppa.evaluation.sod.pair import Pair
from sor_ppa.evaluation.sod.windows import Mask, Window, box_of

_KERNEL, _SIGMA = 7, 5.0
_RADIUS = _KERNEL // 2
# No step to a nearest object pixel is longer: sqrt(18) < 5.
_FRAME = 5
# Background errors weigh 2 - 2^(-D / 5). Further away than this the second term is < 1e-9.
_REACH = 150
_STRIP_ROWS = 64


def _steps() -> list[npt.NDArray[np.int64]]:
    """(dy, dx) within the kernel's corner distance, nearest first, in three groups.

    Among equally near object pixels that of the smallest column, then of the smallest row counts,
    as in SciPy's exact feature transform.
    """
    reach = range(-_FRAME, _FRAME + 1)
    found = sorted((dx * dx + dy * dy, dx, dy) for dx in reach for dy in reach)
    steps = np.array([(dy, dx) for distance2, dx, dy in found if 0 < distance2 <= 2 * _RADIUS**2])
    # Most pixels find theirs within 2 pixels, most others within 3: that saves the longer lists.
    return np.split(steps, [12, 28])


_STEPS = _steps()
# 2^(-D / 5) by D^2; all that lies further away weighs no more than the last entry, 2^-51.
_DECAY: Floats = np.exp2(-np.sqrt(np.arange(1 << 16)) / 5)


@dataclasses.dataclass(frozen=True)
class WeightedErrors:
    """Sums of weighted errors of one pair.

    Attributes:
        inside: on the object.
        outside: off the object.
        positives: pixels of the object.
    """

    inside: float
    outside: float
    positives: int


def weighted_errors(pair: Pair) -> WeightedErrors:
    """The sums that the weighted F-measure consists of; all 0 without an object."""
    if pair.box is None:
        return WeightedErrors(0.0, 0.0, 0)
    return WeightedErrors(_inside(pair, pair.box), _outside(pair, pair.box), pair.positives)


def weighted_f(errors: WeightedErrors, *, eps: float, beta2: float = 1.0) -> float:
    """F of weighted precision and recall; 0 without an object.

    Args:
        errors: sums of a pair.
        eps: what keeps the protocol's denominators from being 0.
        beta2: weight of recall, squared.
    """
    if errors.positives == 0:
        return 0.0
    hits = errors.positives - errors.inside
    recall = 1 - errors.inside / errors.positives
    precision = hits / (hits + errors.outside + eps)
    return (1 + beta2) * recall * precision / (recall + beta2 * precision + eps)


def _inside(pair: Pair, box: Window) -> float:
    """Sum over the object of min(error, error blurred with a 7 x 7 Gaussian).

    Background pixels have the error of the nearest object pixel; the blur sees none further than
    3 pixels off, and zeros outside the picture.
    """
    if not pair.counts[1, pair.values < 1].any():
        return 0.0
    around = box.grown(_RADIUS, pair.mask.shape)
    mask = around.of(pair.mask)
    errors = _framed(levels.plane(1 - pair.values, pair.codes, around) * mask)
    band = cv2.dilate(mask, np.ones((_KERNEL, _KERNEL), np.uint8)) - mask
    _spread(errors, _framed(mask), _framed(band))
    blurred = cv2.GaussianBlur(
        errors, (_KERNEL, _KERNEL), _SIGMA, sigmaY=_SIGMA, borderType=cv2.BORDER_CONSTANT
    )
    np.minimum(blurred, errors, out=blurred)
    return float(_unframed(blurred)[mask.view(bool)].sum())


def _framed(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """With zeros around, so that no step to a neighbour leaves the array."""
    return cv2.copyMakeBorder(array, _FRAME, _FRAME, _FRAME, _FRAME, cv2.BORDER_CONSTANT, value=0)


def _unframed(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return array[_FRAME:-_FRAME, _FRAME:-_FRAME]


def _spread(errors: Floats, mask: Mask, band: Mask) -> None:
    """Writes into each pixel of the band the error of its nearest object pixel; all framed."""
    flat, on_object = errors.reshape(-1), mask.reshape(-1).view(bool)
    here = np.flatnonzero(band.view(bool))
    for steps in _STEPS:
        jumps = steps @ (mask.shape[1], 1)
        hits = on_object[here[:, None] + jumps]  # (pixels, steps), nearest first
        first = hits.argmax(1)
        hit = hits[np.arange(len(here)), first]
        found = here[hit]
        flat[found] = flat[found + jumps[first[hit]]]
        here = here[~hit]


def _outside(pair: Pair, box: Window) -> float:
    """Sum over the background of p (2 - 2^(-D / 5)), D = distance to the object."""
    total = 2 * float(pair.background @ pair.values)
    near = box.grown(_REACH, pair.mask.shape)
    codes, mask = near.of(pair.codes), near.of(pair.mask)
    # 1 - 1 = 0 on the object, 0 - 1 is clipped to 0.
    wanted = box_of(cv2.subtract(levels.lookup((pair.values > 0).astype(np.uint8), codes), mask))
    if wanted is None:
        return total
    # The distance transform must see all of the object, but else only what has saliency.
    inner = Window(
        box.top - near.top, box.bottom - near.top, box.left - near.left, box.right - near.left
    )
    crop = wanted.joined(inner)
    # On the object, D = 0: what it adds is known and taken off again.
    on_object = float(pair.counts[1] @ pair.values)
    return total - (_decayed(pair.values, crop.of(codes), crop.of(mask)) - on_object)


def _decayed(values: Floats, codes: npt.NDArray[Any], mask: Mask) -> float:
    """Sum of p 2^(-D / 5), the object included."""
    background = cv2.threshold(mask, 0, 1, cv2.THRESH_BINARY_INV)[1]
    distance = cv2.distanceTransform(background, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    total = 0.0
    for top in range(0, len(mask), _STRIP_ROWS):
        rows = slice(top, top + _STRIP_ROWS)
        # Squares of distances are whole numbers; rounding takes away what float32 lost.
        squares: npt.NDArray[Any] = cv2.multiply(distance[rows], distance[rows], dtype=cv2.CV_16U)
        products = levels.plane(values, codes[rows])
        products *= _DECAY.take(squares, mode="clip")
        # Not a dot product: with BLAS its last digit would depend on the number of threads.
        total += float(products.sum())
    return total
