"""Saved fixation maps: how they are written, and how any method's are read."""

from __future__ import annotations

import numpy as np
from PIL import Image

from sor_ppa.data.image_io import pixel_format, read_grey
from sor_ppa.data.writers import PathLike, write_image
from sor_ppa.errors import DataError

__all__ = ["read_map", "write_map"]

_DEEP = 65535


def write_map(path: PathLike, fixation: np.ndarray) -> None:
    """Writes a map (H, W) in 0 ... 1 as a grey PNG of 16 bits.

    With 8 bits a third of a usual map would become 0, which metrics that take logarithms punish.

    Raises:
        ImageError: the disk is full or read-only.
    """
    write_image(path, np.rint(np.clip(fixation, 0, 1) * _DEEP).astype(np.uint16))


def read_map(path: PathLike) -> np.ndarray:
    """Reads a map of any method: a grey picture, or a NumPy array.

    Args:
        path: .npy = its numbers as they are; else a picture of 8 or 16 bits.

    Returns:
        float32 (H, W); of pictures in 0 ... 1.

    Raises:
        ImageError: the picture cannot be read.
        DataError: the array is no finite map.
    """
    if str(path).endswith(".npy"):
        return _read_array(path)
    grey = read_grey(path)  # also finds out whether the file is whole
    if pixel_format(path).startswith("I;16"):
        with Image.open(path) as image:
            return np.asarray(image).astype(np.float32) / np.float32(_DEEP)
    return grey.astype(np.float32) / np.float32(255)


def _read_array(path: PathLike) -> np.ndarray:
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError([f"{path}: cannot be read: {error}"]) from error
    if found.ndim != 2 or found.dtype.kind not in "fiu" or not np.isfinite(found).all():
        raise DataError(
            [f"{path}: expected finite numbers (H, W), got {found.dtype} {found.shape}"]
        )
    return found.astype(np.float32)
