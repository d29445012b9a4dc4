"""Two resizes of TensorFlow 1 with ``align_corners=True``, which published weights were trained on.

Both work axis by axis, so each is a sparse matrix an axis; sums are in float64. Neither is what
other libraries call by the name: the area windows do not tile the picture (the last one starts at
the last pixel), and the cubic kernel has A = -0.75 and comes from a table of 1,024 steps.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy.sparse import csr_array

_CUBIC_A = -0.75
_TABLE_SIZE = 1024


def resize_area(image: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Means of a picture over windows of (in - 1) / (out - 1) pixels a side.

    Args:
        image: (H, W) or (H, W, C), any numbers.
        size_hw: (height, width) of the result; an axis may also grow.

    Returns:
        float32 of that size.
    """
    return _separable(image, size_hw, _area_matrix)


def resize_bicubic(image: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """A picture by Keys' cubic kernel with the corners aligned; it may overshoot the input's range.

    Args:
        image: (H, W) or (H, W, C), any numbers.
        size_hw: (height, width) of the result. The picture's own size changes nothing.

    Returns:
        float32 of that size.
    """
    return _separable(image, size_hw, _bicubic_matrix)


def _separable(
    image: np.ndarray, size_hw: tuple[int, int], matrix: Callable[[int, int], csr_array]
) -> np.ndarray:
    height, width = image.shape[:2]
    new_height, new_width = size_hw
    planes = image.reshape(height, -1)  # (H, W C)
    rows = matrix(height, new_height) @ planes.astype(np.float64)
    columns = rows.reshape(new_height, width, -1).transpose(1, 0, 2).reshape(width, -1)
    result = matrix(width, new_width) @ columns  # (W', H' C)
    result = result.reshape(new_width, new_height, -1).transpose(1, 0, 2)
    return np.ascontiguousarray(result, dtype=np.float32).reshape(*size_hw, *image.shape[2:])


def _scale(length: int, new_length: int) -> np.float32:
    """Source pixels a step, in float32 as TensorFlow has it."""
    if new_length > 1:
        return np.float32(length - 1) / np.float32(new_length - 1)
    return np.float32(length) / np.float32(new_length)


@lru_cache(maxsize=64)
def _area_matrix(length: int, new_length: int) -> csr_array:
    """(new_length, length); row d holds the shares of the window [d s, (d + 1) s]."""
    scale = _scale(length, new_length)
    if scale == 0:  # one pixel that becomes several
        return csr_array(np.ones((new_length, length)))
    places = np.arange(new_length + 1, dtype=np.float32) * scale
    start, end = places[:-1, None], places[1:, None]
    span = int(np.ceil(scale)) + 1
    source = np.floor(start) + np.arange(span, dtype=np.float32)  # (new_length, span)
    right = np.minimum(source + 1, end)
    share = np.where(source < start, right - start, right - source)
    # A window inside one pixel is as wide as the step, whatever the rounding of its ends says.
    share = np.where((source < start) & (source + 1 > end), scale, share)
    share = np.where(source < np.ceil(end), share, np.float32(0))
    return _sparse(source, share.astype(np.float64) / np.float64(scale), length)


@lru_cache(maxsize=64)
def _bicubic_matrix(length: int, new_length: int) -> csr_array:
    """(new_length, length); row d holds the weights of four neighbours of d s."""
    place = np.arange(new_length, dtype=np.float32) * _scale(length, new_length)
    floor = np.floor(place)
    offset = np.rint((place - floor).astype(np.float64) * _TABLE_SIZE) / _TABLE_SIZE
    distance = np.stack([1 + offset, offset, 1 - offset, 2 - offset], axis=1)
    source = floor[:, None] + np.arange(-1, 3)
    return _sparse(source, _cubic(distance), length)


def _cubic(x: np.ndarray) -> np.ndarray:
    """Keys' kernel at distances 0 ... 2."""
    a = _CUBIC_A
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, far)


def _sparse(source: np.ndarray, weights: np.ndarray, length: int) -> csr_array:
    """Rows of weights at source pixels, pixels outside standing for the border's."""
    columns = np.clip(source, 0, length - 1).astype(np.int64)
    starts = np.arange(0, columns.size + 1, columns.shape[1])
    return csr_array(
        (weights.ravel(), columns.ravel(), starts), shape=(len(columns), length)
    )  # equal columns of a row add up
