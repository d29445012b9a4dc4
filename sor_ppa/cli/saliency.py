"""``sor-ppa saliency``: cuts the salient objects out of pictures, videos or a webcam."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from sor_ppa.cli.folder_run import check_early, run_folder
from sor_ppa.cli.modalities import (
    config_for,
    refuse_training_start,
    seen_kind,
    sources_with,
)
from sor_ppa.engine.inference_config import inference_config
from sor_ppa.errors import ConfigError
from sor_ppa.showing.inputs import Source
from sor_ppa.showing.saliency_folder import CutoutOptions, SaliencyFolder
from sor_ppa.showing.saliency_renderer import SaliencyRenderer
from sor_ppa.visualization.output_types import OutputType, parse_type

logger = logging.getLogger(__name__)


def run(args: argparse.Namespace) -> int:
    """Does everything the arguments name; the exit status.

    Raises:
        SaliencyError: nothing could be done, or (``--strict``) an input failed.
    """
    options = cutout_options(args)
    check_early(args)
    config_file, opts = config_for(args), config_options(args, options)
    cfg = inference_config(config_file, opts, device=args.device, max_pixels=args.max_pixels)
    refuse_training_start(args, config_file, cfg)
    kind = seen_kind(cfg, args.picture_task)
    sources = sources_with(args, kind, SaliencyFolder.own_paths(args.output))
    _check_types(options, sources, kind)
    info = {"config": config_file, "weights": cfg.MODEL.WEIGHTS, "opts": opts}
    folder = SaliencyFolder(
        args.output, sources=sources, options=options, info=info, resume=args.resume
    )
    renderer = SaliencyRenderer(folder, sheet=bool(args.sheet))
    return run_folder(args, sources, cfg, renderer)


def cutout_options(args: argparse.Namespace) -> CutoutOptions:
    """What the results should be.

    Raises:
        ConfigError: an unknown type, or a value that cannot work.
    """
    wanted = list(args.type or ([] if args.background else ["rgba"]))
    if args.background:
        wanted.append(_background(args.background))
    types: dict[str, OutputType] = {}
    for kind in map(parse_type, wanted):
        if types.setdefault(kind.name, kind) != kind:
            raise ConfigError(
                f"two results would be called *_{kind.name}: rename the background picture"
            )
    return CutoutOptions(
        types=tuple(types.values()), threshold=args.threshold, reverse=args.reverse,
        trim=args.trim, bits=args.bits, format=args.format, matting=not args.no_matting,
    )  # fmt: skip


def _background(name: str) -> OutputType:
    path = Path(name).expanduser()
    if not path.is_file():
        raise ConfigError(f"--background {name}: no such file")
    return OutputType("picture", path.stem, background=str(path))


def config_options(args: argparse.Namespace, options: CutoutOptions) -> list[str]:
    """KEY VALUE ... for the config; those given as ``--opts`` come last and win."""
    pairs = []
    if args.weights:
        pairs += ["MODEL.WEIGHTS", args.weights]
    # Of a square input there is nothing to blend, so blending means the picture's own shape.
    resize = args.resize or ("dynamic" if args.blend is not None else None)
    if resize:
        pairs += ["INPUT.DENSE.TEST_RESIZE", resize]
    if args.blend is not None:
        pairs += ["INPUT.DENSE.BLEND_ABOVE", str(args.blend)]
    if any(kind.kind == "pyramid" for kind in options.types):
        pairs += ["MODEL.INSPYRENET.RETURN_PYRAMID", "True"]
    return pairs + args.opts


def _check_types(options: CutoutOptions, sources: list[Source], seen: str) -> None:
    """Complaints about types that these inputs, or this network, do not have."""
    kinds = {source.kind for source in sources}
    if not seen and any(kind.kind == "modality" for kind in options.types):
        raise ConfigError(
            "--type modality: this network sees nothing beside the picture; leave it out, or use a "
            "config that does, such as a2s/midnet-rgbt.yaml"
        )
    if options.format in ("mp4", "mov", "webm") and "video" not in kinds:
        logger.warning("--format %s is for videos, and no input is one", options.format)
    if options.format == "jpg" and any(kind.has_alpha for kind in options.types):
        logger.warning("JPEG has no transparency: rgba is written as PNG")
