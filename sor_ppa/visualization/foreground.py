"""An object's own colours where it is half transparent: no fringe of the old background."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable

import numpy as np

logger = logging.getLogger(__name__)

# Numba's default threads end the process when two of ours enter them at the same time.
_one_at_a_time = threading.Lock()


def estimate_foreground(bgr: np.ndarray, saliency: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """F of I = p F + (1 - p) B by multi-level estimation (Germer et al., ICPR 2020).

    Only the box around the half-transparent pixels is estimated, with a margin; elsewhere F = I.
    Without ``pymatting`` F = I everywhere, with one line in the log.

    Args:
        bgr: uint8 (H, W, 3).
        saliency: float (H, W) in 0..1.
        alpha: uint8 (H, W), the map as it will be written.

    Returns:
        uint8 (H, W, 3), channels in the picture's order; the picture itself if nothing changes.
    """
    box = _half_transparent(alpha)
    estimate = _estimator() if box is not None else None
    if box is None or estimate is None:
        return bgr
    image = bgr[box].astype(np.float32) / 255
    with _one_at_a_time:
        colours = estimate(image, np.ascontiguousarray(saliency[box], np.float32))
    out = bgr.copy()
    out[box] = np.clip(colours, 0, 1) * 255 + 0.5
    return out


def _half_transparent(alpha: np.ndarray) -> tuple[slice, slice] | None:
    """Box of 0 < alpha < 255 with a margin; None when there is nothing to estimate."""
    band = (alpha > 0) & (alpha < 255)
    rows, columns = np.flatnonzero(band.any(axis=1)), np.flatnonzero(band.any(axis=0))
    # The estimation halves the picture until one pixel is left, so one pixel has no levels.
    if len(rows) == 0 or max(alpha.shape) < 2:
        return None
    sides = rows[-1] - rows[0], columns[-1] - columns[0]
    margin = 16 + max(sides) // 16  # pure foreground and background, which anchor the estimate
    return np.s_[
        max(0, rows[0] - margin) : rows[-1] + margin + 1,
        max(0, columns[0] - margin) : columns[-1] + margin + 1,
    ]


@functools.lru_cache(maxsize=1)
def _estimator() -> Callable[[np.ndarray, np.ndarray], np.ndarray] | None:
    logger.info("loading pymatting; its first use on a machine compiles for about half a minute")
    try:
        from pymatting.foreground.estimate_foreground_ml import estimate_foreground_ml
    except ImportError:
        logger.warning(
            "pymatting is not installed: half-transparent edges keep a tint of the background "
            "(pip install 'sor_ppa[matting]' removes it)"
        )
        return None
    return estimate_foreground_ml
