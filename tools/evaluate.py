"""Scores saved predictions of any method; no model is run.

    python tools/evaluate.py --task ranking --pred ranked_instances.json --gt ranked.json
    python tools/evaluate.py --task ranking --pred rank_maps/ --dataset assr_test --protocol all
    python tools/evaluate.py --task ranking --pred saliency/ --rank-by-saliency --gt ranked.json
    python tools/evaluate.py --task ranking --pred results.json --gt ranked.json --output scores/
    python tools/evaluate.py --task ranking --pred results.json --gt ranked.json --threshold .3 .4
    python tools/evaluate.py --task dense --pred maps/ --gt masks/ --output scores/
    python tools/evaluate.py --task dense --pred maps/ --gt masks/ --protocol pysod a2s
    python tools/evaluate.py --task dense --pred ours=a/ --pred theirs=b/ --gt masks/ --protocol all
    python tools/evaluate.py --task fixation --pred maps/ --dataset osie_val --output scores/
    python tools/evaluate.py --task fixation --pred maps/ --pred centre --pred mean:osie_train \
        --dataset osie_val --flavour mit

ranking: --pred is a results JSON (bare COCO results with a "rank" each will do), a folder of grey
rank maps (brighter = more salient), or with --rank-by-saliency a folder of dense maps that order
the true objects (or those of --objects) by their mean inside each.

dense: --pred is a folder of grey maps named like the masks; of several methods NAME=FOLDER each.

fixation: --pred is a folder of grey maps named like the pictures, "centre" (a centred Gaussian), or
"mean:DATASET" (the mean map of a training set); --extra names data sets of your own.

With --output are written: metrics.json (with every constant of the protocol), per_image.csv,
metrics.md; dense also metrics.csv and pictures of the curves. Exit status: 0 all was scored;
1 something was left out; 2 nothing could be done.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import math
import multiprocessing
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__" and "forkserver" in multiprocessing.get_all_start_methods():
    # The clean process that workers are forked off imports torch while this one does.
    from multiprocessing import forkserver

    forkserver.set_forkserver_preload(["sor_ppa.evaluation"])
    forkserver.ensure_running()

from detectron2.data import DatasetCatalog, MetadataCatalog
from tqdm import tqdm

from evaluate_dense import add_dense_arguments, run_dense
from evaluate_fixation import add_fixation_arguments, run_fixation
from sor_ppa.data.image_io import write_json
from sor_ppa.data.problems import read_json
from sor_ppa.data.ranking import load_ranked_coco
from sor_ppa.data.ranking.coco_file import rank_info
from sor_ppa.errors import ConfigError, SaliencyError
from sor_ppa.evaluation.dense_report import write_texts
from sor_ppa.evaluation.ground_truth import GroundTruth
from sor_ppa.evaluation.protocols import PROTOCOLS, get_protocol
from sor_ppa.evaluation.report import markdown_table, metrics_document, per_image_csv
from sor_ppa.evaluation.results_io import read_results
from sor_ppa.evaluation.saved_predictions import (
    PredictionSource,
    RankMapSource,
    ResultsSource,
    SaliencySource,
)
from sor_ppa.evaluation.saved_scores import SavedScores, score_saved
from sor_ppa.visualization.rank_maps import DRAWINGS, MAX_RANKS

logger = logging.getLogger("sor_ppa.evaluate")


@dataclasses.dataclass(frozen=True)
class Task:
    """A kind of evaluation: what it adds to the command line, and what it does."""

    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def add_ranking_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``--task ranking``."""
    add = parser.add_argument
    add("--pred", required=True, help="results JSON, or folder of maps")
    truth = parser.add_mutually_exclusive_group(required=True)
    truth.add_argument("--gt", help="ranked COCO JSON")
    truth.add_argument("--dataset", help="registered data set, e.g. assr_test")
    add("--images", help="picture folder of --gt; only needed where the JSON lacks their sizes")
    add("--gt-maps", help="folder of true rank maps; default: painted from the masks")
    add("--rank-by-saliency", action="store_true", help="--pred holds dense saliency maps")
    add("--objects", help="results JSON of objects to rank; default: the true ones")
    add("--protocol", choices=[*PROTOCOLS, "all"], default="ppa", help="default: ppa")
    add("--drawing", choices=DRAWINGS, default="exact", help="of rank maps; default: exact")
    add("--threshold", type=float, nargs="+", metavar="T", help="score thresholds to compare")
    add("--num-ranks", type=int, default=5, help="objects that have a rank; default: 5")
    add("--all-objects", action="store_true", help="AP, AR: true objects without rank count too")
    add("--no-coco", action="store_true", help="no AP and AR")
    add("--allow-missing", action="store_true", help="leave out missing and unusable predictions")
    add("--strict", action="store_true", help="faults that would be mended are errors")
    add("--num-workers", type=int, default=0, help="processes; 0 = this one")
    add("--output", help="folder for metrics.json, per_image.csv and metrics.md")


