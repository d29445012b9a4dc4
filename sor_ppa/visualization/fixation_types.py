"""The output types of fixation maps by the names that users type."""

from __future__ import annotations

import numpy as np

from sor_ppa.density import to_density
from sor_ppa.errors import ConfigError
from sor_ppa.visualization.cutouts import grey_map
from sor_ppa.visualization.heat_maps import heat_contours, heat_map, heat_overlay
from sor_ppa.visualization.output_types import OutputType

__all__ = ["FIXATION_TYPES", "draw_fixation", "parse_fixation_type"]

#: "density" is an array (.npy, float32, sum 1), the others are pictures.
FIXATION_TYPES = ("overlay", "heat", "contours", "map", "density")


def parse_fixation_type(name: str) -> OutputType:
    """The type of that name.

    Raises:
        ConfigError: there is none; the message lists what there is.
    """
    if name not in FIXATION_TYPES:
        known = ", ".join(FIXATION_TYPES)
        raise ConfigError(f"unknown output type {name!r} of fixation maps: choose {known}")
    return OutputType(name, name)


def draw_fixation(
    kind: str, bgr: np.ndarray, fixation: np.ndarray, *, opacity: float = 0.65, bits: int = 8
) -> np.ndarray:
    """One result for one picture.

    Args:
        kind: one of :data:`FIXATION_TYPES`.
        bgr: uint8 (H, W, 3), blue first.
        fixation: float (H, W) in 0 ... 1.
        opacity: of the colours of "overlay".
        bits: of "map", 8 or 16.

    Returns:
        uint8 (H, W, 3), blue first; "map" (H, W), uint16 with 16 bits; "density" float32 (H, W).

    Raises:
        ConfigError: unknown type.
    """
    if kind == "overlay":
        return heat_overlay(bgr, fixation, opacity)
    if kind == "heat":
        return heat_map(fixation)
    if kind == "contours":
        return heat_contours(bgr, fixation)
    if kind == "map":
        return grey_map(fixation, bits=bits)
    if kind == "density":
        return to_density(fixation).astype(np.float32)
    raise ConfigError(f"unknown output type {kind!r} of fixation maps")
