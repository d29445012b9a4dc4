"""``sor-ppa rank``: ranks the salient objects of pictures, videos or a webcam."""

from __future__ import annotations

import argparse
import time

from sor_ppa.cli.sources import Run, find_sources, say
from sor_ppa.engine.inference_config import inference_config
from sor_ppa.engine.predictor import Predictor
from sor_ppa.showing.rank_renderer import RankRenderer, outcome_table
from sor_ppa.showing.results import OutputOptions, ResultsFolder


def run(args: argparse.Namespace) -> int:
    """Ranks everything the arguments name; the exit status.

    Raises:
        SaliencyError: nothing could be done, or (``--strict``) an input failed.
    """
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
              "confidence_threshold": args.confidence_threshold},
        resume=args.resume,
    )  # fmt: skip
    predictor = Predictor(cfg, half=args.half, fused=args.fast, allow_pickle=args.allow_pickle)
    pictures = [source for source in sources if source.kind == "picture"]
    save = results.save if pictures else lambda: None
    work = Run(args, sources, predictor, RankRenderer(results), save)
    started = time.perf_counter()
    work.pictures()
    results.write_overview(pictures)
    if table := outcome_table(work.outcomes):
        say(table)
    work.videos()
    work.webcams()
    return work.report(results.places(), time.perf_counter() - started)
