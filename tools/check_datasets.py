"""Looks the data sets over: are they there, whole, and what is in them?

    python tools/check_datasets.py                       # every set that is there
    python tools/check_datasets.py duts_test ECSSD       # these, under any of their names
    python tools/check_datasets.py --sample 100 --json report.json
    python tools/check_datasets.py --list                # names, and folders looked for
    python tools/check_datasets.py --folders images masks depth=depth     # folders of your own

Sets are looked for below $DETECTRON2_DATASETS (or --root). Exit status: 0 = no fault, 1 = a set has
faults, or one that was named is not there, 2 = wrong arguments.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from tqdm import tqdm

from sor_ppa.cli.ending import exit_status
from sor_ppa.data import datasets_root, resolve_name, write_json
from sor_ppa.data.benchmarks import BENCHMARKS, Benchmark
from sor_ppa.data.checks import SetReport, check_set, folders_row
from sor_ppa.data.dense.folders import sod_paths
from sor_ppa.data.extra import folder_options
from sor_ppa.errors import ConfigError, DataError

_SHOWN = 20


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("names", nargs="*", help="sets; none = all that are there")
    add(
        "--folders",
        nargs="+",
        metavar="FOLDER",
        help='in place of names: pictures, masks ("" = none), then depth=FOLDER, thermal=FOLDER, '
        "flow=FOLDER, and video if the pictures are frames",
    )
    add("--root", help="folder of all sets; default: $DETECTRON2_DATASETS, or datasets")
    add("--sample", type=int, metavar="N", help="open only N pictures of each set")
    add("--json", metavar="FILE", help="write the report to a file; - = standard output")
    add("--list", action="store_true", help="show what there is to check")
    add("--quiet", action="store_true", help="no progress bar")
    args = parser.parse_args(argv)
    if args.sample is not None and args.sample < 0:
        raise DataError([f"--sample {args.sample}: 0 or more"], what="arguments")
    if args.folders and args.names:
        raise ConfigError("give either names of sets or --folders")
    return args


def run(args: argparse.Namespace) -> int:
    """Checks and reports; returns the exit status."""
    rows = {name: row for row in BENCHMARKS for name in row.registered()}
    if args.folders:
        row = _own_row(args.folders)
        rows, args.names, args.root = {row.name: row}, [row.name], "."
    if args.list:
        print("\n".join(_listed(rows)))
        return 0
    root = args.root or datasets_root()
    reports = []
    for name in _chosen(args.names, rows):
        progress = None if args.quiet else partial(_progress, name)
        report = check_set(rows[name], name, root, sample=args.sample, progress=progress)
        if not report.layout and not args.names:
            continue
        reports.append(report)
        if args.json != "-":
            print("\n".join(_lines(report)), flush=True)
    if not reports:
        text = f"{root}: none of the {len(rows)} sets is there; --list shows what is looked for"
        raise DataError([text], what="folder of all sets")
    _write(args.json, reports)
    return 1 if any(report.errors for report in reports) else 0


def _chosen(names: Sequence[str], rows: dict[str, Benchmark]) -> list[str]:
    chosen = [name if name in rows else resolve_name(name) for name in names] or list(rows)
    unknown = [name for name in chosen if name not in rows]
    if unknown:
        raise ConfigError(f"no data set {unknown[0]!r} in the table; --list shows all names")
    return list(dict.fromkeys(chosen))


def _own_row(words: Sequence[str]) -> Benchmark:
    """The folders of ``--folders``."""
    images, *further = words
    masks = further.pop(0) if further and "=" not in further[0] and further[0] != "video" else ""
    options = folder_options(further, "--folders")
    video = options.pop("video", False)
    return folders_row(sod_paths(images, masks, options), video=video)


def _listed(rows: dict[str, Benchmark]) -> Iterator[str]:
    for name, row in rows.items():
        split = row.registered()[name]
        places = [layout.folders["image"].path for layout in split.layouts] or [row.folder]
        yield f"{name}: {', '.join(dict.fromkeys(places))}"


def _progress(name: str, blocks: Iterable[Any], total: int) -> Iterable[Any]:
    return tqdm(blocks, total=total, desc=name, unit="block", leave=False)


def _write(target: str | None, reports: list[SetReport]) -> None:
    content = {"sets": [report.as_dict() for report in reports]}
    if target == "-":
        print(json.dumps(content, indent=1))
    elif target:
        write_json(target, content, indent=1)


def _lines(report: SetReport) -> Iterator[str]:
    """The report of one set as text."""
    number = f"{report.pictures:,} pictures"
    if report.expected is not None:
        number += f" ({'' if report.is_stated else 'commonly '}{report.expected:,})"
    yield f"{report.name}: {f'layout {report.layout}, {number}' if report.layout else 'not there'}"
    for kind, path in report.folders.items():
        yield f"    {kind}: {path}"
    if report.masks:
        yield "    masks: " + "; ".join(f"{n:,} x {kind}" for kind, n in report.masks.most_common())
    for kind, found in report.modalities.items():
        yield f"    {kind}: " + "; ".join(f"{n:,} x {name}" for name, n in found.most_common())
    sizes = report.as_dict()["sizes"]
    if sizes:
        yield "    sizes (height x width): " + ", ".join(
            f"{which} {height} x {width}" for which, (height, width) in sizes.items()
        )
    told = {"note": report.notes, "warning": report.warnings, "error": report.errors}
    for kind, texts in told.items():
        yield from (f"    {kind}: {text}" for text in texts[:_SHOWN])
        if len(texts) > _SHOWN:
            yield f"    ... and {len(texts) - _SHOWN} more"


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; errors that the user can cure end with status 2."""
    return exit_status(lambda: run(parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
