"""Rank maps: the one place that turns ranks into grey levels, and masks with ranks into a map.

A rank map is a grey picture: background 0, the most salient object 255, the next one darker, the
last rank 153. With five ranks the greys are those of the ASSR data set: 255, 229, 204, 178, 153.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

DRAWINGS = ("exact", "published")
# 255 - 153 + 1: with more ranks than this two of them would share a grey.
MAX_RANKS = 103

Array = npt.NDArray[Any]


def rank_greys(num_ranks: int = 5) -> npt.NDArray[np.uint8]:
    """The grey of every rank, as a table.

    The published rule is trunc(255 (level + 6) / 10) in float32 for levels 4 ... 0 of rank 1 ... 5
    (float64 would round 0.9 and 0.7 differently in a drawing library). Any other number of ranks
    is spread evenly over the same range 1.0 ... 0.6; a single rank is 255.

    Args:
        num_ranks: number of ranks, 1 ... 103.

    Returns:
        uint8 (num_ranks + 1,): entry r is the grey of rank r; entry 0 is the background's 0.
    """
    values = np.concatenate([[0.0], _rank_values(num_ranks)]).astype(np.float32)
    return np.trunc(values * np.float32(255)).astype(np.uint8)


def rank_to_grey(rank: int | Array, num_ranks: int = 5) -> int | npt.NDArray[np.uint8]:
    """Grey level of a rank (1 = most salient ... ``num_ranks``; 0 = not ranked -> 0).

    Args:
        rank: an int, or an integer array of any shape.
        num_ranks: number of ranks the greys are spread over.

    Returns:
        An int for an int, a uint8 array of the same shape for an array.

    Raises:
        ValueError: a rank outside 0 ... ``num_ranks``.
    """
    ranks = np.asarray(rank)
    if ranks.size and (ranks.min() < 0 or ranks.max() > num_ranks):
        span = f"{ranks.min()} ... {ranks.max()}"
        raise ValueError(f"ranks must lie in 0 ... {num_ranks}, got {span}")
    greys = rank_greys(num_ranks)[ranks.astype(np.int64)]
    return int(greys) if ranks.ndim == 0 else greys


def grey_to_rank(grey: int | Array, num_ranks: int = 5) -> int | npt.NDArray[np.int64]:
    """Rank whose grey is nearest, 0 = background; between two greys the darker one wins.

    Args:
        grey: an int in 0 ... 255, or a uint8 array of any shape.
        num_ranks: number of ranks the greys are spread over.

    Returns:
        An int for an int, an int64 array of the same shape for an array.

    Raises:
        ValueError: a grey outside 0 ... 255.
    """
    greys = np.asarray(grey)
    if greys.size and (greys.min() < 0 or greys.max() > 255):
        raise ValueError(f"greys must lie in 0 ... 255, got {greys.min()} ... {greys.max()}")
    ranks = _nearest_rank(num_ranks)[greys.astype(np.int64)]
    return int(ranks) if greys.ndim == 0 else ranks


def paint_rank_map(
    masks: Array,
    ranks: Array | Sequence[int],
    *,
    size_hw: tuple[int, int],
    num_ranks: int = 5,
    drawing: str = "exact",
) -> npt.NDArray[np.uint8]:
    """Paints ranked objects as one grey map; smaller objects lie on top of larger ones.

    Args:
        masks: bool (R, H, W), one mask an object.
        ranks: int (R,), 1 = most salient; objects of rank 0 are left out.
        size_hw: (H, W), needed when there is no object.
        num_ranks: number of ranks the greys are spread over.
        drawing: ``"exact"`` paints the masks' own pixels with the integer greys. ``"published"``
            draws anti-aliased polygons with dark outlines and filled holes, as the published
            numbers were made (about 0.001 more MAE an object); needs matplotlib and OpenCV.

    Returns:
        uint8 (H, W).

    Raises:
        ValueError: shapes that do not agree, a rank above ``num_ranks``, an unknown drawing.
    """
    if drawing not in DRAWINGS:
        raise ValueError(f"drawing must be one of {', '.join(DRAWINGS)}, got {drawing!r}")
    rank_array = np.asarray(ranks, dtype=np.int64).reshape(-1)
    mask_array = np.asarray(masks, dtype=bool)
    if len(mask_array) == 0:
        mask_array = np.zeros((0, *size_hw), dtype=bool)
    if mask_array.shape != (len(rank_array), *size_hw):
        raise ValueError(
            f"expected masks of shape {(len(rank_array), *size_hw)} for {len(rank_array)} ranks, "
            f"got {mask_array.shape}"
        )
    order = _drawing_order(mask_array, rank_array)
    mask_array, rank_array = mask_array[order], rank_array[order]
    if drawing == "published":
        return _paint_published(mask_array, rank_array, size_hw, num_ranks)
    return _paint_exact(mask_array, rank_array, size_hw, num_ranks)


def _rank_values(num_ranks: int) -> npt.NDArray[np.float32]:
    """Grey of rank 1 ... num_ranks as a share of white, in float32: 1.0 down to 0.6."""
    if not 1 <= num_ranks <= MAX_RANKS:
        raise ValueError(f"num_ranks must lie in 1 ... {MAX_RANKS}, got {num_ranks}")
    step = 4 / max(num_ranks - 1, 1)
    levels = 4 - step * np.arange(num_ranks)  # published levels 4 ... 0 when num_ranks is 5
    return ((levels + 6) / 10).astype(np.float32)


def _nearest_rank(num_ranks: int) -> npt.NDArray[np.int64]:
    """Table (256,): the rank whose grey is nearest to each grey level."""
    greys = rank_greys(num_ranks).astype(np.int64)
    by_grey = np.argsort(greys, kind="stable")  # dark to bright, so a tie goes to the darker one
    distance = np.abs(np.arange(256)[:, None] - greys[by_grey][None, :])  # (256, num_ranks + 1)
    return by_grey[distance.argmin(axis=1)]


def _drawing_order(masks: Array, ranks: Array) -> npt.NDArray[np.int64]:
    """Indices of the ranked objects by descending mask area; equal areas keep their order."""
    areas = np.array([np.count_nonzero(mask) for mask in masks], dtype=np.int64)
    order = np.argsort(-areas, kind="stable")
    return order[ranks[order] != 0]


def _paint_exact(
    masks: Array, ranks: Array, size_hw: tuple[int, int], num_ranks: int
) -> npt.NDArray[np.uint8]:
    greys = np.atleast_1d(rank_to_grey(ranks, num_ranks))
    canvas = np.zeros(size_hw, dtype=np.uint8)
    for mask, grey in zip(masks, greys, strict=True):
        canvas[mask] = grey
    return canvas


def _paint_published(
    masks: Array, ranks: Array, size_hw: tuple[int, int], num_ranks: int
) -> npt.NDArray[np.uint8]:
    """The drawing of the published evaluation: outlined polygons on a matplotlib Agg canvas."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.patches import Polygon
    except ImportError as error:
        raise ImportError(
            "drawing='published' needs matplotlib: pip install matplotlib, or use drawing='exact'"
        ) from error
    height, width = size_hw
    rank_to_grey(ranks, num_ranks)  # raises on a rank that has no grey
    values = _rank_values(num_ranks)
    # 0.01 more than the size, so that truncation never loses a pixel of the canvas.
    size_inch = ((width + 0.01) / 100, (height + 0.01) / 100)
    canvas = FigureCanvasAgg(Figure(figsize=size_inch, dpi=100, frameon=False))
    axes = canvas.figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.axis("off")
    black = np.zeros((height, width, 3), dtype=np.uint8)
    axes.imshow(black, extent=(0, width, height, 0), interpolation="nearest")
    points = max(max(math.floor(math.sqrt(height * width) / 90), 10) // 15, 1)  # line width
    for mask, rank in zip(masks, ranks, strict=True):
        face = (values[rank - 1],) * 3
        edge = (0.3 * values[rank - 1],) * 3
        for contour in _contours(mask):
            axes.add_patch(Polygon(contour, facecolor=face, edgecolor=edge, linewidth=points))
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, 0].copy()


def _contours(mask: Array) -> list[Array]:
    """Outlines (K, 2) of a mask as x, y of pixel centres; holes are outlines of their own."""
    try:
        import cv2
    except ImportError as error:
        raise ImportError(
            "drawing='published' needs OpenCV: pip install opencv-python-headless, "
            "or use drawing='exact'"
        ) from error
    found = cv2.findContours(
        np.ascontiguousarray(mask, dtype=np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE
    )[-2]
    return [contour.reshape(-1, 2) + 0.5 for contour in found if len(contour) >= 3]
