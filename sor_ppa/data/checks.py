"""Looking a benchmark over on disk: is it whole, and what is in its files?"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sor_ppa.data.benchmarks import Benchmark, Split
from sor_ppa.data.files import in_threads
from sor_ppa.data.image_io import image_size, pixel_format, read_labels
from sor_ppa.data.layouts import drawn_part, find_layout, paired_files
from sor_ppa.data.pairs import Pair
from sor_ppa.errors import DataError, ImageError

__all__ = ["SetReport", "check_set"]

Progress = Callable[[Iterable[Any], int], Iterable[Any]]

_BLOCK = 256


@dataclass
class SetReport:
    """What was found of one split.

    Attributes:
        name: under which it is registered.
        layout: family of the layout found; "" = the set is not there.
        folders: path of each kind of file.
        pictures: how many, complete with all that belongs to them.
        expected: how many there should be; None = unknown.
        is_stated: whether that number was seen at its source (another one then is an error).
        opened: pictures whose files were opened.
        masks: how many masks there are of each pixel format and kind of values.
        sizes: how many pictures there are of each (height, width).
        errors: what makes the set unusable, or another one than the published.
        warnings: what works, but should be known.
    """

    name: str
    layout: str = ""
    folders: dict[str, str] = field(default_factory=dict)
    pictures: int = 0
    expected: int | None = None
    is_stated: bool = True
    opened: int = 0
    masks: Counter[str] = field(default_factory=Counter)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON; of the sizes the commonest, the smallest and the largest."""
        ordered = sorted(self.sizes, key=lambda size: size[0] * size[1])
        sizes: dict[str, Any] = {}
        if ordered:
            common = self.sizes.most_common(1)[0][0]
            sizes = {"commonest": common, "smallest": ordered[0], "largest": ordered[-1]}
        return {**self.__dict__, "masks": dict(self.masks), "sizes": sizes}


def check_set(
    row: Benchmark,
    name: str,
    root: str,
    *,
    sample: int | None = None,
    progress: Progress | None = None,
) -> SetReport:
    """Looks a split over.

    Args:
        row: of the table.
        name: under which the split is registered.
        root: folder of all sets.
        sample: how many pictures are opened, evenly spread; None = all.
        progress: wraps the iteration over blocks of pictures, given how many there are.
    """
    split = row.registered()[name]
    report = SetReport(name, expected=split.count, is_stated=split.is_stated)
    if row.loader:
        _check_ranking(report, row, os.path.join(root, row.folder))
    else:
        _check_files(report, split, root, sample, progress)
    if report.layout and split.count not in (None, report.pictures):
        who = "its authors state" if split.is_stated else "commonly it has"
        text = f"{report.pictures:,} pictures, {who} {split.count:,}"
        (report.errors if split.is_stated else report.warnings).append(text)
    return report


def _check_ranking(report: SetReport, row: Benchmark, folder: str) -> None:
    if not os.path.isdir(folder):
        report.errors.append(f"not there: no folder {folder}")
        return
    report.layout, report.folders = "archive", {"set": folder}
    assert row.loader is not None  # for the type checker
    try:
        dicts = row.loader(folder, report.name.removeprefix(f"{row.name}_"))
    except DataError as error:
        report.errors += error.problems
        return
    report.pictures = report.opened = len(dicts)
    report.sizes.update((item["height"], item["width"]) for item in dicts)


def _check_files(
    report: SetReport, split: Split, root: str, sample: int | None, progress: Progress | None
) -> None:
    layout = find_layout(split, root)
    if layout is None:
        places = dict.fromkeys(layout.folders["image"].path for layout in split.layouts)
        report.errors.append(f"not there: none of {', '.join(places)} in {root}")
        return
    report.layout = layout.family
    report.folders = {kind: folder.path for kind, folder in layout.folders.items()}
    try:
        pairs, problems = paired_files(split, layout)
    except DataError as error:
        report.errors += error.problems
        return
    report.errors += problems
    pairs = [pairs[place] for place in drawn_part(len(pairs), split.part)]
    report.pictures = len(pairs)
    _open_all(report, _spread(pairs, sample), progress)


def _spread(pairs: list[Pair], sample: int | None) -> list[Pair]:
    if sample is None or sample >= len(pairs):
        return pairs
    places = np.linspace(0, len(pairs) - 1, sample).round().astype(int)
    return [pairs[place] for place in places]


def _open_all(report: SetReport, pairs: Sequence[Pair], progress: Progress | None) -> None:
    blocks = [pairs[start : start + _BLOCK] for start in range(0, len(pairs), _BLOCK)]
    differing: list[str] = []
    for block in progress(blocks, len(blocks)) if progress else blocks:
        for facts in in_threads(_facts, block):
            report.opened += 1
            report.errors += facts.errors
            report.masks.update(facts.masks)
            if facts.size:
                report.sizes[facts.size] += 1
            differing += facts.differing
    if differing:
        text = f"{len(differing)} of another size than the picture, e.g. {differing[0]}"
        report.warnings.append(text)


@dataclass
class _Facts:
    size: tuple[int, int] | None = None
    masks: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def _facts(pair: Pair) -> _Facts:
    facts = _Facts()
    for kind, value in pair.paths.items():
        for path in [value] if isinstance(value, str) else value:
            if path.lower().endswith(".mat"):
                continue
            try:
                size = _mask_facts(path, facts) if kind == "mask" else image_size(path)
            except ImageError as error:
                facts.errors.append(str(error))
                continue
            if kind == "image":
                facts.size = size
            elif facts.size not in (None, size):
                facts.differing.append(path)
    return facts


def _mask_facts(path: str, facts: _Facts) -> tuple[int, int]:
    grey, numbered = read_labels(path)
    values = set(np.flatnonzero(np.bincount(grey.ravel(), minlength=256)).tolist())
    if numbered:
        kind = "object numbers"
    elif values <= {0, 255}:
        kind = "0 and 255"
    else:
        kind = "0 and 1" if values <= {0, 1} else "greys"
    facts.masks.append(f"{pixel_format(path)}, {kind}")
    return grey.shape[0], grey.shape[1]
