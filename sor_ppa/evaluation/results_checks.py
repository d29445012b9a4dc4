"""Checks on entries of a results file; each gives the text of the first fault, or None."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sor_ppa.data.ranking.annotations import (
    box_form_problem,
    is_finite_number,
    is_int,
    rank_problem,
    segmentation_problem,
    size_problem,
)

Id = int | str

_NO_RANK = "is missing (1 = most salient, 2, ..., 0 = not ranked)"


def is_id(value: object) -> bool:
    """True for what may be an image id: integers and strings."""
    return is_int(value) or isinstance(value, str)


def image_problem(image: object) -> str | None:
    """Fault of one entry of a results file's ``images``."""
    if not isinstance(image, dict):
        return f"must be an object, got a {type(image).__name__}"
    if not is_id(image.get("id")):
        return f"id must be an integer or a string, got {image.get('id')!r}"
    if not isinstance(image.get("file_name", ""), str):
        return f"file_name must be a string, got {image['file_name']!r}"
    return size_problem(image.get("height"), image.get("width"))


def record_problem(
    item: object, images: Mapping[Id, Mapping[str, Any]] | None, need_ranks: bool
) -> tuple[str, str] | None:
    """First fault of one result, as (place, text).

    Args:
        item: the result.
        images: image dicts by id; None when the file has none.
        need_ranks: False lets ``rank`` be absent.
    """
    if not isinstance(item, dict):
        return "", f"must be an object, got a {type(item).__name__}"
    image_id: Any = item.get("image_id")
    if not is_id(image_id):
        return ": image_id", f"must be an integer or a string, got {image_id!r}"
    prefix = f" (image {image_id!r})"
    if images is not None and image_id not in images:
        return f"{prefix}: image_id", "is not among the file's images"
    if not is_finite_number(item.get("score")):
        return f"{prefix}: score", f"must be a finite number, got {item.get('score')!r}"
    if not is_finite_number(item.get("mask_score", 0)):
        return f"{prefix}: mask_score", f"must be a finite number, got {item['mask_score']!r}"
    if need_ranks or "rank" in item:
        problem = rank_problem(item["rank"]) if "rank" in item else _NO_RANK
        if problem:
            return f"{prefix}: rank", problem
    problem = _mask_problem(item.get("segmentation"), images[image_id] if images else None)
    if problem:
        return f"{prefix}: segmentation", problem
    problem = box_form_problem(item["bbox"]) if item.get("bbox") is not None else None
    return (f"{prefix}: bbox", problem) if problem else None


def _mask_problem(segmentation: object, image: Mapping[str, Any] | None) -> str | None:
    """Fault of a mask; without an image its own stated size is the only one there is."""
    if image is not None:
        return segmentation_problem(segmentation, image["height"], image["width"])
    if not isinstance(segmentation, dict):
        return "must be an RLE dict {'size': [h, w], 'counts': ...} in a file without 'images'"
    size = segmentation.get("size")
    if not isinstance(size, (list, tuple)) or len(size) != 2:
        return f"RLE size must be [height, width], got {size!r}"
    return size_problem(*size) or segmentation_problem(segmentation, *size)
