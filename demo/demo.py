"""Ranks the salient objects of pictures, videos or a webcam and writes what people look at.

    python demo/demo.py --samples
    python demo/demo.py --input photo.jpg holiday/ "frames/*.png" clip.mp4 --output output/mine
    python demo/demo.py --config-file sor/ppa.yaml --input photo.jpg --opts MODEL.WEIGHTS my.pth

Exit status: 0 all done, 1 some inputs failed (they are listed), 2 nothing was done,
130 stopped with Ctrl-C (what was finished is there).
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
import time
from collections.abc import Sequence

from tqdm import tqdm

from sor_ppa.engine.inference_config import inference_config
from sor_ppa.engine.inputs import Source, expand_inputs, sample_pictures
from sor_ppa.engine.predictor import Predictor
from sor_ppa.engine.results import OutputOptions, ResultsFolder
from sor_ppa.engine.show import Outcome, VideoRun, outcome_table, rank_pictures, rank_webcam
from sor_ppa.errors import SaliencyError


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    head, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=head, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    # fmt: off
    add("--config-file", default="sor/tiny.yaml", metavar="FILE|NAME",
        help="a yaml file, or a config of the model zoo by name (default: %(default)s)")
    add("--input", nargs="+", default=[], metavar="WHAT",
        help="pictures, folders, globs in quotes, videos, webcam or webcam:1")
    add("--samples", action="store_true", help="free photos that ship with scikit-image")
    add("--output", default="output/demo", metavar="DIR", help="default: %(default)s")
    add("--confidence-threshold", type=float, metavar="P",
        help="class probability from which something counts as an object; default: the config's")
    add("--device", help="cpu, cuda, cuda:1 ...; default: the config's, or cpu without a GPU")
    add("--half", action="store_true", help="mixed precision")
    add("--fast", action="store_true", help="norms folded into convolutions; equal up to rounding")
    add("--max-pixels", type=int, metavar="N", help="refuse larger pictures (default: 100 million)")
    add("--no-overlay", action="store_true", help="do not draw over the pictures")
    add("--no-rank-map", action="store_true", help="do not write grey rank maps")
    add("--crop", nargs="?", type=int, const=1, default=0, metavar="N",
        help="also cut out the objects of rank 1 ... N (N = 1 when left out)")
    add("--show-unranked", action="store_true", help="outline objects without a rank, too")
    add("--resume", action="store_true", help="skip pictures that the output folder holds already")
    add("--strict", action="store_true", help="stop at the first input that fails")
    add("--allow-pickle", action="store_true", help="load pickled weights; they can run any code")
    add("--opts", nargs=argparse.REMAINDER, default=[], metavar="KEY VALUE",
        help="config keys and their values; must come last")
    # fmt: on
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the demo; the return value is the exit status."""
    args = build_parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s", stream=sys.stderr)
    logging.getLogger("fvcore").setLevel(logging.WARNING)
    try:
        return run(args)
    except (SaliencyError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; everything finished so far is in", args.output, file=sys.stderr)
        return 130


def run(args: argparse.Namespace) -> int:
    """Ranks everything the arguments name; 0, 1 or 2 as in the module's text.

    Raises:
        SaliencyError: nothing could be done, or (``--strict``) an input failed.
    """
    wanted = args.input + (sample_pictures() if args.samples else [])
    sources = expand_inputs(wanted, exclude=ResultsFolder.own_paths(args.output))
    cfg = inference_config(
        args.config_file, args.opts, device=args.device,
        threshold=args.confidence_threshold, max_pixels=args.max_pixels,
    )  # fmt: skip
    options = OutputOptions(
        not args.no_overlay, not args.no_rank_map, args.crop, args.show_unranked
    )
    results = ResultsFolder(
        args.output, sources=sources, num_ranks=cfg.MODEL.SOR.NUM_RANKS, options=options,
        info={"config": args.config_file, "weights": cfg.MODEL.WEIGHTS, "opts": args.opts,
              "confidence_threshold": args.confidence_threshold},
        resume=args.resume,
    )  # fmt: skip
    predictor = Predictor(cfg, half=args.half, fused=args.fast, allow_pickle=args.allow_pickle)
    started = time.perf_counter()
    failed = show_pictures(args, predictor, sources, results)
    for source in sources:
        if source.kind == "video":
            failed += show_video(args, predictor, source, results)
        elif source.kind == "webcam":
            rank_webcam(predictor, source, show_unranked=args.show_unranked)
    report(failed, results, time.perf_counter() - started)
    return 0 if not failed else 1 if len(failed) < len(sources) else 2


def show_pictures(
    args: argparse.Namespace, predictor: Predictor, sources: list[Source], results: ResultsFolder
) -> list[Outcome]:
    """Ranks the pictures, prints their table, and gives back those that failed."""
    pictures = [source for source in sources if source.kind == "picture"]
    todo = [source for source in pictures if not results.has(source)]
    if len(todo) < len(pictures):
        print(f"{len(pictures) - len(todo)} pictures were done before")
    outcomes: list[Outcome] = []
    ranked = rank_pictures(predictor, todo, results, strict=args.strict)
    try:
        with contextlib.closing(ranked):
            outcomes.extend(tqdm(ranked, total=len(todo), unit="picture", disable=not todo))
    finally:
        if pictures:
            results.save()
    results.write_overview(pictures)
    if table := outcome_table(outcomes):
        print(table)
    return [outcome for outcome in outcomes if outcome.error]


def show_video(
    args: argparse.Namespace, predictor: Predictor, source: Source, results: ResultsFolder
) -> list[Outcome]:
    """Ranks one video; gives it back if it failed."""
    try:
        video = VideoRun(predictor, source, results)
        total = video.info.frames or None
        with contextlib.closing(iter(video)) as frames:
            for _ in tqdm(frames, total=total, unit="frame", desc=source.label):
                pass
    except SaliencyError as error:
        if args.strict:
            raise
        return [Outcome(source, error=error)]
    return []


def report(failed: list[Outcome], results: ResultsFolder, seconds: float) -> None:
    """Prints what failed, and where to look."""
    for outcome in failed:
        print(f"failed: {outcome.error}", file=sys.stderr)
    print(f"\ndone in {seconds:.1f} s")
    for path, meaning in results.places():
        print(f"  {path}  ({meaning})")


if __name__ == "__main__":
    sys.exit(main())
