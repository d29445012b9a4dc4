"""Multiscale IoU of outlines (Ahmadzadeh et al., ICIP 2021)."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from sor_ppa.evaluation.sod.windows import Mask

_SCALES = 10


def multiscale_iou(prediction: Mask, mask: Mask) -> float:
    """Share of the true edge cells that are hit, integrated over cell sizes 1 ... 512.

    Args:
        prediction: uint8 (H, W), 0 and 1.
        mask: likewise.
    """
    # Cells count from the bottom right corner.
    found, true = (_edges(image)[::-1, ::-1] for image in (prediction, mask))
    ratios = []
    for _ in range(_SCALES):
        hits, cells = int((found & true).sum()), int(true.sum())
        ratios.append((hits + 1) / _half_precision(cells + 1))
        found, true = _halved(found), _halved(true)
    return float(np.trapezoid(ratios, dx=1 / (_SCALES - 1)))


def _half_precision(cells: int) -> float:
    """The reference keeps this number in float16; above what that holds it is kept exactly."""
    rounded = float(np.float16(min(cells, 65504)))
    return rounded if cells <= 65504 else float(cells)


def _edges(image: Mask) -> npt.NDArray[np.bool_]:
    """Where either Sobel response is not 0; zeros outside the picture."""
    gradient = [
        cv2.Sobel(image, cv2.CV_16S, 1 - axis, axis, ksize=3, borderType=cv2.BORDER_CONSTANT)
        for axis in (0, 1)
    ]
    return (gradient[0] != 0) | (gradient[1] != 0)


def _halved(cells: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Any of each 2 x 2 cells; a missing row or column is empty."""
    height, width = cells.shape
    even = np.pad(cells, ((0, height % 2), (0, width % 2)))
    return even[::2, ::2] | even[1::2, ::2] | even[::2, 1::2] | even[1::2, 1::2]
