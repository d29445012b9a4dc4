"""What is in the files that belong to one picture."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sor_ppa.data.image_io import image_size, pixel_format, read_image, read_labels
from sor_ppa.data.pairs import Pair
from sor_ppa.errors import ImageError

__all__ = ["Facts", "facts_of"]

_MODALITIES = ("depth", "flow", "thermal")
_WHITE = 255


@dataclass
class Facts:
    """Of one picture, its masks and what is beside it.

    Attributes:
        size: (height, width) of the picture; None = it cannot be read.
        masks: pixel format and kind of values of each mask.
        modalities: pixel format, by kind.
        differing: files of another size than the picture, by kind.
        empty: modalities with the same value in all pixels, by kind; a white flow (no motion) is
            none of these.
        brightest_of_16_bits: largest 8-bit value of modalities that are stored with 16, by kind.
        errors: files that cannot be read.
    """

    size: tuple[int, int] | None = None
    masks: list[str] = field(default_factory=list)
    modalities: dict[str, str] = field(default_factory=dict)
    differing: dict[str, list[str]] = field(default_factory=dict)
    empty: dict[str, list[str]] = field(default_factory=dict)
    brightest_of_16_bits: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)


def facts_of(pair: Pair) -> Facts:
    """Opens the files of a picture; of the picture itself (and of maps) only the header."""
    facts = Facts()
    for kind, value in pair.paths.items():
        for path in [value] if isinstance(value, str) else value:
            if path.lower().endswith(".mat"):
                continue
            try:
                size = _size(kind, path, facts)
            except ImageError as error:
                facts.errors.append(str(error))
                continue
            if kind == "image":
                facts.size = size
            elif facts.size not in (None, size):
                facts.differing.setdefault(kind, []).append(path)
    return facts


def _size(kind: str, path: str, facts: Facts) -> tuple[int, int]:
    if kind == "mask":
        return _mask_size(path, facts)
    return _modality_size(kind, path, facts) if kind in _MODALITIES else image_size(path)


def _mask_size(path: str, facts: Facts) -> tuple[int, int]:
    grey, numbered = read_labels(path)
    values = set(np.flatnonzero(np.bincount(grey.ravel(), minlength=256)).tolist())
    if numbered:
        kind = "object numbers"
    elif values <= {0, 255}:
        kind = "0 and 255"
    else:
        kind = "0 and 1" if values <= {0, 1} else "greys"
    facts.masks.append(f"{pixel_format(path)}, {kind}")
    return grey.shape[0], grey.shape[1]


def _modality_size(kind: str, path: str, facts: Facts) -> tuple[int, int]:
    rgb = read_image(path, format="RGB")
    facts.modalities[kind] = pixel_format(path)
    low, high = int(rgb.min()), int(rgb.max())
    if low == high and not (kind == "flow" and high == _WHITE):
        facts.empty[kind] = [path]
    if "16" in facts.modalities[kind] or facts.modalities[kind] == "I":
        facts.brightest_of_16_bits[kind] = high
    return rgb.shape[0], rgb.shape[1]
