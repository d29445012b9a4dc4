"""``sor-ppa fixation``: shows where people look in pictures, videos or a webcam."""

from __future__ import annotations

import argparse

from sor_ppa.cli.folder_run import check_early, run_folder
from sor_ppa.cli.sources import find_sources
from sor_ppa.engine.inference_config import inference_config
from sor_ppa.errors import ConfigError
from sor_ppa.showing.fixation_renderer import FixationRenderer
from sor_ppa.showing.saliency_folder import CutoutOptions, SaliencyFolder
from sor_ppa.visualization.fixation_types import parse_fixation_type
from sor_ppa.visualization.output_types import OutputType

JOURNAL = "fixation.json"


def run(args: argparse.Namespace) -> int:
    """Does everything the arguments name; the exit status.

    Raises:
        SaliencyError: nothing could be done, or (``--strict``) an input failed.
    """
    check_early(args)
    if not 0 <= args.opacity <= 1:
        raise ConfigError(f"--opacity must lie in 0 ... 1, got {args.opacity}")
    options = CutoutOptions(types=_types(args), bits=args.bits, format=args.format)
    opts = config_options(args)
    cfg = inference_config(args.config_file, opts, device=args.device, max_pixels=args.max_pixels)
    sources = find_sources(args, SaliencyFolder.own_paths(args.output, JOURNAL))
    info = {"config": args.config_file, "weights": cfg.MODEL.WEIGHTS, "opts": opts}
    folder = SaliencyFolder(
        args.output, sources=sources, options=options, resume=args.resume, journal=JOURNAL,
        info={**info, "opacity": args.opacity},
    )  # fmt: skip
    renderer = FixationRenderer(folder, opacity=args.opacity, sheet=bool(args.sheet))
    return run_folder(args, sources, cfg, renderer)


def config_options(args: argparse.Namespace) -> list[str]:
    """KEY VALUE ... for the config; those given as ``--opts`` come last and win."""
    pairs = ["MODEL.WEIGHTS", args.weights] if args.weights else []
    if args.preset:
        pairs += ["INPUT.FIXATION.PRESET", args.preset]
    return pairs + args.opts


def _types(args: argparse.Namespace) -> tuple[OutputType, ...]:
    names = dict.fromkeys(args.type or ["overlay"])
    return tuple(parse_fixation_type(name) for name in names)
