#!/usr/bin/env python3
"""Writes the blurred maps of a fixation set that only has points, once, as grey PNGs.

Without them every epoch makes them anew: a Gaussian a picture. A run that was stopped goes on where
it was; a picture whose points cannot be used is listed at the end (exit status 1), or ends the run
with --strict.

    python datasets/prepare_fixation_maps.py --dataset osie_train --output maps/osie
    python datasets/prepare_fixation_maps.py --dataset mine --output maps/mine \
        --extra "(('mine', 'pictures', '', 'points=gaze.json', 'sigma=24'),)"
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from detectron2.data import DatasetCatalog
from tqdm import tqdm

from sor_ppa.cli.ending import GOES_ON, exit_status
from sor_ppa.config import get_cfg
from sor_ppa.data import register_extra
from sor_ppa.data.aliases import resolve_name
from sor_ppa.data.fixation.maps import fixation_map
from sor_ppa.data.image_io import write_image
from sor_ppa.errors import ConfigError, SaliencyError


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--dataset", required=True, help="registered set, or one of --extra")
    add("--output", required=True, metavar="DIR", help="maps, named like the pictures")
    add("--extra", default="()", metavar="SETS", help="sets of your own, as DATASETS.EXTRA")
    add("--sigma", type=float, default=0, help="of the Gaussian, pixels; default: the set's")
    add("--strict", action="store_true", help="stop at the first picture that fails")
    add("--quiet", action="store_true", help="no progress bar")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> int:
    """Writes the maps that are not there yet; the exit status."""
    cfg = get_cfg()
    try:
        cfg.DATASETS.EXTRA = ast.literal_eval(args.extra)
    except (ValueError, SyntaxError) as error:
        raise ConfigError(f"--extra {args.extra!r}: expected a tuple of tuples of words") from error
    register_extra(cfg)
    name = resolve_name(args.dataset)
    if name not in DatasetCatalog.list():
        raise ConfigError(f"--dataset {args.dataset!r} is not known; name yours with --extra")
    failed = []
    records = DatasetCatalog.get(name)
    for record in tqdm(records, desc="blurring", unit="picture", disable=args.quiet or None):
        path = Path(args.output).expanduser() / f"{record['image_id']}.png"
        if path.is_file():
            continue
        wanted = {"fixation_sigma": args.sigma} if args.sigma > 0 else {}
        try:
            grey = fixation_map({**record, **wanted, "saliency_file_name": ""})
        except SaliencyError as error:
            if args.strict:
                raise
            failed.append(str(error))
            continue
        write_image(path, np.rint(grey).astype(np.uint8))
    print(f"{len(records) - len(failed)} of {len(records)} maps are in {args.output}")
    for text in failed:
        print(f"left out: {text}", file=sys.stderr)
    return 1 if failed else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program; returns its exit status."""
    args = parse_args(argv)
    return exit_status(lambda: run(args), stopped=GOES_ON)


if __name__ == "__main__":
    sys.exit(main())
