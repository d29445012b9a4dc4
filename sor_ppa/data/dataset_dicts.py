"""One object of a data set -> one annotation of a detectron2 dataset dict, checked on the way."""

from __future__ import annotations

from typing import Any

from detectron2.structures import BoxMode

from sor_ppa.data.problems import Problems
from sor_ppa.data.ranking.annotations import (
    box_form_problem,
    box_value_problem,
    compressed_rle,
    segmentation_problem,
)


def size_differs(stated: dict[str, Any], found: tuple[int, int]) -> str:
    """Text that names both sizes if a record's ``height`` and ``width`` are not those found."""
    height, width = stated.get("height", found[0]), stated.get("width", found[1])
    if (height, width) == found:
        return ""
    hint = ""
    if (width, height) == found:
        hint = "; the annotations seem to be drawn on the picture before its EXIF rotation"
    return (
        f"the picture is {found[0]} x {found[1]} (height x width), its annotations are for "
        f"{height} x {width}{hint}"
    )


def object_problem(item: object, height: int, width: int) -> str | None:
    """Fault in the form of an object: ``bbox`` and ``segmentation`` are wanted."""
    if not isinstance(item, dict):
        return f"must be an object, got a {type(item).__name__}"
    absent = [key for key in ("bbox", "segmentation") if key not in item]
    if absent:
        return f"has no {absent[0]!r}"
    return segmentation_problem(item["segmentation"], height, width) or box_form_problem(
        item["bbox"]
    )


def checked_box(
    item: dict[str, Any], mode: BoxMode, size_hw: tuple[int, int], where: str, problems: Problems
) -> bool:
    """Whether a well-formed object's box is usable; if not, that has been noted as a warning."""
    a, b, c, d = item["bbox"]
    xyxy = (a, b, a + c, b + d) if mode == BoxMode.XYWH_ABS else (a, b, c, d)
    problem = box_value_problem(xyxy, *size_hw)
    if problem:
        problems.warn("unusable box (object left out)", f"{where}: bbox", problem)
    return problem is None


def checked_annotation(
    item: object,
    rank: int,
    mode: BoxMode,
    size_hw: tuple[int, int],
    where: str,
    problems: Problems,
) -> dict[str, Any] | None:
    """The annotation of an object, or None with its fault noted.

    Args:
        item: ``bbox`` and ``segmentation`` of the object.
        rank: 1 = most salient ..., 0 = not ranked.
        mode: what the four numbers of ``bbox`` mean.
        size_hw: of the picture.
        where: file and record, for the message.
        problems: collects the fault.
    """
    problem = object_problem(item, *size_hw)
    if problem:
        problems.add(where, problem)
        return None
    assert isinstance(item, dict)  # for the type checker; object_problem() has made sure
    if not checked_box(item, mode, size_hw, where, problems):
        return None
    return annotation_dict(item, rank, mode, size_hw)


def annotation_dict(
    item: dict[str, Any], rank: int, mode: BoxMode, size_hw: tuple[int, int]
) -> dict[str, Any]:
    """The annotation of an object that has been checked."""
    segmentation = item["segmentation"]
    if isinstance(segmentation, dict):
        segmentation = compressed_rle(segmentation, *size_hw)
    return {
        "bbox": [float(value) for value in item["bbox"]],
        "bbox_mode": mode,
        "segmentation": segmentation,
        "category_id": 0,
        "iscrowd": int(item.get("iscrowd") or 0),
        "gt_rank": int(rank),
    }
