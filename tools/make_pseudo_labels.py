"""Labels a training set by a network that was trained on it without labels.

    python tools/make_pseudo_labels.py --config-file a2s/a2s-rgb.yaml MODEL.WEIGHTS stage1.pth
    python tools/make_pseudo_labels.py --config-file a2s/a2s-joint.yaml --root labels --score \
        --datasets duts_train,njud_train --sheet look.png MODEL.WEIGHTS stage1.pth
    python tools/make_pseudo_labels.py --config-file a2s/a2s-rgb.yaml MODEL.WEIGHTS stage1.pth \
        DATASETS.EXTRA "(('mine','pictures',''),)" DATASETS.TRAIN "('mine',)"

Otsu's threshold, a dense CRF (PSEUDO_LABELS.CRF auto, compiled, scipy or none) and a median filter
turn the network's maps into masks: <root>/<task>/<set>/<stem>.png with 0 and 255, which
DATASETS.TRAIN "('<set>_pseudo',)" trains on. A run that was stopped goes on when it is started
again. Exit status: 0 = every picture has a label, 1 = some could not be labelled, 2 = an error.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from detectron2.utils.logger import setup_logger
from tabulate import tabulate
from tqdm import tqdm

from evaluate_dense import available_cores
from sor_ppa.cli.ending import GOES_ON, exit_status
from sor_ppa.data import register_extra
from sor_ppa.engine.inference_config import inference_config
from sor_ppa.evaluation.report import format_score
from sor_ppa.pseudo_labels.labelling import SetLabels, make_pseudo_labels

_SCORES = ("MAE", "adpFm", "adpEm", "maxFm", "Sm")


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--config-file", required=True, help="of the network: path, or name below configs/")
    add("--datasets", type=_names, metavar="NAME,...", help="sets; default: DATASETS.TRAIN")
    add("--root", metavar="DIR", help="folder of all labels; default: DATASETS.PSEUDO_ROOT")
    add("--batch-size", type=int, default=8, help="pictures in one pass of the network")
    add(
        "--workers",
        type=int,
        default=available_cores(),
        help="processes of the CRF; default: all cores",
    )
    add("--loader-workers", type=int, help="processes that read; default: DATALOADER.NUM_WORKERS")
    add("--overwrite", action="store_true", help="make labels anew that are there already")
    add("--strict", action="store_true", help="stop at a picture that cannot be labelled")
    add("--score", action="store_true", help="compare with the masks of sets that have some")
    add("--sheet", metavar="FILE", help="picture of some pictures, probabilities and labels")
    add("--quiet", action="store_true", help="no progress bar")
    add("--allow-pickle", action="store_true", help="open weights that are a pickle")
    add("opts", nargs="*", help="config changes: KEY VALUE KEY VALUE ...")
    return parser.parse_args(argv)


def _names(text: str) -> list[str]:
    """With commas: after several words KEY VALUE pairs would be taken for further names."""
    return [name.strip() for name in text.split(",") if name.strip()]


def run(args: argparse.Namespace) -> int:
    """Labels and reports; returns the exit status."""
    cfg = inference_config(args.config_file, args.opts)
    setup_logger(name="sor_ppa")
    register_extra(cfg)
    with tqdm(desc="labels", unit="image", disable=args.quiet or None) as bar:
        sets = make_pseudo_labels(
            cfg,
            names=args.datasets,
            root=args.root,
            batch_size=args.batch_size,
            workers=args.workers,
            loader_workers=args.loader_workers,
            overwrite=args.overwrite,
            strict=args.strict,
            score=args.score,
            sheet=args.sheet,
            allow_pickle=args.allow_pickle,
            progress=lambda done, total: _advance(bar, done, total),
        )
    print(tabulate([_row(labels) for labels in sets], headers="keys", tablefmt="github"))
    return 1 if any(labels.faults for labels in sets) else 0


def _advance(bar: tqdm, done: int, total: int) -> None:
    if bar.total is None:
        # Labels of an earlier run took no time of this one.
        bar.reset(total)
        bar.initial = done
    bar.update(done - bar.n)


def _row(labels: SetLabels) -> dict[str, str | int]:
    row: dict[str, str | int] = {
        "set": labels.name,
        "labels": len(labels.shares),
        "made now": labels.made,
        "left out": len(labels.faults),
        "foreground": f"{labels.foreground:.3f}",
        "black": len(labels.black),
        "white": len(labels.white),
    }
    scores = labels.scores or {}
    row |= {name: format_score(scores[name], 4) for name in _SCORES if name in scores}
    return {**row, "folder": str(labels.folder)}


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; errors that the user can cure end with status 2."""
    return exit_status(lambda: run(parse_args(argv)), stopped=GOES_ON)


if __name__ == "__main__":
    sys.exit(main())
