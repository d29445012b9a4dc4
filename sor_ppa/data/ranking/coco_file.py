"""COCO instances files, read with every fault noted: the base of the ranked COCO format."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from detectron2.structures import BoxMode

from sor_ppa.data.dataset_dicts import checked_box, object_problem, size_differs
from sor_ppa.data.files import header_sizes, joined, missing_files
from sor_ppa.data.problems import PathLike, Problems, read_json
from sor_ppa.data.ranking.annotations import is_int, rank_problem, ranks_problem, size_problem
from sor_ppa.errors import DataError, ImageError

logger = logging.getLogger(__name__)

Id = int | str


@dataclass
class CocoInstances:
    """The sound part of a COCO instances file.

    Attributes:
        data: the JSON object as it was read (sizes filled in where they were absent).
        images: image dicts by id, in the file's order.
        paths: picture file of each image id.
        annotations: sound annotation dicts of each image id (every image has an entry).
    """

    data: dict[str, Any]
    images: dict[Id, dict[str, Any]] = field(default_factory=dict)
    paths: dict[Id, str] = field(default_factory=dict)
    annotations: dict[Id, list[dict[str, Any]]] = field(default_factory=dict)


def read_coco(
    json_file: PathLike,
    image_root: PathLike,
    problems: Problems,
    *,
    ranks: bool,
    need_pictures: bool = True,
) -> CocoInstances:
    """Reads and checks a COCO instances file; faults go into ``problems``.

    Args:
        json_file: the annotations.
        image_root: folder that ``file_name`` is relative to.
        problems: collects the faults; items with a fault are left out of the result.
        ranks: True also checks the ``rank`` of each annotation.
        need_pictures: False does not look for the pictures themselves (scoring saved results).

    Raises:
        DataError: the file is not JSON, or not of COCO's shape at all.
    """
    data = read_json(json_file)
    _check_top(data, str(json_file), ranks=ranks)
    coco = CocoInstances(data)
    known = _read_images(coco, str(json_file), image_root, problems, need_pictures=need_pictures)
    _read_annotations(coco, str(json_file), known, problems, ranks=ranks)
    return coco


def _check_top(data: object, name: str, *, ranks: bool) -> None:
    problem = None
    if not isinstance(data, dict):
        problem = f"line 1 column 1: expected a JSON object, got a {type(data).__name__}"
    else:
        absent = [key for key in ("images", "annotations") if not isinstance(data.get(key), list)]
        if absent:
            problem = f"has no list {absent[0]!r}; is this a COCO instances file?"
        elif not isinstance(data.get("categories", []), list):
            problem = "categories must be a list"
        elif (
            ranks
            and data["annotations"]
            and not any(isinstance(item, dict) and "rank" in item for item in data["annotations"])
        ):
            problem = "no annotation has a 'rank'; make ranks with datasets/prepare_ranked_coco.py"
    if problem:
        raise DataError([f"{name}: {problem}"], what=name)


def _read_images(
    coco: CocoInstances, name: str, root: PathLike, problems: Problems, *, need_pictures: bool
) -> set[Id]:
    """Fills ``images`` and ``paths``; returns every id seen, faulty images included."""
    known: set[Id] = set()
    for index, image in enumerate(coco.data["images"]):
        where = f"{name}: images[{index}]"
        problem = _image_problem(image)
        if problem is None and image["id"] in known:
            problem = f"id {image['id']!r} was used before"
        if isinstance(image, dict) and isinstance(image.get("id"), (int, str)):
            known.add(image["id"])
        if problem:
            problems.add(where, problem)
            continue
        coco.images[image["id"]] = image
        coco.paths[image["id"]] = joined(root, image["file_name"])
    if need_pictures:
        _drop_missing(coco, name, problems)
    _fill_sizes(coco, name, problems)
    return known


def _image_problem(image: object) -> str | None:
    if not isinstance(image, dict):
        return f"must be an object, got a {type(image).__name__}"
    if not (is_int(image.get("id")) or isinstance(image.get("id"), str)):
        return f"id must be an integer or a string, got {image.get('id')!r}"
    file_name = image.get("file_name")
    if not isinstance(file_name, str) or not file_name or "\0" in file_name:
        return f"file_name must be a non-empty string, got {file_name!r}"
    if "height" in image or "width" in image:
        return size_problem(image.get("height"), image.get("width"))
    return None


def _drop_missing(coco: CocoInstances, name: str, problems: Problems) -> None:
    ids = list(coco.images)
    missing = missing_files([coco.paths[image_id] for image_id in ids])
    for image_id, gone in zip(ids, missing):
        if gone:
            where = f"{name}: image {image_id!r}: file_name"
            problems.add(where, f"no picture at {coco.paths[image_id]}")
            del coco.images[image_id], coco.paths[image_id]


def _fill_sizes(coco: CocoInstances, name: str, problems: Problems) -> None:
    """Takes height and width from the picture's header where the JSON has none.

    Under ``strict`` every header is read, and compared with what the JSON states.
    """
    ids = [key for key, image in coco.images.items() if problems.strict or "height" not in image]
    sizes = header_sizes([coco.paths[image_id] for image_id in ids])
    for image_id, size in zip(ids, sizes):
        image, where = coco.images[image_id], f"{name}: image {image_id!r}"
        if isinstance(size, ImageError):
            problems.add(where, str(size))
        elif size_differs(image, size):
            problems.add(where, size_differs(image, size))
        else:
            image.update(height=size[0], width=size[1])
            continue
        del coco.images[image_id], coco.paths[image_id]


def _read_annotations(
    coco: CocoInstances, name: str, known: set[Id], problems: Problems, *, ranks: bool
) -> None:
    """Fills ``annotations`` with those that have no fault."""
    coco.annotations = {image_id: [] for image_id in coco.images}
    referenced, spoiled = _referenced(coco, name, known, problems)
    for where, item in referenced:
        if _shape_is_sound(item, coco.images[item["image_id"]], where, problems):
            coco.annotations[item["image_id"]].append(item)
    if ranks:
        _check_ranks(coco, name, referenced, spoiled, problems)


def _referenced(
    coco: CocoInstances, name: str, known: set[Id], problems: Problems
) -> tuple[list[tuple[str, dict[str, Any]]], set[object]]:
    """(where, annotation) of those whose ids are sound, and the images of the others."""
    categories = _category_ids(coco.data, name, problems)
    seen: set[Id] = set()
    found: list[tuple[str, dict[str, Any]]] = []
    spoiled: set[object] = set()
    for index, item in enumerate(coco.data["annotations"]):
        where = f"{name}: annotations[{index}]"
        problem = _reference_problem(item, seen, known, categories)
        if problem:
            problems.add(where, problem)
            spoiled.add(repr(item.get("image_id")) if isinstance(item, dict) else None)
            continue
        seen.add(item["id"])
        if item["image_id"] in coco.images:  # else the image's own fault has been noted
            found.append((f"{where} (id {item['id']!r}, image {item['image_id']!r})", item))
    return found, spoiled


def _check_ranks(
    coco: CocoInstances,
    name: str,
    referenced: list[tuple[str, dict[str, Any]]],
    spoiled: set[object],
    problems: Problems,
) -> None:
    """Checks each rank, then those of each image together, unless one of them is unknown."""
    ranks_of: dict[Id, list[int]] = defaultdict(list)
    for where, item in referenced:
        problem = _rank_field_problem(item)
        if problem:
            problems.add(f"{where}: rank", problem)
            spoiled.add(repr(item["image_id"]))
        else:
            ranks_of[item["image_id"]].append(int(item.get("rank", 0)))
    ties = rank_info(coco.data).get("ties") is True
    for image_id, values in ranks_of.items():
        problem = None if repr(image_id) in spoiled else ranks_problem(values, ties=ties)
        if problem:
            problems.add(f"{name}: image {image_id!r}: rank", problem)


def _category_ids(data: dict[str, Any], name: str, problems: Problems) -> set[Id] | None:
    """Ids of the categories; None when the file lists none, then any id will do."""
    ids: set[Id] = set()
    for index, item in enumerate(data.get("categories", [])):
        if isinstance(item, dict) and isinstance(item.get("id"), (int, str)):
            ids.add(item["id"])
        else:
            problems.add(f"{name}: categories[{index}]", "needs an id")
    return ids or None


def _reference_problem(
    item: object, seen: set[Id], known: set[Id], categories: set[Id] | None
) -> str | None:
    """Fault in what an annotation refers to: its ids."""
    if not isinstance(item, dict):
        return f"must be an object, got a {type(item).__name__}"
    for key in ("id", "image_id", "category_id"):
        if key not in item:
            return f"has no {key!r}"
        if not (is_int(item[key]) or isinstance(item[key], str)):
            return f"{key} must be an integer or a string, got {item[key]!r}"
    if item["id"] in seen:
        return f"id {item['id']!r} was used before"
    if item["image_id"] not in known:
        return f"image_id {item['image_id']!r} is not among the images"
    if categories is not None and item["category_id"] not in categories:
        return f"category_id {item['category_id']!r} is not among the categories"
    return None


def _rank_field_problem(item: dict[str, Any]) -> str | None:
    rank = item.get("rank", 0)
    problem = rank_problem(rank)
    if problem is None and rank > 0 and item.get("iscrowd") == 1:
        problem = f"a crowd region cannot have a rank, got {rank}"
    return problem


def _shape_is_sound(
    item: dict[str, Any], image: dict[str, Any], where: str, problems: Problems
) -> bool:
    height, width = image["height"], image["width"]
    if item.get("iscrowd", 0) not in (0, 1):
        problems.add(f"{where}: iscrowd", f"must be 0 or 1, got {item['iscrowd']!r}")
        return False
    problem = object_problem(item, height, width)
    if problem:
        problems.add(where, problem)
        return False
    return checked_box(item, BoxMode.XYWH_ABS, (height, width), where, problems)


def rank_info(data: dict[str, Any]) -> dict[str, Any]:
    """The ``info.ranks`` object of a ranked COCO file: source, rule, ...; empty if absent."""
    info = data.get("info")
    ranks = info.get("ranks") if isinstance(info, dict) else None
    return ranks if isinstance(ranks, dict) else {}
