"""Where people looked, as points: the one way to them, whatever a set stores."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from sor_ppa.data.fixation.mat_files import read_mat_points
from sor_ppa.data.image_io import image_size, read_grey
from sor_ppa.errors import DataError

__all__ = ["fixation_points", "has_fixations", "points_inside"]

logger = logging.getLogger(__name__)

# Maps of points come as JPEG too, whose pixels around a point are not black.
_THRESHOLD = 127
_warned: set[str] = set()


def fixation_points(record: Mapping[str, Any]) -> np.ndarray:
    """The fixations of a picture.

    Args:
        record: dataset dict with ``fixations`` (K, 2), x and y in pixels from 0, or with
            ``fixation_file_name``: a picture with a pixel above 127 for each fixation, or a .mat
            file (:func:`~sor_ppa.data.fixation.mat_files.read_mat_points`).

    Returns:
        int64 (K, 2), x and y, truncated toward zero, repetitions kept. Points beside the picture
        are left out, with a warning once a folder.

    Raises:
        DataError: the dict has neither, or a file holds no points.
        ImageError: a picture of points, or the picture itself, cannot be read.
    """
    if record.get("fixations") is not None:
        points = np.asarray(record["fixations"], dtype=np.float64).reshape(-1, 2)
        return _inside(points, _size_of(record), record)
    path = record.get("fixation_file_name")
    if not path:
        name = record.get("file_name", "a picture")
        raise DataError([f"{name}: has no fixations (fixations or fixation_file_name)"])
    if os.path.splitext(path)[1].lower() == ".mat":
        return _inside(read_mat_points(path), _size_of(record), record)
    grey = read_grey(path)
    rows, columns = np.nonzero(grey > _THRESHOLD)
    points = np.stack([columns, rows], 1).astype(np.int64)
    size_hw = _known_size(record)
    if size_hw is not None and size_hw != grey.shape:
        found, wanted = (" x ".join(map(str, size)) for size in (grey.shape, size_hw))
        raise DataError([f"{path}: is {found} (height x width), its picture {wanted}"])
    return points


def points_inside(points: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Points (K, 2) truncated toward zero, those beside a picture left out: int64 (<= K, 2)."""
    finite = np.isfinite(points).all(axis=1)
    whole = np.trunc(np.where(finite[:, None], points, -1.0)).astype(np.int64)
    # -0.5 is truncated to 0, but lies beside the picture all the same.
    good = finite & (points >= 0).all(axis=1) & (whole < np.array(size_hw[::-1])).all(axis=1)
    return whole[good]


def has_fixations(record: Mapping[str, Any]) -> bool:
    """Whether a dataset dict names points."""
    return record.get("fixations") is not None or bool(record.get("fixation_file_name"))


def _inside(points: np.ndarray, size_hw: tuple[int, int], record: Mapping[str, Any]) -> np.ndarray:
    kept = points_inside(points, size_hw)
    folder = os.path.dirname(record.get("file_name", ""))
    if len(kept) < len(points) and folder not in _warned:
        _warned.add(folder)
        logger.warning(
            "%s: %d of %d fixations lie beside the picture and are left out; further pictures of "
            "this folder are not mentioned",
            *(record.get("file_name"), len(points) - len(kept), len(points)),
        )
    return kept


def _known_size(record: Mapping[str, Any]) -> tuple[int, int] | None:
    if "height" in record and "width" in record:
        return record["height"], record["width"]
    return None


def _size_of(record: Mapping[str, Any]) -> tuple[int, int]:
    return _known_size(record) or image_size(record["file_name"])
