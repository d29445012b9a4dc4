"""Looking a benchmark over on disk: is it whole, and what is in its files?"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sor_ppa.data.benchmarks import Benchmark, Layout, Split
from sor_ppa.data.dense.folders import sod_folders
from sor_ppa.data.file_facts import Facts, facts_of
from sor_ppa.data.files import in_threads
from sor_ppa.data.layouts import drawn_part, find_layout, paired_files
from sor_ppa.data.pairs import Pair, folder_exists
from sor_ppa.errors import DataError

__all__ = ["SetReport", "check_set", "folders_row"]

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
        modalities: how many files of each pixel format there are of each kind beside the picture.
        sizes: how many pictures there are of each (height, width).
        errors: what makes the set unusable, or another one than the published.
        warnings: what works, but should be known.
        notes: what is no fault at all, but done in a way that one may want to know.
    """

    name: str
    layout: str = ""
    folders: dict[str, str] = field(default_factory=dict)
    pictures: int = 0
    expected: int | None = None
    is_stated: bool = True
    opened: int = 0
    masks: Counter[str] = field(default_factory=Counter)
    modalities: dict[str, Counter[str]] = field(default_factory=dict)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON; of the sizes the commonest, the smallest and the largest."""
        ordered = sorted(self.sizes, key=lambda size: size[0] * size[1])
        sizes: dict[str, Any] = {}
        if ordered:
            common = self.sizes.most_common(1)[0][0]
            sizes = {"commonest": common, "smallest": ordered[0], "largest": ordered[-1]}
        formats = {kind: dict(found) for kind, found in self.modalities.items()}
        counted = {"masks": dict(self.masks), "modalities": formats, "sizes": sizes}
        return {**self.__dict__, **counted}


def folders_row(paths: Mapping[str, str], *, video: bool = False) -> Benchmark:
    """Folders of one's own as a row of the table, for :func:`check_set`.

    Args:
        paths: of :func:`sor_ppa.data.dense.folders.sod_paths`.
        video: the pictures are frames.
    """
    lead = "mask" if video and "mask" in paths else ""
    split = Split(None, layouts=(Layout("own", sod_folders(paths)),), lead=lead)
    return Benchmark(paths["image"], "sod", {"": split}, paper="", homepage="", licence="")


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
    there = {kind: folder for kind, folder in layout.folders.items() if folder_exists(folder)}
    report.folders = {kind: folder.path for kind, folder in there.items()}
    try:
        pairs, problems = paired_files(split, layout)
    except DataError as error:
        report.errors += error.problems
        return
    report.errors += problems
    pairs = [pairs[place] for place in drawn_part(len(pairs), split.part)]
    report.pictures = len(pairs)
    without = sum("flow" not in pair.paths for pair in pairs)
    if split.is_video and without:
        text = f"flow: {without:,} of {len(pairs):,} frames have no picture of it; it is computed"
        report.notes.append(f"{text} (by datasets/prepare_flow.py once and for all)")
    _open_all(report, _spread(pairs, sample), progress)


def _spread(pairs: list[Pair], sample: int | None) -> list[Pair]:
    if sample is None or sample >= len(pairs):
        return pairs
    places = np.linspace(0, len(pairs) - 1, sample).round().astype(int)
    return [pairs[place] for place in places]


def _open_all(report: SetReport, pairs: Sequence[Pair], progress: Progress | None) -> None:
    blocks = [pairs[start : start + _BLOCK] for start in range(0, len(pairs), _BLOCK)]
    found: list[Facts] = []
    for block in progress(blocks, len(blocks)) if progress else blocks:
        found += in_threads(facts_of, block)
    report.opened = len(found)
    report.sizes.update(facts.size for facts in found if facts.size)
    for facts in found:
        report.errors += facts.errors
        report.masks.update(facts.masks)
        for kind, pixels in facts.modalities.items():
            report.modalities.setdefault(kind, Counter())[pixels] += 1
    differing = _by_kind(facts.differing for facts in found)
    for kind, paths in differing.items():
        text = f"{kind}: {len(paths)} of another size than the picture, e.g. {paths[0]}"
        report.warnings.append(text)
    for kind, paths in _by_kind(facts.empty for facts in found).items():
        text = f"{kind}: {len(paths)} of one value everywhere, e.g. {paths[0]}"
        report.warnings.append(text)
    report.notes += _notes_on_16_bits(found)


def _by_kind(found: Iterable[Mapping[str, list[str]]]) -> dict[str, list[str]]:
    merged: dict[str, list[str]] = {}
    for part in found:
        for kind, paths in part.items():
            merged.setdefault(kind, []).extend(paths)
    return merged


def _notes_on_16_bits(found: Sequence[Facts]) -> list[str]:
    brightest: dict[str, list[int]] = {}
    for facts in found:
        for kind, value in facts.brightest_of_16_bits.items():
            brightest.setdefault(kind, []).append(value)
    return [
        f"{kind}: {len(values)} of 16 bits are read as value / 257; their brightest becomes "
        f"{max(values)} of 255"
        for kind, values in brightest.items()
    ]
