"""What tasks have in common whose results are one kind of file for each picture and video."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from detectron2.config import CfgNode

from sor_ppa.cli.sources import Run
from sor_ppa.engine.predictor import Predictor
from sor_ppa.errors import ConfigError
from sor_ppa.showing.inputs import Source
from sor_ppa.showing.saliency_folder import SaliencyFolder
from sor_ppa.showing.saliency_renderer import SaliencyRenderer


def check_early(args: argparse.Namespace) -> None:
    """Complaints that must not wait until a network is loaded.

    Raises:
        ConfigError: a batch without frames, or a sheet that is no picture.
    """
    if args.batch_size < 1:
        raise ConfigError(f"--batch-size must be at least 1, got {args.batch_size}")
    if args.sheet and Path(args.sheet).suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise ConfigError(f"--sheet must end in .png or .jpg, got {args.sheet}")


def run_folder(
    args: argparse.Namespace, sources: list[Source], cfg: CfgNode, renderer: SaliencyRenderer
) -> int:
    """Does everything that was named; the exit status.

    Args:
        args: the options.
        sources: all inputs.
        cfg: of the network.
        renderer: what becomes of its maps.

    Raises:
        SaliencyError: nothing could be done, or (``--strict``) an input failed.
    """
    folder = renderer.folder
    predictor = Predictor(
        cfg, half=args.half, fused=args.fast, allow_pickle=args.allow_pickle, backend=args.backend
    )
    work = Run(args, sources, predictor, renderer, folder.save)
    started = time.perf_counter()
    work.pictures()
    if args.sheet and any(outcome.result for outcome in work.outcomes):
        renderer.write_sheet(args.sheet)
    work.videos()
    work.webcams()
    return work.report(_places(args, folder), time.perf_counter() - started)


def _places(args: argparse.Namespace, folder: SaliencyFolder) -> list[tuple[Path, str]]:
    """What there is to look at, each with its meaning."""
    names = ", ".join(f"*_{kind.name}" for kind in folder.options.types)
    places = [(folder.folder, names)]
    if args.sheet:
        places.insert(0, (Path(args.sheet), "originals and results side by side"))
    return [(path, meaning) for path, meaning in places if path.exists()]
