"""Checks on boxes, polygons, run-length masks and ranks, made before pycocotools sees them.

pycocotools trusts its input: a polygon with an infinite coordinate makes it allocate memory until
the machine stops, run lengths that do not fill the mask come back as uninitialised memory. So
nothing of a user's file reaches it unchecked.

Every ``*_problem`` function returns the text of the first fault, or None.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

# Sides and areas beyond these are taken for forged numbers (same limit as the picture reader's).
MAX_PIXELS = 100_000_000


def is_int(value: object) -> bool:
    """True for integers of Python and NumPy, not for bool."""
    return type(value) is int or (
        isinstance(value, Integral) and not isinstance(value, (bool, np.bool_))
    )


def is_finite_number(value: Any) -> bool:
    """True for finite real numbers of Python and NumPy, not for bool."""
    if type(value) is float:  # nearly always; the general question below is ten times slower
        return math.isfinite(value)
    if not _is_real(value):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the range of a float
        return False


def _is_real(value: object) -> bool:
    if type(value) in (float, int):
        return True
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))


def size_problem(height: object, width: object, *, max_pixels: int = MAX_PIXELS) -> str | None:
    """Fault of a picture's stated size in pixels."""
    if not (is_int(height) and is_int(width)):
        return f"height and width must be integers, got {height!r} and {width!r}"
    if height < 1 or width < 1:  # type: ignore[operator]
        return f"height and width must be at least 1, got {height} and {width}"
    if height * width > max_pixels:  # type: ignore[operator]
        return f"{height} x {width} is more than {max_pixels} pixels"
    return None


def box_form_problem(bbox: object) -> str | None:
    """Fault of a box as such: four numbers are wanted (NaN and infinity count as numbers)."""
    if not isinstance(bbox, (list, tuple, np.ndarray)) or len(bbox) != 4:
        return f"bbox must be four numbers, got {_short(bbox)}"
    if not all(map(_is_real, bbox)):
        return f"bbox must be four numbers, got {_short(list(bbox))}"
    return None


def box_value_problem(xyxy: Sequence[float], height: int, width: int) -> str | None:
    """Fault of a well-formed (x1, y1, x2, y2) box in an image of that size."""
    if not all(map(is_finite_number, xyxy)):
        return f"bbox is not finite: {list(xyxy)}"
    x1, y1, x2, y2 = xyxy
    if x2 <= x1 or y2 <= y1:
        return f"bbox has no area: x {x1} to {x2}, y {y1} to {y2}"
    if x2 <= 0 or y2 <= 0 or x1 >= width or y1 >= height:
        return f"bbox (x {x1} to {x2}, y {y1} to {y2}) lies outside the {height} x {width} image"
    return None


def segmentation_problem(segmentation: object, height: int, width: int) -> str | None:
    """Fault of a COCO segmentation: a list of flat polygons, or a run-length dict."""
    if isinstance(segmentation, dict):
        return rle_problem(segmentation, height, width)
    if not isinstance(segmentation, (list, tuple)) or len(segmentation) == 0:
        return f"segmentation must be a list of polygons or an RLE dict, got {_short(segmentation)}"
    for index, polygon in enumerate(segmentation):
        problem = polygon_problem(polygon, height, width)
        if problem:
            return f"polygon {index}: {problem}"
    return None


def polygon_problem(polygon: object, height: int, width: int) -> str | None:
    """Fault of one flat polygon ``[x, y, x, y, ...]`` in pixels.

    Coordinates may leave the image, but by no more than its own size on either side.
    """
    if not isinstance(polygon, (list, tuple, np.ndarray)):
        return f"must be a flat list [x, y, x, y, ...], got {_short(polygon)}"
    if len(polygon) < 6 or len(polygon) % 2:
        return f"needs an even number of coordinates, 6 or more, got {len(polygon)}"
    try:
        # No dtype here: float("1") would let strings through.
        points = np.asarray(polygon)
    except (ValueError, OverflowError):
        return "must be a flat list of numbers, got nested or ragged values"
    if points.ndim != 1 or points.dtype.kind not in "iuf":
        return f"must be a flat list of numbers, got {_short(polygon)}"
    xy = points.reshape(-1, 2)
    low, high = xy.min(axis=0), xy.max(axis=0)
    # Written so that NaN (all comparisons False) fails as well.
    inside = low[0] >= -width and low[1] >= -height and high[0] <= 2 * width
    if not (inside and high[1] <= 2 * height):
        return (
            f"x {low[0]} to {high[0]}, y {low[1]} to {high[1]} is not finite or far outside "
            f"the {height} x {width} image"
        )
    return None


