r"""Learns saliency without labels: stage 1, pseudo labels, stage 2 and evaluation in one go.

    python tools/train_unsupervised.py --modality rgb --images photos/ --output run/
    python tools/train_unsupervised.py --modality rgbd --images rgb/ --depth depth/ --output run/
    python tools/train_unsupervised.py --modality video --images frames/ --output run/
    python tools/train_unsupervised.py --modality rgb --output run/ --resume   # after a kill
    python tools/train_unsupervised.py --modality joint --set rgb a/ --set rgbd b/ d/ --output run/
    python tools/train_unsupervised.py --config-file a2s/unsupervised-rgb-tiny.yaml --output run/ \
        --weights encoder.pth --test ecssd

No mask is read in training. --masks and the test sets only serve to score. Files of several folders
belong together when their names agree up to the suffix. Without --images the sets that the
configs name are used (see datasets/README.md). Of videos without --flow the flow is computed.

Whatever is finished in --output is passed over with --resume, and what was interrupted goes on.
Exit status: 0 all was done; 2 nothing could be done, or settings changed; 130 or 143 after a
signal: go on with --resume.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from detectron2.utils.logger import setup_logger
from tqdm import tqdm

from sor_ppa.data.dense.pseudo import TASKS
from sor_ppa.errors import ConfigError, SaliencyError
from sor_ppa.unsupervised.own_sets import KINDS, OwnSet, own_sets, parse_set
from sor_ppa.unsupervised.plan import JOINT, Request
from sor_ppa.unsupervised.stages import STEPS, train_unsupervised


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--modality", choices=[*TASKS, JOINT], help="what is seen; default: rgb")
    add("--config-file", help="default: a2s/unsupervised-<modality>.yaml")
    add("--output", required=True, help="folder of the run")
    _add_sets(parser)
    add("--weights", default="", help="that both stages start from; default: their configs'")
    add("--stage1-weights", default="", metavar="FILE", help="trained stage 1; none is trained")
    add("--only", nargs="+", choices=STEPS, default=STEPS, metavar="STEP", help=" | ".join(STEPS))
    add("--resume", action="store_true", help="go on with the run in --output")
    add("--workers", type=int, default=_cores(), help="for flow, labels, metrics; default: cores")
    add("--num-gpus", type=int, default=1, metavar="N")
    add("--num-processes", type=int, default=0, metavar="N", help="CPU processes in place of GPUs")
    add("--allow-pickle", action="store_true", help="weights may be pickles: they can run any code")
    add("--opts", nargs=argparse.REMAINDER, default=[], help="KEY VALUE ... for both stages; last")
    return parser.parse_args(argv)


def _add_sets(parser: argparse.ArgumentParser) -> None:
    for prefix in ("", "test-"):
        what = "to evaluate on" if prefix else "to learn from"
        add = parser.add_argument_group(f"pictures {what}").add_argument
        add(f"--{prefix}images", metavar="FOLDER")
        for kind in KINDS.values():
            add(f"--{prefix}{kind}", default="", metavar="FOLDER")
        add(f"--{prefix}masks", default="", metavar="FOLDER", help="only for scoring")
        add(
            f"--{prefix}set",
            nargs="+",
            action="append",
            default=[],
            metavar="WORD",
            help="TASK IMAGES [DEPTH, THERMAL OR FLOW] [masks=FOLDER]; several times for joint",
        )
        if prefix:
            add("--test", nargs="+", metavar="NAME", help="registered data sets")


def make_request(args: argparse.Namespace) -> Request:
    """What the command line asks for.

    Raises:
        ConfigError: options that do not go together.
    """
    if len(args.opts) % 2:
        raise ConfigError(f"--opts: KEY VALUE in pairs, got {' '.join(args.opts)}")
    if args.workers < 0:
        raise ConfigError(f"--workers must be 0 or more, got {args.workers}")
    modality = args.modality or "rgb"
    train, test = _sets(args, modality, ""), _sets(args, modality, "test_")
    if without := [own.images for own in test if not own.masks]:
        raise ConfigError(f"{without[0]}: pictures to evaluate on need masks (--test-masks)")
    if args.config_file and not args.modality and (args.images or args.test_images):
        raise ConfigError("--modality: say what --images are")
    return Request(
        output=Path(os.path.abspath(os.path.expanduser(args.output))),
        config_file=args.config_file or f"a2s/unsupervised-{modality}.yaml",
        train=train,
        test=test,
        test_names=None if args.test is None else tuple(args.test),
        weights=args.weights,
        stage1_weights=args.stage1_weights,
        opts=tuple(args.opts),
        workers=args.workers,
        num_gpus=args.num_gpus,
        num_processes=args.num_processes,
        allow_pickle=args.allow_pickle,
        resume=args.resume,
    )


def _sets(args: argparse.Namespace, modality: str, prefix: str) -> tuple[OwnSet, ...]:
    """Folders to learn from ("") or to evaluate on ("test_")."""
    images, masks, words = (getattr(args, prefix + part) for part in ("images", "masks", "set"))
    option = "--" + prefix.replace("_", "-")
    beside = {kind: getattr(args, prefix + kind) for kind in KINDS.values()}
    given = [kind for kind, folder in beside.items() if folder]
    name = f"own_{prefix.rstrip('_')}" if prefix else "own"
    sets = [parse_set(one, name) for one in words]
    if not images:
        if given or masks:
            raise ConfigError(f"{option}{[*given, 'masks'][0]} goes with {option}images")
        return own_sets(sets)
    if modality == JOINT:
        raise ConfigError(f"--modality joint: give folders as {option}set TASK IMAGES ...")
    if wrong := [kind for kind in given if kind != KINDS.get(modality)]:
        raise ConfigError(f"{option}{wrong[0]} does not go with --modality {modality}")
    folder = beside[KINDS[modality]] if modality in KINDS else ""
    return own_sets([OwnSet(f"{name}_{modality}", modality, images, folder, masks), *sets])


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def progress_bars() -> Callable[[str, int, int], None]:
    """Shows each thing that is being done as a bar."""
    bars: dict[str, tqdm] = {}

    def update(what: str, done: int, number: int) -> None:
        if what not in bars:
            bars[what] = tqdm(total=number, desc=what, unit="image", disable=None)
        bars[what].update(done - bars[what].n)
        if done >= number:
            bars[what].close()

    return update


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the tool and returns its exit status."""
    args = parse_args(argv)
    try:
        request = make_request(args)
        setup_logger(str(request.output), name="sor_ppa")
        print(train_unsupervised(request, steps=args.only, progress=progress_bars()), end="")
    except (SaliencyError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    sys.exit(main())
