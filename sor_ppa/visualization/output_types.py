"""The output types of dense saliency by the names that users type."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sor_ppa.errors import ConfigError
from sor_ppa.visualization import cutouts

_COLOURS = {"green": cutouts.GREEN_RGB, "white": cutouts.WHITE_RGB}
_PLAIN = ("map", "rgba", "blur", "overlay", "pyramid", "modality")
_RGB = re.compile(r"[\[(]?\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*[\])]?")


@dataclass(frozen=True)
class OutputType:
    """One kind of result.

    Attributes:
        kind: "map", "rgba", "colour", "blur", "overlay", "picture", "pyramid" or
            "modality".
        name: what it adds to a file's name.
        rgb: the colour of "colour".
        background: the file of "picture".
    """

    kind: str
    name: str
    rgb: tuple[int, int, int] = cutouts.GREEN_RGB
    background: str = ""

    @property
    def has_alpha(self) -> bool:
        """Whether it needs a format with transparency."""
        return self.kind == "rgba"


def parse_type(value: str | Sequence[int] | OutputType) -> OutputType:
    """The type that a name, a colour (``"255,0,0"``, ``"[255, 0, 0]"``, a list) or a file means.

    Raises:
        ConfigError: nothing of the kind; the message lists what there is.
    """
    if isinstance(value, OutputType):
        return value
    if not isinstance(value, str):
        return _colour(list(value), value)
    if value in _COLOURS:
        return OutputType("colour", value, rgb=_COLOURS[value])
    if value == "debug" or value in _PLAIN:
        name = "pyramid" if value == "debug" else value
        return OutputType(name, name)
    if found := _RGB.fullmatch(value.strip()):
        return _colour([int(part) for part in found.groups()], value)
    path = os.path.expanduser(value)
    if os.path.isfile(path):
        return OutputType("picture", os.path.splitext(os.path.basename(path))[0], background=path)
    raise _unknown(value)


def _colour(parts: list[int], value: object) -> OutputType:
    whole = all(isinstance(part, (int, np.integer)) for part in parts)
    if len(parts) != 3 or not whole or not all(0 <= part <= 255 for part in parts):
        raise _unknown(value)
    red, green, blue = (int(part) for part in parts)
    return OutputType("colour", f"{red}-{green}-{blue}", rgb=(red, green, blue))


def _unknown(value: object) -> ConfigError:
    names = ", ".join([*_PLAIN[:2], *_COLOURS, *_PLAIN[2:]])
    return ConfigError(
        f"unknown output type {value!r}: choose {names}, a colour such as 255,0,0 "
        "(0 ... 255 each), or the path of a background picture that exists"
    )


def draw(
    kind: str | Sequence[int] | OutputType,
    bgr: np.ndarray,
    saliency: np.ndarray,
    *,
    bits: int = 8,
    matting: bool = True,
    background: np.ndarray | None = None,
) -> np.ndarray:
    """One result for one picture.

    Args:
        kind: as :func:`parse_type` takes it; not "pyramid" and "modality", which need more than the
            map.
        bgr: uint8 (H, W, 3), blue first.
        saliency: float (H, W) in 0..1, see :func:`~sor_ppa.visualization.cutouts.decided`.
        bits: of "map", 8 or 16.
        matting: estimate the foreground's colours for "rgba".
        background: uint8 (h, w, 3) for a background picture.

    Returns:
        uint8 (H, W, 3) blue first; (H, W) for "map" (uint16 with 16 bits), (H, W, 4) for "rgba".

    Raises:
        ConfigError: unknown type, or a background picture without ``background``.
    """
    wanted = parse_type(kind)
    if wanted.kind == "map":
        return cutouts.grey_map(saliency, bits=bits)
    if wanted.kind == "rgba":
        return cutouts.cut_out(bgr, saliency, matting=matting)
    if wanted.kind == "colour":
        return cutouts.on_colour(bgr, saliency, wanted.rgb)
    if wanted.kind == "blur":
        return cutouts.on_blur(bgr, saliency)
    if wanted.kind == "overlay":
        return cutouts.overlay(bgr, saliency)
    if background is None:
        raise ConfigError(f"output type {wanted.name!r} needs more than a picture and its map")
    return cutouts.on_picture(bgr, saliency, background)