def rle_problem(rle: dict[str, Any], height: int, width: int) -> str | None:
    """Fault of a COCO run-length mask ``{"size": [h, w], "counts": list, str or bytes}``."""
    size, counts = rle.get("size"), rle.get("counts")
    if not isinstance(size, (list, tuple)) or len(size) != 2 or not all(map(is_int, size)):
        return f"RLE size must be [height, width], got {_short(size)}"
    if [int(size[0]), int(size[1])] != [height, width]:
        return f"RLE size {list(size)} is not the image's [{height}, {width}]"
    try:
        lengths = rle_counts(counts)
    except ValueError as error:
        return f"RLE counts: {error}"
    total = int(lengths.sum())
    if total != height * width:
        return f"RLE counts add up to {total}, not to {height} x {width} = {height * width}"
    return None


def rle_counts(counts: object) -> np.ndarray:
    """Run lengths, int64 (K,), of a plain or compressed COCO ``counts`` field.

    Raises:
        ValueError: not run lengths at all, or a negative one.
    """
    if isinstance(counts, str):
        counts = counts.encode("ascii", "replace")
    if isinstance(counts, bytes):
        lengths = _decompress_counts(counts)
    elif isinstance(counts, (list, tuple)) and all(map(is_int, counts)):
        try:
            lengths = np.array(counts, dtype=np.int64)
        except OverflowError as error:
            raise ValueError("a run length is too large") from error
    else:
        raise ValueError(f"expected a list of integers or a string, got {_short(counts)}")
    if (lengths < 0).any() or (lengths > MAX_PIXELS).any():
        raise ValueError("a run length is negative or too large")
    return lengths


def _decompress_counts(text: bytes) -> np.ndarray:
    """Undoes COCO's compression: 5 bits a character, low first, 32 = more follow, 16 = sign.

    From the third on, a length is stored as the difference to the one two places before (the
    very first takes no part).
    """
    codes = np.frombuffer(text, dtype=np.uint8).astype(np.int64) - 48
    if codes.size == 0:
        raise ValueError("empty")
    if codes.min() < 0 or codes.max() > 63:
        raise ValueError("contains characters outside COCO's alphabet")
    ends = np.flatnonzero((codes & 32) == 0)
    if ends.size == 0 or ends[-1] != codes.size - 1:
        raise ValueError("cut in the middle of a number")
    starts = np.concatenate(([0], ends[:-1] + 1))
    place = np.arange(codes.size) - np.repeat(starts, ends - starts + 1)
    if place.max() > 6:
        raise ValueError("a number has too many digits")
    values = np.add.reduceat((codes & 31) << (5 * place), starts)
    negative = (codes[ends] & 16) != 0
    values = values - np.where(negative, np.int64(1) << (5 * (place[ends] + 1)), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def rank_problem(rank: object) -> str | None:
    """Fault of one rank: an integer is wanted, 1 = most salient ..., 0 = not ranked."""
    if not is_int(rank):
        return f"rank must be an integer, got {_short(rank)}"
    if rank < 0:  # type: ignore[operator]
        return f"rank must be 0 (not ranked) or 1, 2, ..., got {rank}"
    return None


def ranks_problem(ranks: Iterable[int], *, ties: bool = False) -> str | None:
    """Fault of an image's ranks taken together: 1, 2, ... without gap or (unless allowed) tie."""
    counts = Counter(int(rank) for rank in ranks if rank > 0)
    twice = sorted(rank for rank, count in counts.items() if count > 1)
    if twice and not ties:
        return f"rank {twice[0]} is given to {counts[twice[0]]} objects"
    # At most as many numbers as objects can be missing below, so this stays short.
    gaps = [rank for rank in range(1, len(counts) + 1) if rank not in counts]
    if gaps:
        return f"rank {gaps[0]} is missing among {sorted(counts)[:10]}"
    return None


def compressed_rle(rle: dict[str, Any], height: int, width: int) -> dict[str, Any]:
    """A checked run-length dict in the compressed form that pycocotools decodes."""
    if isinstance(rle["counts"], (str, bytes)):
        return {"size": [height, width], "counts": rle["counts"]}
    from pycocotools import mask as mask_utils

    plain = {"size": [height, width], "counts": [int(count) for count in rle["counts"]]}
    return mask_utils.frPyObjects(plain, height, width)


def segmentation_to_mask(segmentation: Any, height: int, width: int) -> np.ndarray:
    """Bool mask (H, W) of a COCO segmentation; polygons of one object are united.

    Raises:
        ValueError: the segmentation is faulty (see :func:`segmentation_problem`).
    """
    problem = segmentation_problem(segmentation, height, width)
    if problem:
        raise ValueError(problem)
    from pycocotools import mask as mask_utils

    if isinstance(segmentation, dict):
        return mask_utils.decode(compressed_rle(segmentation, height, width)).astype(bool)
    polygons = [np.asarray(polygon, dtype=np.float64).tolist() for polygon in segmentation]
    parts = mask_utils.frPyObjects(polygons, height, width)
    return mask_utils.decode(mask_utils.merge(parts)).astype(bool)


def _short(value: object, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
