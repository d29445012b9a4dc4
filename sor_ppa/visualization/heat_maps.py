"""Fixation maps for people to look at: colours, overlays, contours. One colour map for all."""

from __future__ import annotations

import cv2
import numpy as np

from sor_ppa.errors import ImageError
from sor_ppa.visualization.cutouts import check_saliency

__all__ = ["heat_colours", "heat_contours", "heat_map", "heat_overlay"]

#: Shares of a map's maximum at which contours are drawn.
LEVELS = (0.25, 0.5, 0.75)


def heat_colours() -> np.ndarray:
    """The colour map: uint8 (256, 3), blue first, from black over red to light yellow (inferno)."""
    return cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_INFERNO)[:, 0]


def heat_map(fixation: np.ndarray) -> np.ndarray:
    """A fixation map in colours.

    Args:
        fixation: float (H, W) in 0 ... 1.

    Returns:
        uint8 (H, W, 3), blue first.

    Raises:
        SaliencyError: it is no such map.
    """
    return heat_colours()[_levels(fixation)]


def heat_overlay(
    image_bgr: np.ndarray, fixation: np.ndarray, opacity: float = 0.65, *, even: bool = False
) -> np.ndarray:
    """A picture with its fixation map over it.

    Where people look, the colours cover the picture as far as ``opacity`` says; elsewhere the
    picture shows through, darkened a little, so that one sees what was passed over.

    Args:
        image_bgr: uint8 (H, W, 3), blue first.
        fixation: float (H, W) in 0 ... 1.
        opacity: of the colours, 0 ... 1.
        even: the same opacity everywhere, as MSI-Net's page on model hubs blends the two.

    Returns:
        uint8 (H, W, 3), blue first.

    Raises:
        SaliencyError: sizes differ, or it is no such map.
        ImageError: ``opacity`` is out of its range.
    """
    if not 0 <= opacity <= 1:
        raise ImageError(f"the opacity of a heat map must lie in 0 ... 1, got {opacity}")
    fixation = check_saliency(fixation, image_bgr.shape[:2])
    # Half of the opacity is reached at a tenth of the maximum.
    raised = np.ones_like(fixation) if even else 0.3 + 0.7 * fixation / (fixation + 0.1)
    share = opacity * raised
    blended = image_bgr + share[:, :, None] * (heat_map(fixation).astype(np.float32) - image_bgr)
    return np.rint(np.clip(blended, 0, 255)).astype(np.uint8)


def heat_contours(image_bgr: np.ndarray, fixation: np.ndarray) -> np.ndarray:
    """A picture with lines where the map reaches shares of its maximum (:data:`LEVELS`).

    Args:
        image_bgr: uint8 (H, W, 3), blue first.
        fixation: float (H, W) in 0 ... 1.

    Returns:
        uint8 (H, W, 3), blue first.

    Raises:
        SaliencyError: sizes differ, or it is no such map.
    """
    fixation = check_saliency(fixation, image_bgr.shape[:2])
    drawn = image_bgr.copy()
    width = max(1, round(min(fixation.shape) / 240))
    for level in LEVELS:
        inside = (fixation > level * fixation.max()).astype(np.uint8)
        lines, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        colour = [int(c) for c in heat_colours()[int(80 + 170 * level)]]
        cv2.drawContours(drawn, lines, -1, (0, 0, 0), width + 2, cv2.LINE_AA)
        cv2.drawContours(drawn, lines, -1, colour, width, cv2.LINE_AA)
    return drawn


def _levels(fixation: np.ndarray) -> np.ndarray:
    if fixation.ndim != 2:
        raise ImageError(f"a fixation map has two axes, got shape {fixation.shape}")
    checked = check_saliency(fixation, (fixation.shape[0], fixation.shape[1]))
    return np.rint(checked * 255).astype(np.uint8)
