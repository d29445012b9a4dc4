"""Ranks or cuts out the salient objects of pictures, videos or a webcam.

    python demo/demo.py --samples
    python demo/demo.py --input photo.jpg holiday/ "frames/*.png" clip.mp4 --output output/mine
    python demo/demo.py --task saliency --input photo.jpg --type rgba map blur

The same as the console command ``sor-ppa rank`` or ``sor-ppa saliency``; ``--task`` chooses, and
every other option is that command's.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from sor_ppa import cli
from sor_ppa.cli.options import TASKS


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the demo; the return value is the exit status."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--task", choices=tuple(TASKS), default="rank")
    args, rest = parser.parse_known_args(argv)
    return cli.main([args.task, *rest], prog="python demo/demo.py --task")


if __name__ == "__main__":
    sys.exit(main())
