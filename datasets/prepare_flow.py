#!/usr/bin/env python3
r"""Makes the flow pictures of videos, once, so that training need not compute them in every epoch.

Of a folder of frames (folders inside are videos, or the folder itself is one)::

    python datasets/prepare_flow.py --frames clips/frames --output clips/optical --workers 2

or of a registered video set, written where the set looks for them::

    python datasets/prepare_flow.py --dataset DAVIS-TE --sheet flow.png

The flow of a frame is the motion to the next one, that of the last frame the motion from the one
before (OpenCV, dense inverse search), written in the colours of torchvision's ``flow_to_image``
under the frame's name. Pictures that are there are kept: a run that was stopped goes on where it
was. Exit status: 0, 1 when the flow of some frames could not be made, 2 when nothing could be.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detectron2.data import DatasetCatalog, MetadataCatalog
from tqdm import tqdm

from sor_ppa.cli.ending import GOES_ON, exit_status
from sor_ppa.data import read_image, resolve_name, write_image
from sor_ppa.data.files import all_by_stem
from sor_ppa.data.flow_folder import FlowReport, flow_path, frames_below, write_flow_folder
from sor_ppa.errors import ConfigError
from sor_ppa.visualization.contact_sheet import Tile, contact_sheet

_TILES = 12
_SHOWN = 20


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--frames", metavar="FOLDER", help="frames; folders inside are videos")
    add("--dataset", metavar="NAME", help="a registered video set, in place of --frames")
    add("--output", metavar="FOLDER", help="of the flow pictures (with --dataset: not needed)")
    add("--format", choices=("jpg", "png"), default="jpg")
    add("--workers", type=int, default=1, help="processes; the files do not depend on it")
    add("--sheet", metavar="FILE", help="also lay a few frames and their flow side by side")
    add("--quiet", action="store_true", help="no progress bar")
    args = parser.parse_args(argv)
    if bool(args.frames) == bool(args.dataset):
        raise ConfigError("give either --frames FOLDER or --dataset NAME")
    if args.frames and not args.output:
        raise ConfigError("--frames needs --output FOLDER")
    return args


def run(args: argparse.Namespace) -> int:
    """Makes the pictures, prints what was made and what was wrong; returns the exit status."""
    if args.frames:
        frames, output = frames_below(args.frames, args.output), args.output
    else:
        frames, output = _frames_of_set(args.dataset, args.output)
    with tqdm(total=len(frames), unit="frame", disable=args.quiet or None) as bar:
        report = write_flow_folder(
            frames, output, suffix=f".{args.format}", workers=args.workers, update=bar.update
        )
    if args.sheet and report.written + report.kept:
        write_image(args.sheet, flow_sheet(frames, output))
    for problem in report.problems[:_SHOWN]:
        print(f"problem: {problem}", file=sys.stderr)
    print(f"{output}: {_summary(report)}")
    return (1 if report.written + report.kept else 2) if report.problems else 0


def _frames_of_set(dataset: str, output: str | None) -> tuple[list[dict[str, Any]], str]:
    """Dicts of a registered set, and the folder of their flow."""
    name = resolve_name(dataset)
    videos = [known for known in DatasetCatalog.list() if MetadataCatalog.get(known).get("video")]
    if name not in videos:
        raise ConfigError(f"{dataset!r} is no video set; these are: {', '.join(videos)}")
    frames = DatasetCatalog.get(name)
    return frames, output or MetadataCatalog.get(name).flow_root


def flow_sheet(frames: Sequence[dict[str, Any]], folder: str) -> Any:
    """A few frames, evenly spread, each above its flow: uint8 (H, W, 3) BGR."""
    tiles = []
    for item in frames[:: -(-len(frames) // _TILES)]:
        path = item.get("flow_file_name") or _flow_file(folder, item["image_id"])
        if path:
            images = (read_image(item["file_name"]), read_image(path))
            tiles.append(Tile(item["image_id"], images))
    if not tiles:
        raise ConfigError("--sheet: none of the frames to be shown has a flow picture")
    return contact_sheet(tiles, tile_height=160, legend=False)


def _flow_file(folder: str, image_id: str) -> str:
    """The flow picture of a frame, whatever its suffix; "" if there is none."""
    path = Path(flow_path(folder, image_id, ""))
    files = all_by_stem(str(path.parent), recursive=False)
    return files.get(path.name, [""])[0]


def _summary(report: FlowReport) -> str:
    parts = [f"{report.written} flow pictures made", f"{report.kept} were there"]
    return ", ".join([*parts, f"{len(report.problems)} problem(s)"])


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; errors that the user can cure end with status 2."""
    return exit_status(lambda: run(parse_args(argv)), stopped=GOES_ON)


if __name__ == "__main__":
    sys.exit(main())
