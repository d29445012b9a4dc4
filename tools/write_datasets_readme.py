"""Brings the generated parts of datasets/README.md up to date with the table of benchmarks.

python tools/write_datasets_readme.py
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from sor_ppa.data.aliases import resolve_name
from sor_ppa.data.benchmarks import FAMILIES, Benchmark, Layout
from sor_ppa.data.benchmarks.rows import (
    fixation,
    rgb_toolkits,
    rgbd_toolkits,
    rgbt,
    same_folder,
    video,
)
from sor_ppa.data.dense.pseudo import label_path, task_of
from sor_ppa.data.pairs import Folder

README = Path(__file__).resolve().parents[1] / "datasets" / "README.md"

_USED_BY = {
    "inspyrenet": "InSPyReNet; also below `Train_Dataset/` and `Test_Dataset/`",
    "a2s-rgb": "A2S-v2, SALOD",
    "pgnet": "PGNet",
    "a2s-rgbd": "A2S-v2",
    "caver": "CAVER, HDFNet",
    "bbs-rgbd": "BBS-Net and most later work",
    "a2s-rgbt": "A2S-v2",
    "a2s-video": "A2S-v2; a folder a video inside each",
    "flat": "CascadePSP",
    "msinet": "MSI-Net; `{s}` also in lower case",
}
# Sets that networks without labels are trained on, and those that they are compared on, as their
# papers call them (Zhou et al., CVPR 2023).
_TRAINED_ON = ("DUTS-TR", "MSB-TR", "RGBD-TR", "RGBD-TR-2985", "VT5000-TR", "VSOD-TR")
_COMPARED_ON = (
    *("PASCAL-S", "ECSSD", "MSB-TE", "DUTS-TE", "HKU-IS", "DUT-OMRON"),
    *("NJUD", "NLPR", "RGBD135", "SIP", "VT5000-TE", "VT1000", "VT821"),
    *("FBMS", "SegV2", "DAVIS-TE", "DAVSOD-TE"),
)
_NAMES = {"image": "pictures", "mask": "masks"}


def filled_readme(text: str) -> str:
    """The README with what stands between its markers made anew."""
    for name, lines in (("sets", _sets()), ("layouts", _layouts()), ("tasks", _tasks())):
        begin, end = f"<!-- generated: {name} -->", f"<!-- end of {name} -->"
        before, rest = text.split(begin)
        text = f"{before}{begin}\n\n{chr(10).join(lines)}\n\n{end}{rest.split(end)[1]}"
    return text


def _sets() -> Iterator[str]:
    """A table for each family of sets."""
    first = True
    for title, rows in FAMILIES.items():
        yield from ([] if first else [""])
        first = False
        yield f"### {title}"
        yield ""
        yield "| names | set | pictures | size | from | terms |"
        yield "|---|---|---|---|---|---|"
        yield from map(_row, rows)


def _row(row: Benchmark) -> str:
    names = ", ".join(f"`{name}`" for name in row.registered())
    title = f"{row.title}, {row.paper}" + (f"; {row.note}" if row.note else "")
    counts = " / ".join(_count(split.count, split.is_stated) for split in row.splits.values())
    short = re.sub(r"^https?://(www\.)?(github\.com/)?", "", row.homepage).strip("/")
    home = f"[{short}]({row.homepage})" if row.homepage else "-"
    return f"| {names} | {title} | {counts} | {row.size or '-'} | {home} | {row.licence} |"


def _count(count: int | None, is_stated: bool) -> str:
    if count is None:
        return "?"
    return f"{count:,}" if is_stated else f"{count:,}\\*"


def _layouts() -> Iterator[str]:
    """The toolkits' layouts, and where which set is looked for."""
    yield "| layout | tree | used by |"
    yield "|---|---|---|"
    for layout in _patterns():
        yield f"| {layout.family} | {_tree(layout)} | {_USED_BY[layout.family]} |"
    yield ""
    yield "```"
    for rows in FAMILIES.values():
        yield from (line for row in rows if not row.loader for line in _places(row))
    yield "```"


