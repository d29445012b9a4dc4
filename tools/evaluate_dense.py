"""``evaluate.py --task dense``: scores folders of saliency maps."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from detectron2.data import DatasetCatalog, MetadataCatalog
from tabulate import tabulate
from tqdm import tqdm

from sor_ppa.data.aliases import resolve_name
from sor_ppa.errors import ConfigError, DataError
from sor_ppa.evaluation.dense import PROTOCOLS
from sor_ppa.evaluation.dense_folders import (
    FolderJob,
    FolderScores,
    MaskFiles,
    list_masks,
    score_folders,
)
from sor_ppa.evaluation.dense_oracle import KEYS, compare_with_oracle
from sor_ppa.evaluation.dense_plots import plot_curves
from sor_ppa.evaluation.dense_report import markdown_table, write_report
from sor_ppa.evaluation.sod.tally import Plan

logger = logging.getLogger("sor_ppa.evaluate")

_ORACLE_TOLERANCE = 1e-6


def add_dense_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``--task dense``."""
    add = parser.add_argument
    add("--pred", required=True, action="append", metavar="[NAME=]FOLDER", help="maps of a method")
    truth = parser.add_mutually_exclusive_group(required=True)
    truth.add_argument("--gt", help="folder of masks")
    truth.add_argument("--dataset", help="registered data set, e.g. duts_test")
    add(
        "--protocol",
        nargs="+",
        metavar="NAME",
        default=["pysod"],
        help=f"one or several of {', '.join(PROTOCOLS)}, or all; default: pysod",
    )
    add("--metrics", nargs="+", help="e.g. sm wfm mba, or all; default: all but slow ones")
    add("--resize", action="store_true", help="maps may have another size than their masks")
    add("--allow-missing", action="store_true", help="leave out missing and unusable maps")
    add("--workers", type=int, default=available_cores(), help="processes; default: all cores")
    add("--output", help="folder for tables, metrics.json and pictures of the curves")
    add("--no-plots", dest="plots", action="store_false", help="no pictures of the curves")
    add(
        "--oracle",
        nargs="?",
        type=int,
        const=20,
        default=0,
        metavar="N",
        help="score N (20) pictures with PySODMetrics too and print the differences",
    )


def run_dense(args: argparse.Namespace) -> int:
    """Scores every method under every protocol."""
    if args.workers < 0 or args.oracle < 0:
        raise ConfigError("--workers and --oracle must be 0 or more")
    job = _job(args)
    with _progress("scoring", len(job.names)) as update:
        scores = score_folders(
            job, allow_missing=args.allow_missing, workers=args.workers, progress=update
        )
    notes = [f"masks: {args.gt or args.dataset}, {len(job.names)} pictures"]
    print(markdown_table(scores.runs, notes), end="")
    if args.output:
        _write(args, job, scores, notes)
    for text in [*scores.missing, *scores.faults]:
        logger.warning("left out: %s", text)
    for text in scores.extra:
        logger.warning("not looked at: %s", text)
    agrees = _compare(job, args.oracle) if args.oracle else True
    left_out = scores.missing or scores.faults or scores.extra
    return 1 if left_out or not agrees else 0


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _job(args: argparse.Namespace) -> FolderJob:
    masks: dict[str, MaskFiles]
    masks = {**list_masks(args.gt)} if args.gt else _masks_of(args.dataset)
    protocols = list(PROTOCOLS) if "all" in args.protocol else args.protocol
    return FolderJob(
        names=tuple(masks),
        masks=tuple(masks.values()),
        maps={name: list_masks(folder) for name, folder in named_methods(args.pred).items()},
        plan=Plan.of(protocols, args.metrics),
        resize=args.resize,
    )


def named_methods(
    given: list[str], *, is_whole: Callable[[str], bool] = lambda text: False
) -> dict[str, str]:
    """Folder of each method by its name: the one given, else that of the folder.

    Args:
        given: FOLDER or NAME=FOLDER.
        is_whole: whether a text stands for something else and is its own name.

    Raises:
        ConfigError: two methods of one name.
    """
    methods: dict[str, str] = {}
    for text in given:
        name, equals, folder = text.partition("=")
        if is_whole(text):
            name, folder = text, text
        elif not equals or Path(text).expanduser().is_dir():
            name, folder = Path(text).expanduser().resolve().name, text
        if not name or name in methods:
            raise ConfigError(f"--pred {text}: give every method a name of its own, NAME=FOLDER")
        methods[name] = folder
    return methods


def _masks_of(dataset: str) -> dict[str, MaskFiles]:
    name = resolve_name(dataset)
    if name not in DatasetCatalog.list():
        known = ", ".join(n for n in DatasetCatalog.list() if _is_dense(n))
        raise ConfigError(f"--dataset {dataset!r} is not known; use {known}")
    masks = {
        str(item["image_id"]): item["sem_seg_file_name"]
        for item in DatasetCatalog.get(name)
        if item.get("sem_seg_file_name")
    }
    if not masks:
        raise DataError([f"{name}: has no saliency masks"], what="arguments")
    return masks


def _is_dense(name: str) -> bool:
    return MetadataCatalog.get(name).get("evaluator_type") == "dense"


@contextlib.contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[int], Any]]:
    with tqdm(total=total, desc=what, unit="image", disable=None) as bar:
        yield bar.update


def _write(
    args: argparse.Namespace, job: FolderJob, scores: FolderScores, notes: list[str]
) -> None:
    folder = Path(args.output).expanduser()
    left_out = {"missing": scores.missing, "extra": scores.extra, "faults": scores.faults}
    write_report(
        folder,
        scores.runs,
        job.names,
        dataset=args.gt or args.dataset,
        notes=notes,
        predictions=named_methods(args.pred),
        left_out=left_out,
    )
    if args.plots:
        plot_curves(folder, scores.runs)
    print(f"written to {folder}")


def _compare(job: FolderJob, number: int) -> bool:
    """Prints the differences from PySODMetrics; whether all are within rounding."""
    with _progress("oracle", number * len(job.maps)) as update:
        rows = compare_with_oracle(job, number, update)
    print("\nLargest differences from PySODMetrics:\n")
    print(tabulate(rows, headers="keys", tablefmt="github", floatfmt=".1e"))
    worst = max(row[key] for row in rows for key in KEYS)
    if worst > _ORACLE_TOLERANCE:
        logger.error("differs from PySODMetrics by %.1e, more than rounding explains", worst)
    return worst <= _ORACLE_TOLERANCE
