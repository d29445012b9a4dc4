"""The IRSR data set: ranks of up to eight objects on COCO pictures.

Liu et al., "Instance-Level Relative Saliency Ranking with Graph Reasoning", TPAMI 2021.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from detectron2.structures import BoxMode

from sor_ppa.data.dataset_dicts import checked_annotation, size_differs
from sor_ppa.data.files import header_sizes, missing_files
from sor_ppa.data.problems import PathLike, Problems
from sor_ppa.data.ranking.annotations import is_int
from sor_ppa.data.ranking.plain_pickle import read_plain_pickle
from sor_ppa.errors import DataError, ImageError


def ranks_of_levels(levels: list[int]) -> list[int]:
    """Ranks, 1 = most salient ..., of IRSR's numbers, where higher = more salient.

    Equal numbers share a rank, and the next one follows without a gap.
    """
    place = {level: rank for rank, level in enumerate(sorted(set(levels), reverse=True), start=1)}
    return [place[level] for level in levels]


def load_irsr(root: PathLike, split: str, *, strict: bool = False) -> list[dict[str, Any]]:
    """Loads a split of IRSR as detectron2 dataset dicts, in the order of its pickle file.

    The pickle is read without running anything it might contain. Run-length masks are kept as
    such, holes included; the mapper makes bit masks of them.

    Args:
        root: the folder ``IRSR`` (called ``dataset`` by its authors), with ``Annotations`` and
            ``Images`` in it.
        split: "train" or "test".
        strict: True turns unusable boxes into errors; otherwise such objects are left out.

    Returns:
        As :func:`sor_ppa.data.load_ranked_coco`; ``image_id`` = index in the pickle file. Sizes
        come from the pictures' headers.

    Raises:
        DataError: with every fault found.
    """
    root = Path(root).expanduser()
    name = root / "Annotations" / f"{split}.pkl"
    problems = Problems(f"IRSR {split} ({root})", strict=strict)
    data = read_plain_pickle(name)
    if not isinstance(data, list):
        found = type(data).__name__
        raise DataError([f"{name}: expected a list of records, got a {found}"], what=str(name))
    dicts = []
    for index, path, size, record in _pictures(data, name.name, root, split, problems):
        where = f"{name.name}: [{index}] ({Path(path).name})"
        dicts.append(
            {
                "file_name": path,
                "image_id": index,
                "height": size[0],
                "width": size[1],
                "annotations": _annotations(record, size, where, problems),
            }
        )
    problems.finish()
    return dicts


def _pictures(
    data: list[Any], name: str, root: Path, split: str, problems: Problems
) -> list[tuple[int, str, tuple[int, int], dict[str, Any]]]:
    """(index, file, (height, width), record) of the records whose picture is there."""
    folder = root / "Images" / split / "rgb"
    records = []
    seen: set[str] = set()
    for index, record in enumerate(data):
        file_name = record.get("file_name") if isinstance(record, dict) else None
        if not isinstance(file_name, str) or not file_name or "\0" in file_name:
            problems.add(f"{name}: [{index}]: file_name", f"must be a name, got {file_name!r}")
            continue
        # The authors' own absolute path, of either kind of system.
        base = re.split(r"[\\/]", file_name)[-1]
        if base in seen:
            problems.add(f"{name}: [{index}]: file_name", f"{base!r} was used before")
            continue
        seen.add(base)
        records.append((index, str(folder / base), record))
    gone = missing_files([path for _, path, _ in records])
    for (index, path, _), is_gone in zip(records, gone):
        if is_gone:
            problems.add(f"{name}: [{index}]: file_name", f"no picture at {path}")
    there = [item for item, is_gone in zip(records, gone) if not is_gone]
    sizes = header_sizes([path for _, path, _ in there])
    found = []
    for (index, path, record), size in zip(there, sizes):
        where = f"{name}: [{index}] ({Path(path).name})"
        if isinstance(size, ImageError):
            problems.add(where, str(size))
        elif size_differs(record, size):
            problems.add(where, size_differs(record, size))
        else:
            found.append((index, path, size, record))
    return found


def _annotations(
    record: dict[str, Any], size: tuple[int, int], where: str, problems: Problems
) -> list[dict[str, Any]]:
    items, levels = record.get("annotations"), record.get("rank")
    if not isinstance(items, list) or not isinstance(levels, list):
        problems.add(where, "needs the lists 'annotations' and 'rank'")
        return []
    if len(items) != len(levels):
        problems.add(where, f"has {len(items)} annotations, but {len(levels)} ranks")
        return []
    for place, level in enumerate(levels):
        here = f"{where}: rank[{place}]"
        if not is_int(level) or level < 0:
            problems.add(here, f"must be an integer, 0 or more, got {level!r}")
            return []
        if level >= len(levels):
            problems.warn("rank number too high", here, f"{level} of {len(levels)} objects")
    found = []
    for place, (item, rank) in enumerate(zip(items, ranks_of_levels(levels))):
        here = f"{where}: annotations[{place}]"
        annotation = checked_annotation(item, rank, BoxMode.XYWH_ABS, size, here, problems)
        found += [annotation] if annotation else []
    return found
