"""From a picture and its saliency map to what people want of it: cut-outs, colours, blur, maps.

Pure functions on arrays. The pixel formulas are those of InSPyReNet's tools (Kim et al., ACCV
2022), computed in float32: at most one grey level from the same formula in float64. Every cast to
integers truncates, as published.

Alphabet: I the picture, p the saliency in 0..1, F the foreground's own colours.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from sor_ppa.errors import ConfigError, SaliencyError
from sor_ppa.visualization.foreground import estimate_foreground

GREEN_RGB = (120, 255, 155)
WHITE_RGB = (255, 255, 255)
_BLUR_SIGMA = 15.0
# Rows blended at a time: float32 copies of a whole 8K picture would be 400 MB each.
_STRIP = 128
# What is fainter than this does not hold the trimmed picture open.
_TRIM_ABOVE = 0.05
_CHECKS = (255, 214)
_CHECK_SIDE = 12


def check_saliency(saliency: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """The map as float32 (H, W), made sure to fit the picture.

    Raises:
        SaliencyError: another size, NaN or infinity, or values outside 0..1.
    """
    if saliency.shape != size_hw:
        raise SaliencyError(
            f"the saliency map is {saliency.shape} and the picture {size_hw} (height, width); "
            "resize the map to the picture first"
        )
    low, high = float(saliency.min()), float(saliency.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise SaliencyError("the network's map has NaN or infinity; check MODEL.WEIGHTS")
    if low < -1e-4 or high > 1 + 1e-4:
        raise SaliencyError(f"a saliency map lies in 0 ... 1, this one in {low:.3g} ... {high:.3g}")
    return np.clip(saliency, 0, 1, dtype=np.float32)


def decided(
    saliency: np.ndarray, *, threshold: float | None = None, reverse: bool = False
) -> np.ndarray:
    """The map that a cut-out is made with: hardened, turned round, or just as it is.

    Args:
        saliency: float (H, W) in 0..1.
        threshold: above it 1, else 0; None leaves the map soft.
        reverse: 1 - p (after the threshold): keeps the background.

    Raises:
        ConfigError: the threshold lies outside 0..1.
    """
    if threshold is not None:
        if not 0 <= threshold <= 1:
            raise ConfigError(f"threshold must lie in 0 ... 1, got {threshold}")
        saliency = (saliency > threshold).astype(np.float32)
    return 1 - saliency if reverse else saliency


def grey_map(saliency: np.ndarray, *, bits: int = 8) -> np.ndarray:
    """The map in grey: uint8 (H, W), or uint16 for 16 bits.

    Raises:
        ConfigError: ``bits`` is neither 8 nor 16.
    """
    if bits not in (8, 16):
        raise ConfigError(f"a grey map has 8 or 16 bits, not {bits}")
    return (saliency * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)


def cut_out(bgr: np.ndarray, saliency: np.ndarray, *, matting: bool = True) -> np.ndarray:
    """The object on nothing: BGRA uint8 (H, W, 4), alpha = p.

    Args:
        bgr: uint8 (H, W, 3), blue first.
        saliency: float (H, W) in 0..1.
        matting: take the background's tint out of half-transparent pixels, see
            :func:`~sor_ppa.visualization.foreground.estimate_foreground`; otherwise F = I.
    """
    alpha = grey_map(saliency)
    colours = estimate_foreground(bgr, saliency, alpha) if matting else bgr
    return np.dstack([colours, alpha])


def blend(front: np.ndarray, back: np.ndarray, saliency: np.ndarray) -> np.ndarray:
    """The mixture p * front + (1 - p) * back, truncated.

    Args:
        front: uint8 (H, W, 3).
        back: the same, or one colour (3,).
        saliency: float (H, W) in 0..1.
    """
    out = np.empty(front.shape, np.uint8)
    for top in range(0, len(front), _STRIP):
        rows = np.s_[top : top + _STRIP]
        weight = saliency[rows, :, None].astype(np.float32, copy=False)
        mixed = front[rows] * weight
        mixed += (back if back.ndim == 1 else back[rows]) * (1 - weight)
        out[rows] = mixed
    return out


def on_colour(
    bgr: np.ndarray, saliency: np.ndarray, rgb: tuple[int, int, int] = GREEN_RGB
) -> np.ndarray:
    """The object on one colour (red first, 0..255 each): uint8 (H, W, 3), blue first."""
    return blend(bgr, np.array(rgb[::-1], np.float32), saliency)


def on_blur(bgr: np.ndarray, saliency: np.ndarray) -> np.ndarray:
    """The object sharp, the rest blurred (Gaussian, sigma 15 pixels): uint8 (H, W, 3)."""
    return blend(bgr, cv2.GaussianBlur(bgr, (0, 0), _BLUR_SIGMA), saliency)


def on_picture(bgr: np.ndarray, saliency: np.ndarray, background: np.ndarray) -> np.ndarray:
    """The object on another picture (uint8 (h, w, 3)), which is stretched to this one's size."""
    height, width = bgr.shape[:2]
    if background.shape[:2] != (height, width):
        background = cv2.resize(background, (width, height), interpolation=cv2.INTER_LINEAR)
    return blend(bgr, background, saliency)


def overlay(bgr: np.ndarray, saliency: np.ndarray) -> np.ndarray:
    """The object tinted green, and its outline (Canny) where p passes 0.5: uint8 (H, W, 3)."""
    green = np.array(GREEN_RGB[::-1])
    halved = (np.arange(256)[:, None] + green) // 2  # (256, 3)
    tinted = cv2.LUT(bgr, halved.astype(np.uint8)[None])
    out = blend(tinted, bgr, saliency)
    outline = cv2.Canny((saliency > 0.5).astype(np.uint8) * 255, 50, 100)
    out[outline > 0] = green
    return out


def object_box(saliency: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of the box around what shows (p > 0.05); all of them if nothing does."""
    shows = saliency > _TRIM_ABOVE
    rows, columns = np.flatnonzero(shows.any(axis=1)), np.flatnonzero(shows.any(axis=0))
    if len(rows) == 0:
        return np.s_[:, :]
    return np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def on_checks(bgra: np.ndarray) -> np.ndarray:
    """A cut-out on a light chequerboard, for windows and sheets, which show no transparency."""
    height, width = bgra.shape[:2]
    y, x = np.ogrid[:height, :width]
    dark = (y // _CHECK_SIDE + x // _CHECK_SIDE) % 2  # (H, W)
    board = np.array(_CHECKS, np.uint8)[dark]
    alpha = bgra[:, :, 3].astype(np.float32) / 255
    return blend(np.ascontiguousarray(bgra[:, :, :3]), np.dstack([board] * 3), alpha)
