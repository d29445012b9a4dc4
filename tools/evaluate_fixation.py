"""``evaluate.py --task fixation``: scores folders of fixation maps, and what must be beaten."""

from __future__ import annotations

import argparse
import ast
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from tqdm import tqdm

from evaluate_dense import available_cores, named_methods
from sor_ppa.config import get_cfg
from sor_ppa.data import register_extra
from sor_ppa.data.aliases import resolve_name
from sor_ppa.data.files import PICTURE_SUFFIXES, all_by_stem
from sor_ppa.data.fixation.map_io import read_map
from sor_ppa.errors import ConfigError, DataError, SaliencyError
from sor_ppa.evaluation.fixation import DEFAULT_SIGMA, FLAVOURS, METRICS, Rules, centre_bias, choose
from sor_ppa.evaluation.fixation_report import FixationRun, table, write_fixation_report
from sor_ppa.evaluation.gaze.baselines import mean_map
from sor_ppa.evaluation.gaze.crew import Crew
from sor_ppa.evaluation.gaze.truth import FixationTruth

logger = logging.getLogger("sor_ppa.evaluate")

_CENTRE = "centre"
_MEAN = "mean:"
Maps = Callable[[str, tuple[int, int]], np.ndarray]


def add_fixation_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``--task fixation``."""
    add = parser.add_argument
    add(
        "--pred",
        required=True,
        action="append",
        metavar="[NAME=]FOLDER",
        help="grey maps (.png, .npy) of a method; or 'centre' = a centred Gaussian, or "
        "'mean:DATASET' = the mean map of a training set",
    )
    add("--dataset", required=True, help="registered data set with fixations, e.g. osie_val")
    add(
        "--extra",
        default="()",
        metavar="SETS",
        help="data sets of your own, as DATASETS.EXTRA of a config (see datasets/README.md)",
    )
    add("--flavour", choices=FLAVOURS, default=FLAVOURS[0], help="whose definitions")
    add("--metrics", nargs="+", default=(), help=f"of {', '.join(METRICS)}; default: all")
    add("--sigma", type=float, default=DEFAULT_SIGMA, help="of people's map, pixels (24)")
    add("--seed", type=int, default=0, help="of random negatives")
    add("--allow-missing", action="store_true", help="leave out missing and unusable maps")
    add("--workers", type=int, default=available_cores(), help="processes; default: all cores")
    add("--output", help="folder for tables and metrics.json")


def run_fixation(args: argparse.Namespace) -> int:
    """Scores every method."""
    if args.workers < 0 or not args.sigma > 0:
        raise ConfigError("--workers must be 0 or more, --sigma above 0")
    register_extra(_extra(args.extra))
    rules = Rules(args.flavour, choose(args.flavour, args.metrics), args.sigma, args.seed)
    truth = FixationTruth(_records(args.dataset), rules)
    methods = named_methods(args.pred, is_whole=_is_baseline)
    runs, problems, extra = [], list(truth.faults), []
    for name, what in methods.items():
        maps, unknown = _maps_of(what, truth)
        extra += [f"{name}: {path}" for path in unknown]
        run = FixationRun(name if len(methods) > 1 else "", rules)
        problems += [f"{name}: {text}" for text in _score(run, maps, truth, args.workers)]
        runs.append(run)
    if problems and not args.allow_missing:
        raise DataError(problems, what="maps (--allow-missing leaves them out)")
    notes = [f"fixations: {args.dataset}, {len(truth.names)} pictures"]
    print(table(runs, notes), end="")
    if args.output:
        left_out = {"problems": problems, "extra": extra}
        folder = Path(args.output).expanduser()
        write_fixation_report(
            folder, runs, truth.names, dataset=args.dataset, notes=notes, predictions=methods,
            left_out=left_out,
        )  # fmt: skip
        print(f"written to {folder}")
    for text in problems:
        logger.warning("left out: %s", text)
    for text in extra:
        logger.warning("not looked at: %s", text)
    return 1 if problems or extra else 0


def _extra(text: str) -> CfgNode:
    cfg = get_cfg()
    try:
        cfg.DATASETS.EXTRA = ast.literal_eval(text)
    except (ValueError, SyntaxError) as error:
        raise ConfigError(f"--extra {text!r}: expected a tuple of tuples of words") from error
    return cfg


def _records(dataset: str) -> list[dict[str, Any]]:
    name = resolve_name(dataset)
    if name not in DatasetCatalog.list():
        known = ", ".join(n for n in DatasetCatalog.list() if _has_fixations(n))
        raise ConfigError(
            f"data set {dataset!r} is not known; use {known}, or name yours (--extra)"
        )
    return DatasetCatalog.get(name)


def _has_fixations(name: str) -> bool:
    return MetadataCatalog.get(name).get("evaluator_type") == "fixation"


def _is_baseline(text: str) -> bool:
    return text == _CENTRE or text.startswith(_MEAN)


def _maps_of(what: str, truth: FixationTruth) -> tuple[Maps, list[str]]:
    """A function to an image's map, and files that belong to no image."""
    if what == _CENTRE:
        return lambda name, size: centre_bias(size), []
    if what.startswith(_MEAN):
        mean = mean_map(_records(what.removeprefix(_MEAN)))
        return lambda name, size: mean, []
    folder = Path(what).expanduser()
    if not folder.is_dir():
        raise ConfigError(f"--pred {what}: no such folder, and neither 'centre' nor 'mean:DATASET'")
    files = all_by_stem(str(folder), (*PICTURE_SUFFIXES, ".npy"))
    unknown = [path for stem, paths in files.items() if stem not in truth.index for path in paths]
    return lambda name, size: _read(files, name, folder), unknown


def _read(files: Mapping[str, Sequence[str]], name: str, folder: Path) -> np.ndarray:
    if name not in files:
        raise DataError([f"{folder}: no map named {name}.*"])
    return read_map(files[name][0])


def _score(run: FixationRun, maps: Maps, truth: FixationTruth, workers: int) -> list[str]:
    """Scores every image; gives back a line for each that could not be."""
    problems = []
    crew = Crew(truth, workers if workers > 1 else 0, run.add)
    try:
        for place, name in enumerate(tqdm(truth.names, desc="scoring", unit="image", disable=None)):
            try:
                crew.submit(place, maps(name, truth.sizes[place]))
            except SaliencyError as error:
                problems.append(str(error))
        crew.finish()
    finally:
        crew.cancel()
    return problems
