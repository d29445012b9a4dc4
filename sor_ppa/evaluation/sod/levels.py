"""What a pixel's grey level stands for: preparation as tables of 256 numbers.

A prediction is kept as ``codes`` (H, W) and ``values`` (K,), ascending: the saliency of a pixel is
``values[code]``. For 8-bit maps the codes are the grey levels, K = 256, and stretching to [0, 1]
changes only the table; for floating-point maps the values are those that occur.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from sor_ppa.evaluation.sod.windows import Window

Floats = npt.NDArray[np.float64]

GREYS: Floats = np.arange(256) / 255
# As a float32 map holds them.
FLOAT32_GREYS: Floats = GREYS.astype(np.float32).astype(np.float64)
# OpenCV counts in float32, exact up to 2^24 a bin.
_STRIP_PIXELS = 1 << 24


def stretched(lo: int, hi: int) -> Floats:
    """Saliency of each grey level when ``lo ... hi`` occur, as PySODMetrics computes it.

    Levels that do not occur are clipped to [0, 1]. A constant map is not stretched.

    Args:
        lo: smallest grey level of the map.
        hi: largest one.
    """
    if lo == hi or hi - lo == 255:
        return GREYS
    low, high = GREYS[lo], GREYS[hi]
    return np.clip((GREYS - low) / (high - low), 0, 1)


def stretched_integers(lo: int, hi: int) -> Floats:
    """The same from whole numbers, which rounds otherwise for a quarter of all ranges (A2S)."""
    if lo == hi:
        return GREYS
    return np.clip((np.arange(256.0) - lo) / (hi - lo), 0, 1)


def eight_bit(values: Floats) -> npt.NDArray[np.uint8]:
    """The 8-bit level that thresholds are compared with: ``trunc(255 values)``."""
    return (values * 255).astype(np.uint8)


def histograms(codes: npt.NDArray[Any], mask: npt.NDArray[np.uint8], size: int) -> Floats:
    """How often each code occurs, exactly: [0] everywhere and [1] where the mask is 1; (2, size).

    Args:
        codes: uint8, or any integers below ``size``, (H, W), not empty; may be a view.
        mask: uint8 (H, W), 0 and 1.
        size: number of codes; 256 for uint8.
    """
    if codes.dtype != np.uint8:
        inside = codes[mask.view(bool)]
        parts = [np.bincount(part.ravel(), minlength=size) for part in (codes, inside)]
        return np.array(parts, dtype=np.float64)
    rows = max(1, _STRIP_PIXELS // codes.shape[1])
    counts = _calc_hist(codes[:rows], mask[:rows])
    for top in range(rows, len(codes), rows):
        counts += _calc_hist(codes[top : top + rows], mask[top : top + rows])
    counts[:, 0] += counts[:, 1]
    return counts.T


def _calc_hist(codes: npt.NDArray[Any], mask: npt.NDArray[np.uint8]) -> Floats:
    """(256, 2): of uint8 codes off and on the mask."""
    return cv2.calcHist([codes, mask], [0, 1], None, [256, 2], [0, 256, 0, 2]).astype(np.float64)


def lookup(table: npt.NDArray[Any], codes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """``table[codes]``, fast for uint8 codes."""
    if codes.dtype == np.uint8 and codes.size and table.dtype in (np.uint8, np.float64):
        return cv2.LUT(codes, table)
    return table[codes]


def plane(values: Floats, codes: npt.NDArray[Any], window: Window | None = None) -> Floats:
    """Saliency of each pixel of a window, float64 (h, w)."""
    return lookup(values, codes if window is None else window.of(codes))
