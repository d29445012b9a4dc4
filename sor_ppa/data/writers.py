"""Atomic writing: a file appears under its name when it is whole, or not at all."""

from __future__ import annotations

import json
import math
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sor_ppa.errors import ImageError, SaliencyError

PathLike = str | Path

# Level 1 writes a 4K cut-out in a fifth of the time of the default level, 25 % larger.
_PNG_LEVEL_COLOUR = 1
_JPEG_QUALITY = 95
_PILLOW_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}


@contextmanager
def atomic_path(path: PathLike) -> Iterator[Path]:
    """Gives a temporary path beside ``path``; what was written there is moved into place.

    The folder is made if need be. On an exception the temporary file is deleted and an older file
    of that name stays as it was. The temporary name keeps the suffix (writers choose the format by
    it) and starts with a dot (folder listings pass it over).

    Raises:
        OSError: the folder cannot be made, or the file cannot be moved.
    """
    path = Path(path).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not the name itself plus something: names may be as long as the file system allows.
    temporary = path.with_name(f".{secrets.token_hex(8)}{path.suffix}")
    try:
        yield temporary
        _flush_to_disk(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_image(path: PathLike, array: np.ndarray) -> None:
    """Writes a picture atomically, as PNG or JPEG by its suffix.

    Args:
        path: ends in .png, .jpg or .jpeg; folders are made.
        array: uint8 (H, W) grey, (H, W, 3) BGR, or (H, W, 4) BGRA (PNG only); uint16 (H, W) grey
            (PNG only); bool (H, W) is written as 0 and 255.

    Raises:
        ImageError: unknown suffix, wrong array, or the disk is full or read-only; nothing is left
            behind then.
    """
    path = Path(path)
    kind = _PILLOW_FORMATS.get(path.suffix.lower())
    if kind is None:
        raise ImageError(f"{path}: pictures are written as .png or .jpg, not {path.suffix!r}")
    image = _to_pillow(array, path)
    if kind == "JPEG" and image.mode not in ("L", "RGB"):
        raise ImageError(f"{path}: JPEG has no transparency and no 16 bits; use .png")
    options: dict[str, Any] = {"quality": _JPEG_QUALITY} if kind == "JPEG" else {}
    if kind == "PNG" and image.mode != "L":
        options["compress_level"] = _PNG_LEVEL_COLOUR
    try:
        with atomic_path(path) as temporary:
            image.save(temporary, format=kind, **options)
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: cannot be written: {error}") from error


def write_json(path: PathLike, obj: Any, *, indent: int | None = None) -> None:  # noqa: ANN401
    """Writes JSON atomically; NumPy numbers and arrays and paths are understood.

    NaN and infinities, which JSON does not know, are written as null.

    Raises:
        SaliencyError: the object cannot be expressed in JSON, or the disk is full or read-only.
    """
    try:
        try:
            text = json.dumps(obj, default=_plain, allow_nan=False, indent=indent)
        except ValueError:
            text = json.dumps(_finite(obj), default=_plain, allow_nan=False, indent=indent)
        with atomic_path(path) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise SaliencyError(f"{path}: cannot be written: {error}") from error


def _flush_to_disk(path: Path) -> None:
    """Forces the content out before the name is changed, so that a power cut cannot swap them."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _to_pillow(array: np.ndarray, path: Path) -> Image.Image:
    wanted = f"{path}: expected uint8 (H, W), (H, W, 3) BGR or (H, W, 4) BGRA, or uint16 (H, W)"
    if not isinstance(array, np.ndarray):
        raise ImageError(f"{wanted}, got a {type(array).__name__}")
    if array.dtype == np.bool_ and array.ndim == 2:
        array = array.astype(np.uint8) * 255
    shape_is_right = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    deep = array.dtype == np.uint16 and array.ndim == 2
    if not (array.dtype == np.uint8 or deep) or not shape_is_right or 0 in array.shape:
        raise ImageError(f"{wanted}, got {array.dtype} {array.shape}")
    if array.ndim == 3:
        order = [2, 1, 0, 3][: array.shape[2]]
        array = array[:, :, order]
    return Image.fromarray(np.ascontiguousarray(array))


def _plain(value: object) -> Any:  # noqa: ANN401 - JSON is whatever it is
    """What :mod:`json` asks for things it does not know."""
    if isinstance(value, np.generic):
        return _finite(value.item())
    if isinstance(value, np.ndarray):
        return _finite(value.tolist())
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _finite(value: Any) -> Any:  # noqa: ANN401
    """The same with non-finite floats as None, all the way down."""
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
