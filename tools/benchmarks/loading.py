"""Reading annotations."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

_COUNT = 8000


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Seconds to read the annotations of a made-up set as large as ASSR."""
    from sor_ppa.data import load_assr

    maker = Path(__file__).parents[2] / "datasets" / "make_assr_like.py"
    with tempfile.TemporaryDirectory() as folder:
        options = ["--root", folder, "--count", str(args.count or _COUNT)]
        subprocess.run([sys.executable, str(maker), *options], check=True, capture_output=True)
        start = time.perf_counter()
        count = len(load_assr(folder, "train"))
        seconds = time.perf_counter() - start
    return [{"format": "ASSR", "images": count, "seconds": round(seconds, 2)}]