def run_ranking(args: argparse.Namespace) -> int:
    """Scores ranked instances, rank maps, or objects ranked by saliency maps."""
    _check_arguments(args)
    gt = _ground_truth(args)
    source = _source(args, gt)
    if args.threshold and not source.has_scores:
        raise ConfigError(f"--threshold: {source.kind} have no scores; leave it out")
    names = list(PROTOCOLS) if args.protocol == "all" else [args.protocol]
    scores = score_saved(
        gt,
        source,
        protocols=[get_protocol(name, drawing=args.drawing) for name in names],
        thresholds=[None, *args.threshold] if args.threshold else [None],
        coco=not args.no_coco,
        allow_missing=args.allow_missing,
        num_workers=args.num_workers,
        progress=_progress,
    )
    ranks = rank_info(read_json(args.gt)) if args.gt else {}
    table = markdown_table(scores.runs, _notes(args, source, ranks))
    print(table, end="")
    if args.output:
        _write(args, scores, source, ranks, table)
    for text in [f"no prediction for {name}" for name in scores.missing] + scores.faults:
        logger.warning("left out: %s", text)
    for text in scores.extra:
        logger.warning("not looked at: %s is not in the ground truth", text)
    return 1 if scores.skipped else 0


TASKS = {
    "ranking": Task(add_ranking_arguments, run_ranking),
    "dense": Task(add_dense_arguments, run_dense),
    "fixation": Task(add_fixation_arguments, run_fixation),
}


def _check_arguments(args: argparse.Namespace) -> None:
    if not 1 <= args.num_ranks <= MAX_RANKS:
        raise ConfigError(f"--num-ranks must lie in 1 ... {MAX_RANKS}, got {args.num_ranks}")
    if args.num_workers < 0:
        raise ConfigError(f"--num-workers must be 0 or more, got {args.num_workers}")
    if not all(map(math.isfinite, args.threshold or ())):
        raise ConfigError(f"--threshold must be finite numbers, got {args.threshold}")
    if args.objects and not args.rank_by_saliency:
        raise ConfigError("--objects goes with --rank-by-saliency")
    if args.images and not args.gt:
        raise ConfigError("--images goes with --gt; a registered data set knows its own")
    if args.rank_by_saliency and not Path(args.pred).expanduser().is_dir():
        raise ConfigError(f"--rank-by-saliency: --pred must be a folder of maps, got {args.pred}")


def _ground_truth(args: argparse.Namespace) -> GroundTruth:
    gt_root = args.gt_maps
    if args.gt:
        images = args.images if args.images else Path(args.gt).parent
        dicts = load_ranked_coco(
            args.gt, images, strict=args.strict, need_pictures=args.images is not None
        )
    elif args.dataset in DatasetCatalog.list():
        dicts = DatasetCatalog.get(args.dataset)
        gt_root = gt_root or MetadataCatalog.get(args.dataset).get("gt_root")
    else:
        known = [n for n in DatasetCatalog.list() if _is_ranking(n)]
        raise ConfigError(f"--dataset {args.dataset!r} is not known; use {', '.join(known)}")
    gt = GroundTruth(
        dicts,
        name=args.gt or args.dataset,
        gt_root=gt_root,
        num_ranks=args.num_ranks,
        ranked_only=not args.all_objects,
    )
    if gt.ranks_left_out():
        logger.warning(
            "%d true objects have a rank above %d and count as not ranked; see --num-ranks",
            gt.ranks_left_out(),
            args.num_ranks,
        )
    return gt


def _is_ranking(name: str) -> bool:
    return MetadataCatalog.get(name).get("evaluator_type") == "ranking"


def _source(args: argparse.Namespace, gt: GroundTruth) -> PredictionSource:
    if args.rank_by_saliency:
        objects = None
        if args.objects:
            results = read_results(args.objects, strict=args.strict, need_ranks=False)
            objects = ResultsSource(results, gt, name=args.objects)
        return SaliencySource(args.pred, gt, objects)
    if Path(args.pred).expanduser().is_dir():
        return RankMapSource(args.pred, gt)
    results = read_results(Path(args.pred).expanduser(), strict=args.strict)
    return ResultsSource(results, gt, name=args.pred)


def _progress(items: Iterable[Any], total: int) -> Iterable[Any]:
    return tqdm(items, total=total, desc="scoring", unit="image", disable=None)


def _notes(args: argparse.Namespace, source: PredictionSource, ranks: dict[str, Any]) -> list[str]:
    truth = f"ground truth: {args.gt or args.dataset}"
    if ranks.get("source") == "derived":
        truth += f"; its ranks are derived ({ranks.get('rule', 'rule not stated')}), not people's"
    return [f"predictions: {args.pred} ({source.kind})", truth]


def _write(
    args: argparse.Namespace,
    scores: SavedScores,
    source: PredictionSource,
    ranks: dict[str, Any],
    table: str,
) -> None:
    folder = Path(args.output).expanduser()
    document = metrics_document(
        scores.runs,
        dataset=args.gt or args.dataset,
        num_ranks=args.num_ranks,
        ranks=ranks,
        predictions={"path": args.pred, "kind": source.kind, "objects": args.objects},
        left_out={"missing": scores.missing, "extra": scores.extra, "faults": scores.faults},
    )
    write_json(folder / "metrics.json", document, indent=2)
    write_texts(folder, {"per_image.csv": per_image_csv(scores.runs), "metrics.md": table})
    print(f"written to {folder}")


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line; the arguments depend on ``--task``."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--task", choices=list(TASKS))
    task = first.parse_known_args(argv)[0].task
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--task", required=True, choices=list(TASKS), help="what is scored")
    if task:
        TASKS[task].add_arguments(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the tool and returns its exit status."""
    args = parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    try:
        return TASKS[args.task].run(args)
    except (SaliencyError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
