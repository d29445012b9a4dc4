"""``python -m sor_ppa.cli``: the console command where it is not installed."""

from __future__ import annotations

import sys

from sor_ppa.cli import main

if __name__ == "__main__":
    sys.exit(main(prog="python -m sor_ppa.cli"))
