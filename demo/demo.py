"""Ranks or cuts out the salient objects of pictures, or shows where people look in them.

    python demo/demo.py --samples
    python demo/demo.py --samples --rank-by fixation
    python demo/demo.py --input photo.jpg holiday/ "frames/*.png" clip.mp4 --output output/mine
    python demo/demo.py --task saliency --input photo.jpg --type rgba map blur
    python demo/demo.py --task fixation --input photo.jpg clip.mp4 webcam
    python demo/demo.py --task rgbt --input photos/ --modality-input thermal/ --weights my.pth
    python demo/demo.py --task video --input clip.mp4 --type overlay modality --weights my.pth

The same as the console commands ``sor-ppa rank``, ``saliency`` and ``fixation``; ``--task``
chooses, and every other option is that command's. The tasks rgb, rgbd, rgbt and video are those of
``sor-ppa saliency --task``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from sor_ppa import cli
from sor_ppa.cli.options import PICTURE_TASKS, TASKS


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the demo; the return value is the exit status."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    choices = (*TASKS, *PICTURE_TASKS)
    parser.add_argument("--task", choices=choices, action="append", default=[])
    args, rest = parser.parse_known_args(argv)
    pictures = [task for task in args.task if task in PICTURE_TASKS]
    commands = [task for task in args.task if task in TASKS] or ["saliency" if pictures else "rank"]
    if pictures:
        rest = ["--task", pictures[-1], *rest]
    return cli.main([commands[-1], *rest], prog="python demo/demo.py --task")


if __name__ == "__main__":
    sys.exit(main())
