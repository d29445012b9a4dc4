"""Where labels go: inside their object, as far from its outline as can be, clear of each other."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np


def place_labels(
    masks: Sequence[np.ndarray], *, unit: float, below: float
) -> list[tuple[float, float, float]]:
    """A place for the label of each object, the first objects choosing first.

    A label is a badge (a disc) with whatever hangs below it. It goes to the most interior point
    of what no other object covers; an object that its label would hide gets it beside itself.

    Args:
        masks: bool (H, W) each, none empty.
        unit: radius of a badge in pixels where there is room; never below 0.6 of it.
        below: from the badge's centre to the end of the label, in radii.

    Returns:
        ``(x, y, radius)`` of each badge in pixels, inside the picture if it is large enough.
    """
    taken: list[tuple[float, float, float]] = []
    places = []
    for index, mask in enumerate(masks):
        others = [other for number, other in enumerate(masks) if number != index]
        x, y, clearance = interior_point(_uncovered(mask, others, unit * 0.6), avoid=taken)
        radius = max(unit * 0.6, min(unit, clearance * 0.9))
        if mask.sum() < 5 * unit * unit:
            x, y = _beside(mask, radius, below)
        x, y = _in_picture(x, y, radius, below, mask.shape)
        places.append((x, y, radius))
        # The centre of another badge stays out of the label and of its own radius around it.
        taken.append((x, y + radius * 0.6, radius * 3.0))
    return places


def _beside(mask: np.ndarray, radius: float, below: float) -> tuple[float, float]:
    """Above the middle of a mask's box, or below it where there is no room."""
    ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    gap = radius * 0.4
    above = float(ys[0]) - gap - radius * below
    has_room = above >= radius * 1.15
    return float(xs[0] + xs[-1] + 1) / 2, above if has_room else float(ys[-1]) + gap + radius * 1.15


def _in_picture(
    x: float, y: float, radius: float, below: float, size_hw: tuple[int, ...]
) -> tuple[float, float]:
    height, width = size_hw
    margin = radius * 1.15
    return (
        min(max(x, margin), max(margin, width - margin)),
        min(max(y, margin), max(margin, height - radius * below)),
    )


def _uncovered(mask: np.ndarray, others: Sequence[np.ndarray], needed: float) -> np.ndarray:
    """The part of an object that no other covers, if it has the needed clearance; else all."""
    free = mask.copy()
    for other in others:
        free &= ~other
    return free if free.any() and interior_point(free)[2] >= needed else mask


def interior_point(
    mask: np.ndarray, *, avoid: Sequence[tuple[float, float, float]] = ()
) -> tuple[float, float, float]:
    """The most interior point of a mask, by distance transform.

    Args:
        mask: bool (H, W). The picture's border counts as outline.
        avoid: discs ``(x, y, radius)`` already taken by other labels; the point keeps out of
            them unless they cover the whole mask.

    Returns:
        ``(x, y, clearance)`` in pixels: the centre of the pixel, and its distance to the outline.

    Raises:
        ValueError: the mask is empty.
    """
    ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(ys) == 0:
        raise ValueError("an empty mask has no interior point")
    top, left = int(ys[0]), int(xs[0])
    crop = mask[top : ys[-1] + 1, left : xs[-1] + 1].astype(np.uint8)  # (h, w)
    distance = _distance_to_outline(crop)
    free = distance * _outside_discs(crop.shape, avoid, (left, top))
    best = free if free.any() else distance
    y, x = np.unravel_index(int(best.argmax()), best.shape)
    return left + float(x) + 0.5, top + float(y) + 0.5, float(distance[y, x])


def _distance_to_outline(crop: np.ndarray) -> np.ndarray:
    # One ring of background, so that an object cut by the picture's border has an outline there.
    padded = cv2.copyMakeBorder(crop, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    return cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]


def _outside_discs(
    shape: tuple[int, ...], discs: Sequence[tuple[float, float, float]], origin: tuple[int, int]
) -> np.ndarray:
    free = np.ones(shape, dtype=np.uint8)
    for x, y, radius in discs:
        centre = (round(x - 0.5) - origin[0], round(y - 0.5) - origin[1])
        cv2.circle(free, centre, max(1, round(radius)), 0, thickness=-1)
    return free
