"""Blurred maps of fixations: what a network learns from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from sor_ppa.data.fixation.points import fixation_points, has_fixations
from sor_ppa.data.image_io import image_size, read_grey
from sor_ppa.errors import DataError

__all__ = ["DEFAULT_SIGMA", "fixation_map", "points_to_map", "stretched_map"]

#: Spread in pixels where a set says nothing: about one degree of visual angle on a usual screen.
DEFAULT_SIGMA = 24.0


def fixation_map(record: Mapping[str, Any]) -> np.ndarray:
    """The blurred map of a picture.

    Args:
        record: dataset dict with ``saliency_file_name``, the released map; without it the map is
            made from the points, with ``fixation_sigma`` or :data:`DEFAULT_SIGMA`.

    Returns:
        float32 (H, W) in 0 ... 255, at the size of its file, or of the picture.

    Raises:
        DataError: there is neither a map nor points.
        ImageError: a file cannot be read.
    """
    if path := record.get("saliency_file_name"):
        return read_grey(path).astype(np.float32)
    if not has_fixations(record):
        name = record.get("file_name", "a picture")
        raise DataError(
            [f"{name}: has no fixation map (saliency_file_name) and no points to make one from"]
        )
    points = fixation_points(record)
    size = (record["height"], record["width"]) if "height" in record else None
    size = size or image_size(record["file_name"])
    return points_to_map(points, size, record.get("fixation_sigma", DEFAULT_SIGMA))


def points_to_map(points: np.ndarray, size_hw: tuple[int, int], sigma: float) -> np.ndarray:
    """A map out of points, as MSI-Net's authors make them (Kroner et al., Neural Networks 2020).

    A pixel that was looked at is 1 however often; then a Gaussian (the border mirrored, cut off at
    4 sigma), then stretched to 0 ... 255.

    Args:
        points: int (K, 2), x and y inside the picture.
        size_hw: (height, width) of the picture.
        sigma: of the Gaussian, in pixels.

    Returns:
        float32 (H, W); 0 everywhere without points.
    """
    binary = np.zeros(size_hw, dtype=np.float32)
    binary[points[:, 1], points[:, 0]] = 1
    return stretched_map(gaussian_filter(binary, sigma))


def stretched_map(grey: np.ndarray) -> np.ndarray:
    """A map whose least value becomes 0 and whose largest 255; a constant one becomes 0."""
    low, high = float(grey.min()), float(grey.max())
    if high == low:
        return np.zeros(grey.shape, dtype=np.float32)
    return ((grey - low) * np.float32(255 / (high - low))).astype(np.float32)
