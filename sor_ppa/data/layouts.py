"""Finding a benchmark on disk, in whichever of its layouts it is, and listing its pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sor_ppa.data.benchmarks.rows import Benchmark, Layout, Part, Split
from sor_ppa.data.dense.folders import dense_dicts
from sor_ppa.data.files import PICTURE_SUFFIXES
from sor_ppa.data.fixation.sets import add_points
from sor_ppa.data.pairs import Folder, Pair, files_of_kind, folder_exists, pair_by_stem
from sor_ppa.data.videos import as_frames
from sor_ppa.errors import DataError

__all__ = ["drawn_part", "find_layout", "paired_files", "split_dicts"]

_SEED = 42


def find_layout(split: Split, root: str) -> Layout | None:
    """The first layout of which all folders are there, else the first with its pictures.

    Args:
        split: of a benchmark.
        root: folder of all sets.

    Returns:
        With paths that begin with ``root``; None if there are no pictures in any layout.
    """
    there = [layout for layout in (_below(root, one) for one in split.layouts) if _has(layout)]
    whole = (layout for layout in there if all(map(folder_exists, _needed(layout))))
    return next(whole, there[0] if there else None)


def split_dicts(row: Benchmark, name: str, root: str) -> tuple[list[dict[str, Any]], Layout]:
    """Dataset dicts of a split, and the layout in which it was found.

    Args:
        row: of the table.
        name: registered name of the split.
        root: folder of all sets.

    Returns:
        ``file_name``, ``image_id``, and what there is of ``sem_seg_file_name`` (a list of files
        where the mask is their union), ``depth_file_name``, ``thermal_file_name``,
        ``flow_file_name``, ``saliency_file_name`` and ``fixation_file_name``; for videos also what
        :func:`sor_ppa.data.videos.as_frames` adds; ``fixations`` and ``fixation_sigma`` where a set
        has them (:mod:`sor_ppa.data.fixation`).

    Raises:
        DataError: the set is not there, or faulty; with every fault found.
    """
    split = row.registered()[name]
    layout = find_layout(split, root)
    if layout is None:
        raise DataError(_not_found(row, split, root), what=f"{name} ({root})")
    pairs, problems = paired_files(split, layout)
    if problems:
        raise DataError(problems, what=f"{name} ({layout.folders['image'].path})")
    dicts = dense_dicts(pairs)
    if split.is_video:
        as_frames(dicts, files_of_kind(layout.folders, "image"))
    if layout.points:
        add_points(dicts, layout.points)
    if split.sigma:
        for item in dicts:
            item["fixation_sigma"] = split.sigma
    return [dicts[place] for place in drawn_part(len(dicts), split.part)], layout


def paired_files(split: Split, layout: Layout) -> tuple[list[Pair], list[str]]:
    """The files of a layout that belong together, and a line for each fault.

    Raises:
        DataError: a folder or list is missing, or nothing belongs together.
    """
    names = None
    if layout.lists:
        names = _read_lists(layout.lists, layout.folders["image"].path)
    return pair_by_stem(
        layout.folders, lead=split.lead, only=names, optional=layout.optional, order=split.order
    )


def drawn_part(count: int, part: Part | None) -> list[int]:
    """Places of a split's pictures among ``count`` sorted ones.

    The permutation is that of the sets' published use: NumPy's legacy generator, seed 42, one
    permutation for every group.
    """
    if part is None:
        return list(range(count))
    size = part.group or count
    places = np.arange(size)
    np.random.RandomState(_SEED).shuffle(places)
    chosen = places[: part.first] if part.train else places[part.first :]
    return [
        start + int(place)
        for start in range(0, count, max(size, 1))
        for place in chosen
        if start + place < count
    ]


def _below(root: str, layout: Layout) -> Layout:
    folders = {
        kind: replace(folder, path=os.path.join(root, folder.path))
        for kind, folder in layout.folders.items()
    }
    lists = tuple(os.path.join(root, path) for path in layout.lists)
    points = os.path.join(root, layout.points) if layout.points else ""
    return replace(layout, folders=folders, lists=lists, points=points)


def _has(layout: Layout) -> bool:
    return folder_exists(layout.folders["image"])


def _needed(layout: Layout) -> list[Folder]:
    return [folder for kind, folder in layout.folders.items() if kind not in layout.optional]


def _not_found(row: Benchmark, split: Split, root: str) -> list[str]:
    tried = dict.fromkeys(layout.folders["image"].path for layout in split.layouts)
    source = f"; it is to be had at {row.homepage}" if row.homepage else ""
    return [
        f"none of its picture folders is in {root}: {', '.join(tried)}{source}",
        "DETECTRON2_DATASETS names the folder of all sets; datasets/README.md shows the layouts",
    ]


def _read_lists(paths: Sequence[str], folder: str) -> list[str]:
    """Stems (or videos) that text files name; entries may be paths with suffixes."""
    stems: list[str] = []
    for path in paths:
        try:
            with open(path, encoding="utf-8") as file:
                lines = [line.strip() for line in file]
        except (OSError, ValueError) as error:
            text = f"{path}: cannot be read: {error}; it must name the pictures, one a line"
            raise DataError([text], what=path) from error
        stems += [_listed_stem(line, folder) for line in lines if line and line[0] != "#"]
    return list(dict.fromkeys(stems))


def _listed_stem(line: str, folder: str) -> str:
    # DAVIS has lines "/JPEGImages/480p/bear/00000.jpg /Annotations/480p/bear/00000.png".
    name = line.split()[0] if line.startswith("/") else line
    parts = name.strip("/").split("/")
    inside = folder.split("/")
    for length in range(len(parts) - 1, 0, -1):
        if parts[:length] == inside[-length:]:
            parts = parts[length:]
            break
    stem, suffix = os.path.splitext("/".join(parts))
    return stem if suffix.lower() in PICTURE_SUFFIXES else stem + suffix
