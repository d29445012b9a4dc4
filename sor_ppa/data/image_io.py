"""The one reader of pictures, and (from :mod:`sor_ppa.data.writers`) the one writer.

Pillow decodes everything. Other decoders were tried and are not used on users' files: OpenCV
returns a half-transmitted JPEG as if it were whole, and torchvision's ends the process on a PNG
with one flipped byte. What Pillow gets wrong by default is put right here: the EXIF orientation
is applied, 16-bit samples are scaled instead of clipped, transparency is laid on white, floating
point pictures are refused instead of read as black.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from detectron2.utils.file_io import PathManager
from PIL import Image, ImageFile, UnidentifiedImageError, features

from sor_ppa.data.png_check import check_png
from sor_ppa.data.samples import plain_samples, shows_colours, to_grey, to_rgb
from sor_ppa.data.writers import PathLike, atomic_path, write_image, write_json
from sor_ppa.errors import ImageError

__all__ = [
    "MAX_PIXELS",
    "atomic_path",
    "check_image_array",
    "image_size",
    "pixel_format",
    "read_grey",
    "read_image",
    "read_labels",
    "write_image",
    "write_json",
]

logger = logging.getLogger(__name__)

MAX_PIXELS = 100_000_000

# An allow-list: Pillow also opens formats that call other programs (EPS runs Ghostscript).
_FORMATS = (
    "JPEG",
    "MPO",
    "PNG",
    "BMP",
    "DIB",
    "GIF",
    "TIFF",
    "WEBP",
    "PPM",
    "TGA",
    "AVIF",
    "JPEG2000",
    "HEIF",
)
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_limit_lock = threading.Lock()


def read_image(path: PathLike, *, format: str = "BGR", max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Reads a picture as colour, upright.

    Args:
        path: any of JPEG, PNG, BMP, GIF, TIFF, WebP, PPM, TGA, AVIF, JPEG 2000 (and HEIC with its
            plugin) in any of their pixel formats but floating point. Of an animation or a
            multi-page file the first frame is read, with a warning. Transparency is laid on white.
        format: order of the channels, "BGR" or "RGB".
        max_pixels: larger pictures are refused before they are decoded.

    Returns:
        uint8 (H, W, 3), contiguous.

    Raises:
        ImageError: no such file, not a picture, damaged, cut short, or too large.
    """
    if format not in ("BGR", "RGB"):
        raise ImageError(f"picture format must be 'BGR' or 'RGB', got {format!r}")
    rgb = _read(path, to_rgb, max_pixels)
    return np.ascontiguousarray(rgb[:, :, ::-1]) if format == "BGR" else rgb


