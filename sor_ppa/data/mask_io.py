"""The one reader of masks, and what is done about the ways in which masks are stored.

Masks come as grey, 1-bit, 16-bit, palette and colour pictures, as JPEG, with the values 0 and 1,
and now and then in another size than their picture. A mask of a frame may also be the union of
several files, one an object.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from functools import reduce

import numpy as np
from PIL import Image

from sor_ppa.data.image_io import MAX_PIXELS, read_labels
from sor_ppa.data.writers import PathLike
from sor_ppa.errors import ConfigError

__all__ = ["MASK_MODES", "mask_values", "read_grey_mask", "read_mask"]

logger = logging.getLogger(__name__)

MASK_MODES = ("soft", "threshold", "minmax")

# (folder, kind) of what has been warned of: once a set, not once a file.
_warned: set[tuple[str, str]] = set()


def read_mask(
    path: PathLike | Sequence[PathLike],
    size_hw: tuple[int, int] | None = None,
    mode: str = "soft",
    threshold: int = 127,
    *,
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Reads a saliency mask.

    Args:
        path: as of :func:`read_grey_mask`.
        size_hw: as of :func:`read_grey_mask`.
        mode: "soft" = grey / 255, "threshold" = 1 where grey > ``threshold``, else 0, "minmax" =
            stretched so that the darkest pixel is 0 and the brightest 1 (a mask of one grey:
            grey / 255). A JPEG is cut at ``threshold`` in any case: its edges ring.
        threshold: grey level, 0 ... 254.
        max_pixels: larger masks are refused before they are decoded.

    Returns:
        float32 (H, W) in [0, 1].

    Raises:
        ImageError: a file is missing, damaged or no picture.
        ConfigError: unknown mode.
    """
    grey = read_grey_mask(path, size_hw, max_pixels=max_pixels)
    if mode != "threshold" and mode in MASK_MODES and any(map(_is_lossy, _files(path))):
        _warn_once(_files(path)[0], "JPEG", f"is a JPEG: salient is what is above {threshold}")
        mode = "threshold"
    return mask_values(grey, mode, threshold)


def mask_values(grey: np.ndarray, mode: str = "soft", threshold: int = 127) -> np.ndarray:
    """What the grey levels of a mask stand for: uint8 (H, W) -> float32 (H, W) in [0, 1].

    Args:
        grey: of :func:`read_grey_mask`.
        mode: as of :func:`read_mask`.
        threshold: as of :func:`read_mask`.

    Raises:
        ConfigError: unknown mode.
    """
    if mode not in MASK_MODES:
        raise ConfigError(f"mask mode must be one of {', '.join(MASK_MODES)}, got {mode!r}")
    if mode == "threshold":
        return (grey > threshold).astype(np.float32)
    low, high = (int(grey.min()), int(grey.max())) if mode == "minmax" else (0, 255)
    if low == high:
        low, high = 0, 255
    return (grey.astype(np.float32) - low) / np.float32(high - low)


def read_grey_mask(
    path: PathLike | Sequence[PathLike],
    size_hw: tuple[int, int] | None = None,
    *,
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Reads a mask as grey levels: uint8 (H, W), 0 = background, 255 = salient.

    Where a palette holds colours it is a palette of object numbers: everything but entry 0 is
    salient. A mask of the values 0 and 1 only is multiplied by 255. Both is warned of, once a
    folder.

    Args:
        path: of the mask. A list of files is one mask, their union (pixelwise maximum).
        size_hw: of the picture; a mask of another size is resized to it (nearest neighbour, so
            that no new grey levels arise), with one warning a folder.
        max_pixels: larger masks are refused before they are decoded.

    Raises:
        ImageError: a file is missing, damaged or no picture.
    """
    return reduce(np.maximum, (_one(part, size_hw, max_pixels) for part in _files(path)))


def _files(path: PathLike | Sequence[PathLike]) -> list[PathLike]:
    return [path] if isinstance(path, (str, os.PathLike)) else list(path)


def _is_lossy(path: PathLike) -> bool:
    return os.path.splitext(path)[1].lower() in (".jpg", ".jpeg")


def _one(path: PathLike, size_hw: tuple[int, int] | None, max_pixels: int) -> np.ndarray:
    grey, numbered = read_labels(path, max_pixels=max_pixels)
    if numbered:
        _warn_once(path, "colours", "a palette of colours: all but its first entry is salient")
    elif int(grey.max()) == 1 and not _is_lossy(path):  # in a black JPEG, a 1 is noise
        _warn_once(path, "0 and 1", "holds the values 0 and 1: 1 is taken for 255")
        grey = grey * np.uint8(255)
    if size_hw is not None and grey.shape != tuple(size_hw):
        found, wanted = " x ".join(map(str, grey.shape)), " x ".join(map(str, size_hw))
        text = f"is {found} (height x width), its picture {wanted}: resized (nearest neighbour)"
        _warn_once(path, "size", text)
        size = (int(size_hw[1]), int(size_hw[0]))
        grey = np.array(Image.fromarray(grey).resize(size, Image.Resampling.NEAREST))
    return grey


def _warn_once(path: PathLike, kind: str, text: str) -> None:
    folder = os.path.dirname(path)
    if (folder, kind) not in _warned:
        _warned.add((folder, kind))
        logger.warning("%s: %s; further masks of this folder are not mentioned", path, text)
