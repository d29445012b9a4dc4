"""The console command ``sor-ppa``: one sub-command a task.

Help and complaints about options need neither torch nor detectron2; what a task needs is imported
when it runs.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence

from sor_ppa.cli.options import build_parser

__all__ = ["main"]


def main(argv: Sequence[str] | None = None, *, prog: str = "sor-ppa") -> int:
    """Runs the command; the return value is the exit status.

    0 all done, 1 some inputs failed (they are listed), 2 nothing was done, 130 stopped with
    Ctrl-C (what was finished is there).

    Args:
        argv: the arguments; those of the process when None.
        prog: what the help calls the program.
    """
    parser = build_parser(prog)
    args = parser.parse_args(argv)
    if not args.task:
        parser.print_help()
        return 2
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s", stream=sys.stderr)
    logging.getLogger("fvcore").setLevel(logging.WARNING)
    return _guarded(args)


def _guarded(args: argparse.Namespace) -> int:
    from sor_ppa.cli.ending import exit_status

    def run() -> int:
        importlib.import_module("sor_ppa.modeling")  # registers the networks, if nobody has yet
        return int(importlib.import_module(f"sor_ppa.cli.{args.task}").run(args))

    return exit_status(run, stopped=f"stopped; everything finished so far is in {args.output}")