def read_grey(path: PathLike, *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Reads a mask or a map as grey, upright: uint8 (H, W).

    16-bit samples are divided by 257, 1-bit ones become 0 and 255, colours their luminance.
    Transparent pixels count as 0.

    Raises:
        ImageError: as :func:`read_image`.
    """
    return _read(path, to_grey, max_pixels)


def read_labels(path: PathLike, *, max_pixels: int = MAX_PIXELS) -> tuple[np.ndarray, bool]:
    """Reads a mask that may be a palette of object numbers.

    Returns:
        uint8 (H, W), upright: 255 where the number is not 0 if it is such a palette (one that
        shows colours), the grey levels of :func:`read_grey` otherwise; and whether it is one.

    Raises:
        ImageError: as :func:`read_image`.
    """
    numbered = False

    def convert(image: Image.Image) -> np.ndarray:
        nonlocal numbered
        numbered = shows_colours(image)
        if numbered:
            return np.where(np.asarray(image) > 0, 255, 0).astype(np.uint8)
        return to_grey(image)

    return _read(path, convert, max_pixels), numbered


def image_size(path: PathLike) -> tuple[int, int]:
    """(height, width) of a picture as :func:`read_image` returns it, from its header only.

    Raises:
        ImageError: no such file, or not a picture. Damage behind the header goes unnoticed.
    """
    with _errors_named(path), _open(path, MAX_PIXELS, check=False) as image:
        if hasattr(image, "tag_v2"):
            # Pillow versions differ on whether a TIFF's `size` is already turned; the tags do not.
            width, height = int(image.tag_v2[256]), int(image.tag_v2[257])
        else:
            width, height = image.size
        turned = _orientation(image, path, header_only=True) >= 5
    return (width, height) if turned else (height, width)


def pixel_format(path: PathLike) -> str:
    """Pillow's name of a picture's pixel format ("L", "RGB", "P" ...), from its header only.

    Raises:
        ImageError: no such file, or not a picture.
    """
    with _errors_named(path), _open(path, MAX_PIXELS, check=False) as image:
        return image.mode


def check_image_array(array: object, *, name: str = "image") -> np.ndarray:
    """Checks a picture handed over as an array.

    Any strides are accepted; the result is contiguous.

    Args:
        array: uint8 (H, W, 3).
        name: what the error message calls it.

    Raises:
        ImageError: it is not such an array; says what was expected and what was found.
    """
    wanted = f"{name} must be a uint8 array of shape (height, width, 3)"
    if not isinstance(array, np.ndarray):
        raise ImageError(f"{wanted}, got a {type(array).__name__}")
    found = f"got {array.dtype} {array.shape}"
    if array.ndim == 3 and array.shape[0] == 3 and array.shape[2] != 3:
        raise ImageError(f"{wanted}, {found}; move the channels to the end")
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise ImageError(f"{wanted}, {found}")
    if array.dtype != np.uint8:
        raise ImageError(f"{wanted}, {found}; scale it to 0..255, without NaN or infinity")
    return np.ascontiguousarray(array)


def _read(
    path: PathLike, convert: Callable[[Image.Image], np.ndarray], max_pixels: int
) -> np.ndarray:
    with _errors_named(path), _open(path, max_pixels) as image:
        if image.format != "MPO" and getattr(image, "is_animated", False):
            logger.warning("%s: has several frames; only the first is read", path)
        if image.format == "PNG" and image.fp:
            check_png(image.fp)
        image.load()
        # After load(): newer Pillow turns TIFFs by itself while loading, and drops the tag.
        turn = _UPRIGHT.get(_orientation(image, path))
        array = convert(plain_samples(image))
        if turn is not None:
            array = np.array(Image.fromarray(array).transpose(turn))
    return np.ascontiguousarray(array)


@contextmanager
def _open(path: PathLike, max_pixels: int, *, check: bool = True) -> Iterator[ImageFile.ImageFile]:
    """Opens a picture without decoding it, after a look at the size in its header."""
    name = os.path.expanduser(os.fspath(path))
    name = PathManager.get_local_path(name) if "://" in name else name
    if os.path.isdir(name):
        raise ImageError(f"{path}: is a folder, not a picture")
    with open(name, "rb") as file, _pillow_open(file, max_pixels) as image:
        pixels = image.size[0] * image.size[1]
        if check and pixels > max_pixels:
            raise ImageError(
                f"{path}: {image.size[0]} x {image.size[1]} = {pixels} pixels is above the limit "
                f"of {max_pixels}; if the file is to be trusted, raise INPUT.MAX_PIXELS "
                "(--max-pixels)"
            )
        if image.size[0] < 1 or image.size[1] < 1:
            raise ImageError(f"{path}: has no pixels ({image.size[0]} x {image.size[1]})")
        yield image


def _pillow_open(file: Any, max_pixels: int) -> ImageFile.ImageFile:  # noqa: ANN401 - a binary file
    Image.init()
    formats = [name for name in _FORMATS if name in Image.OPEN]
    ours = Image.MAX_IMAGE_PIXELS or max_pixels
    if max_pixels <= ours:
        return Image.open(file, formats=formats)
    # Pillow's own limit is a global of its module; it is lifted while the header is parsed,
    # and the limit of the caller is applied to the header right after.
    with _limit_lock:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file, formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = before


@contextmanager
def _errors_named(path: PathLike) -> Iterator[None]:
    """Turns whatever a decoder throws at damaged data into one :class:`ImageError`."""
    try:
        yield
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(f"{path}: {_not_a_picture(path)}") from error
    except MemoryError as error:
        raise ImageError(f"{path}: too large for the memory of this machine") from error
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such file") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{path}: too many pixels ({error})") from error
    # Fuzzing Pillow's plugins brings up nearly every exception there is.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise ImageError(f"{path}: cannot be read as a picture: {reason}") from error


def _not_a_picture(path: PathLike) -> str:
    try:
        with open(path, "rb") as file:
            head = file.read(32)
    except OSError:
        head = b""
    if not head:
        return "the file is empty"
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC and "HEIF" not in Image.OPEN:
        return (
            "HEIC pictures need a plugin: `pip install pillow-heif`, then "
            "`import pillow_heif; pillow_heif.register_heif_opener()`"
        )
    if head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"avis") and not features.check("avif"):
        return "AVIF pictures need Pillow 11.3 or later, or `pip install pillow-avif-plugin`"
    return "not a picture in a format that is read here (JPEG, PNG, TIFF, WebP, GIF, BMP, ...)"


def _orientation(image: Image.Image, path: PathLike, *, header_only: bool = False) -> int:
    """EXIF orientation 1..8; 1, with a warning, when the EXIF block is broken."""
    # Pillow decodes a whole PNG in search of an EXIF block that is not in front of the pixels.
    in_front = "exif" in image.info or "Raw profile type exif" in image.info
    if header_only and image.format == "PNG" and not in_front:
        return 1
    try:
        value = _exif(image).get(_ORIENTATION, 1)
    except Exception as error:  # a picture is worth more than its broken EXIF block
        logger.warning("%s: broken EXIF block ignored (%s)", path, error)
        return 1
    return int(value) if value in range(1, 9) else 1


def _exif(image: Image.Image) -> Image.Exif:
    """The EXIF block, parsed anew: opening a JPEG hides that its block is broken."""
    if "exif" not in image.info:
        return image.getexif()
    exif = Image.Exif()
    exif.load(image.info["exif"])
    return exif