def _tasks() -> Iterator[str]:
    """The sets of the literature by task, and where their pseudo labels lie."""
    yield "| task | set for training | its pseudo labels | sets for comparison |"
    yield "|---|---|---|---|"
    for paper in _TRAINED_ON:
        name, task = resolve_name(paper), task_of(paper)
        where = label_path("<root>", task, name, "<video>/<stem>" if task == "video" else "<stem>")
        tests = [f"`{resolve_name(test)}`" for test in _COMPARED_ON if task_of(test) == task]
        yield f"| {task} | `{name}` ({paper}) | `{where}` | {', '.join(tests)} |"


def _patterns() -> list[Layout]:
    found = [*rgb_toolkits("{s}"), *rgbd_toolkits("{s}"), rgbt("a2s-rgbt", "RGBT/{s}")]
    found += [video("{s}"), same_folder("flat", "{s}")]
    gaze = {"saliency": "{s}/saliency", "fixation": "{s}/fixations"}
    found += [fixation("msinet", "{s}/stimuli", **gaze)]
    return list({layout.family: layout for layout in reversed(found)}.values())[::-1]


def _tree(layout: Layout) -> str:
    parts = []
    for kind, folder in layout.folders.items():
        suffix = "*.png" if folder.suffixes == (".png",) else "*.jpg"
        inside = f"/{suffix}" if layout.family == "flat" else ""
        optional = " (may be missing)" if kind in layout.optional else ""
        parts.append(f"{_NAMES.get(kind, kind)} `{folder.path}{inside}`{optional}")
    return ", ".join(parts)


def _places(row: Benchmark) -> Iterator[str]:
    for name, split in row.registered().items():
        yield name
        toolkits: dict[str, list[str]] = {}
        for layout in split.layouts:
            spelling = _spelling(layout)
            if spelling is None:
                yield f"    {_compact(layout)}"
            elif spelling not in toolkits.setdefault(layout.family, []):
                toolkits[layout.family].append(spelling)
        merged: dict[tuple[str, ...], list[str]] = {}
        for family, spellings in toolkits.items():
            merged.setdefault(tuple(spellings), []).append(family)
        for names, families in merged.items():
            yield f"    {', '.join(families)}: {', '.join(names)}"


def _spelling(layout: Layout) -> str | None:
    """What ``{s}`` is in the layout, if it is one of a toolkit's."""
    for pattern in _patterns():
        if pattern.family == layout.family and layout.family != "flat":
            path = re.escape(pattern.folders["image"].path).replace(r"\{s\}", "(.+)")
            found = re.fullmatch(f"(?:Train_Dataset/|Test_Dataset/)?{path}(?:/.*)?", _path(layout))
            return found[1] if found else None
    return None


def _path(layout: Layout) -> str:
    return layout.folders["image"].path


def _compact(layout: Layout) -> str:
    """``DUTS-TR/{DUTS-TR-Image, DUTS-TR-Mask}``: the folders of all kinds in one line."""
    folders: list[Folder] = list(layout.folders.values())
    paths = [folder.path for folder in folders]
    lists = f", names in {' and '.join(layout.lists)}" if layout.lists else ""
    lists += f", points of all in {layout.points}" if layout.points else ""
    if len(paths) == 1:
        return f"{paths[0]}{lists}"
    if len(set(paths)) == 1:
        deep = "**/" if folders[0].recursive else ""
        return f"{paths[0]}/{deep}*.{{jpg,png}}, masks are the .png files{lists}"
    common = os.path.commonpath(paths) if all("/" in path for path in paths) else ""
    if not common:
        return f"{', '.join(paths)}{lists}"
    tails = [os.path.relpath(path, common) for path in dict.fromkeys(paths)]
    return f"{common}/{{{', '.join('' if tail == '.' else tail for tail in tails)}}}{lists}"


def main() -> None:
    """Writes the file."""
    README.write_text(filled_readme(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
