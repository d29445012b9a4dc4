"""From an opened picture of any pixel format to 8-bit samples in the usual sense."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageChops

__all__ = ["plain_samples", "shows_colours", "to_grey", "to_rgb"]

# Programs that reduce a grey picture to a palette miss grey by a few levels.
_NEARLY_GREY = 32


def plain_samples(image: Image.Image) -> Image.Image:
    """The same picture with 8-bit samples in the usual sense; transparency is kept.

    Raises:
        ValueError: samples without an agreed range.
    """
    if image.mode == "F":
        raise ValueError("floating point pictures have no agreed range; save 8 or 16 bit")
    if image.mode == "I" and image.format not in ("PNG", "PPM"):
        raise ValueError("32-bit integer pictures are not read; save 8 or 16 bit")
    if image.mode.startswith("I"):
        return _from_16_bit(image)
    if image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
        # Pillow takes every CMYK JPEG for an inverted one; those without Adobe's marker are not.
        return ImageChops.invert(image)
    return image


def _from_16_bit(image: Image.Image) -> Image.Image:
    """16-bit grey to "L" ("LA" where one grey is declared transparent): value / 257, rounded."""
    samples = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
    grey = Image.fromarray(((samples + 128) // 257).astype(np.uint8))
    clear = image.info.get("transparency")
    if not isinstance(clear, int):
        return grey
    alpha = Image.fromarray(np.where(samples == clear, 0, 255).astype(np.uint8))
    return Image.merge("LA", (grey, alpha))


def to_rgb(image: Image.Image) -> np.ndarray:
    """uint8 (H, W, 3), transparency laid on white."""
    return np.array(_flattened(image, "white").convert("RGB"))


def to_grey(image: Image.Image) -> np.ndarray:
    """uint8 (H, W), transparency laid on black."""
    return np.array(_flattened(image, "black").convert("L"))


def shows_colours(image: Image.Image) -> bool:
    """Whether a palette picture uses an entry that is far from grey."""
    if image.mode != "P":
        return False
    used = np.flatnonzero(image.histogram())
    palette = np.asarray(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    colours = palette[used[used < len(palette)]]
    return bool((np.ptp(colours.astype(int), axis=1) > _NEARLY_GREY).any())


def _flattened(image: Image.Image, ground: str) -> Image.Image:
    """The picture laid on a ground of one colour, if any of it is transparent."""
    if image.mode not in ("LA", "La", "PA", "RGBA", "RGBa") and "transparency" not in image.info:
        return image
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, ground), rgba)
