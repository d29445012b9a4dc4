"""``sor-ppa rank``: ranks the salient objects of pictures, videos or a webcam."""

from __future__ import annotations

import argparse
import time
from typing import Any

from detectron2.config import CfgNode

from sor_ppa.cli.sources import Run, find_sources, say
from sor_ppa.engine.inference_config import inference_config
from sor_ppa.engine.paired import PairedPredictor
from sor_ppa.engine.predictor import Predictor
from sor_ppa.errors import ConfigError
from sor_ppa.showing.gaze_rank_renderer import GazeRankRenderer
from sor_ppa.showing.given_objects import GivenObjects
from sor_ppa.showing.rank_renderer import RankRenderer, outcome_table
from sor_ppa.showing.results import OutputOptions, ResultsFolder


def run(args: argparse.Namespace) -> int:
    """Ranks everything the arguments name; the exit status.

    Raises:
        SaliencyError: nothing could be done, or (``--strict``) an input failed.
    """
    _check(args)
    sources = find_sources(args, ResultsFolder.own_paths(args.output))
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
              "confidence_threshold": args.confidence_threshold, **_order(args)},
        resume=args.resume,
    )  # fmt: skip
    predictor, renderer = _by_gaze(args, cfg, results) or (
        _predictor(args, cfg),
        RankRenderer(results),
    )
    pictures = [source for source in sources if source.kind == "picture"]
    save = results.save if pictures else lambda: None
    work = Run(args, sources, predictor, renderer, save)
    started = time.perf_counter()
    work.pictures()
    results.write_overview(pictures)
    if table := outcome_table(work.outcomes):
        say(table)
    work.videos()
    work.webcams()
    return work.report(results.places(), time.perf_counter() - started)


def _check(args: argparse.Namespace) -> None:
    if args.objects and args.rank_by != "fixation":
        raise ConfigError("--objects needs --rank-by fixation: the ranking network finds its own")


def _order(args: argparse.Namespace) -> dict[str, Any]:
    """What the order of the objects depends on besides the network; nothing if on nothing."""
    if args.rank_by != "fixation":
        return {}
    names = ("statistic", "objects", "fixation_config", "fixation_weights")
    return {"rank_by": "fixation", **{name: getattr(args, name) for name in names}}


def _predictor(args: argparse.Namespace, cfg: CfgNode) -> Predictor:
    return Predictor(cfg, half=args.half, fused=args.fast, allow_pickle=args.allow_pickle)


def _by_gaze(
    args: argparse.Namespace, cfg: CfgNode, results: ResultsFolder
) -> tuple[Predictor, RankRenderer] | None:
    """Networks and renderer of ``--rank-by fixation``; None without it."""
    if args.rank_by != "fixation":
        return None
    weights = ["MODEL.WEIGHTS", args.fixation_weights] if args.fixation_weights else []
    gaze = inference_config(
        args.fixation_config, weights, device=args.device, max_pixels=args.max_pixels
    )
    fixation = _predictor(args, gaze)
    objects = GivenObjects(args.objects) if args.objects else None
    renderer = GazeRankRenderer(results, statistic=args.statistic, objects=objects)
    if objects is not None:
        return fixation, renderer
    return PairedPredictor(_predictor(args, cfg), fixation), renderer
