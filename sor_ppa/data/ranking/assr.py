"""The ASSR data set: mouse-attention ranks on COCO pictures.

Siris et al., "Inferring Attention Shift Ranks of Objects for Image Saliency", CVPR 2020.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from detectron2.structures import BoxMode

from sor_ppa.data.dataset_dicts import checked_annotation
from sor_ppa.data.files import files_by_stem, header_sizes, in_threads
from sor_ppa.data.problems import PathLike, Problems, read_json
from sor_ppa.data.ranking.annotations import is_finite_number, ranks_problem
from sor_ppa.errors import DataError, ImageError

_RANKED_OBJECTS = 5
_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")


def rank_of_value(value: float) -> int:
    """Rank, 1 = most salient ..., 0 = none, of a number in ``rank_order``.

    The most salient object has 1.0 and each further one 0.1 less, below zero if there are more
    than eleven; 0 also stands for an object nobody looked at. Only 1.0 ... 0.6 count as salient.
    """
    rank = 11 - round(10 * value)
    return rank if 1 <= rank <= _RANKED_OBJECTS else 0


def load_assr(
    root: PathLike, split: str, *, strict: bool = False, keep_unranked: bool = False
) -> list[dict[str, Any]]:
    """Loads a split of ASSR as detectron2 dataset dicts, in the order of its JSON file.

    Args:
        root: the folder ``ASSR``.
        split: "train", "val" or "test".
        strict: True turns warnings (unusable boxes, shared or missing ranks, a name list that
            differs) into errors.
        keep_unranked: keep objects without a rank, with ``gt_rank`` 0. In the published system
            they are background.

    Returns:
        As :func:`sor_ppa.data.load_ranked_coco`, with boxes XYXY and ``image_id`` = index in the
        JSON file. Sizes come from the pictures' headers.

    Raises:
        DataError: with every fault found.
    """
    root = Path(root).expanduser()
    name = root / f"obj_seg_data_{split}.json"
    problems = Problems(f"ASSR {split} ({root})", strict=strict)
    records = _records(read_json(name), str(name), problems)
    _compare_with_list(root / f"{split}_images.txt", records, problems)
    pictures = _pictures(root / "images" / split, records, problems)
    values = _rank_values(root / "rank_order" / split, records, problems)
    dicts = []
    for index, stem, objects in records:
        if stem not in pictures or stem not in values:
            continue
        path, *size = pictures[stem]
        where = f"{name.name}: [{index}] (img {stem!r})"
        ranks = _ranks(values[stem], len(objects), where, problems)
        chosen = [place for place, rank in enumerate(ranks) if rank or keep_unranked]
        annotations = _annotations(objects, ranks, chosen, (size[0], size[1]), where, problems)
        picture = {"file_name": path, "image_id": index, "height": size[0], "width": size[1]}
        dicts.append({**picture, "annotations": annotations})
    problems.finish()
    return dicts


def _annotations(
    objects: list[Any],
    ranks: list[int],
    chosen: list[int],
    size_hw: tuple[int, int],
    where: str,
    problems: Problems,
) -> list[dict[str, Any]]:
    """Annotations of the chosen objects that have no fault."""
    found = []
    for place in chosen:
        here = f"{where}: object_data[{place}]"
        mode = BoxMode.XYXY_ABS
        item = checked_annotation(objects[place], ranks[place], mode, size_hw, here, problems)
        found += [item] if item else []
    return found


def _records(data: object, name: str, problems: Problems) -> list[tuple[int, str, list[Any]]]:
    """(index, img, object_data) of each sound record."""
    if not isinstance(data, list):
        message = f"{name}: line 1 column 1: expected a list, got a {type(data).__name__}"
        raise DataError([message], what=name)
    records, seen = [], set()
    for index, record in enumerate(data):
        where = f"{os.path.basename(name)}: [{index}]"
        stem = record.get("img") if isinstance(record, dict) else None
        objects = record.get("object_data") if isinstance(record, dict) else None
        if not isinstance(stem, str) or not stem or set(stem) & set("/\\\0"):
            problems.add(f"{where}: img", f"must be a name without folder, got {stem!r}")
        elif not isinstance(objects, list):
            problems.add(f"{where}: object_data", f"must be a list, got {type(objects).__name__}")
        elif stem in seen:
            problems.add(f"{where}: img", f"{stem!r} was used before")
        else:
            seen.add(stem)
            records.append((index, stem, objects))
    return records


def _compare_with_list(
    path: Path, records: list[tuple[int, str, list[Any]]], problems: Problems
) -> None:
    """The list of names is not needed, but should it differ, something is amiss."""
    if not path.is_file():
        return
    listed = set(path.read_text(encoding="utf-8", errors="replace").split())
    for name in sorted(listed.symmetric_difference(stem for _, stem, _ in records)):
        here, there = ("list", "JSON file") if name in listed else ("JSON file", "list")
        message = f"{name!r} is in the {here}, but not in the {there}"
        problems.warn("name list differs", path.name, message)


def _pictures(
    folder: Path, records: list[tuple[int, str, list[Any]]], problems: Problems
) -> dict[str, tuple[str, int, int]]:
    """(file, height, width) by name."""
    files = files_by_stem(folder, _IMAGE_SUFFIXES)
    for _, stem, _ in records:
        if stem not in files:
            problems.add(f"{folder}", f"no picture {stem}.jpg")
    stems = [stem for _, stem, _ in records if stem in files]
    found = {}
    for stem, size in zip(stems, header_sizes([files[stem] for stem in stems])):
        if isinstance(size, ImageError):
            problems.add("images", str(size))
        else:
            found[stem] = (files[stem], *size)
    return found


def _rank_values(
    folder: Path, records: list[tuple[int, str, list[Any]]], problems: Problems
) -> dict[str, list[Any]]:
    """``rank_order`` by name; thousands of small files, so several are read at a time."""
    stems = [stem for _, stem, _ in records]
    answers = in_threads(lambda stem: _rank_file(f"{folder}/{stem}.json"), stems)
    found = {}
    for stem, answer in zip(stems, answers):
        if isinstance(answer, list):
            found[stem] = answer
        else:
            problems.lines += answer.problems
    return found


def _rank_file(path: str) -> list[Any] | DataError:
    try:
        data = read_json(path)
    except DataError as error:
        return error
    values = data.get("rank_order") if isinstance(data, dict) else None
    if isinstance(values, list):
        return values
    return DataError([f"{path}: expected {{'rank_order': [number, ...]}}"])


def _ranks(values: list[Any], count: int, where: str, problems: Problems) -> list[int]:
    """Rank of each object; zeros where the numbers cannot be used."""
    none = [0] * count
    if len(values) != count:
        problems.add(where, f"object_data has {count} objects, rank_order {len(values)} numbers")
        return none
    for place, value in enumerate(values):
        if not is_finite_number(value):
            problems.add(f"{where}: rank_order[{place}]", f"must be a number, got {value!r}")
            return none
        if round(10 * value) > 10 or abs(10 * value - round(10 * value)) > 1e-3:
            problems.add(
                f"{where}: rank_order[{place}]", f"must be 1.0, 0.9, 0.8, ..., got {value!r}"
            )
            return none
    ranks = [rank_of_value(value) for value in values]
    problem = ranks_problem(ranks)
    if problem:
        problems.warn("shared or missing rank", f"{where}: rank_order", problem)
    return ranks
