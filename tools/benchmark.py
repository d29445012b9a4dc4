"""Measures speed and memory on this machine.

    python tools/benchmark.py --task ranking
    python tools/benchmark.py --task ranking --config-file sor/tiny.yaml --objects 5 20 --threads 1
    python tools/benchmark.py --task dense --threads 1
    python tools/benchmark.py --task dense --quick --only speed --networks res2net50
    python tools/benchmark.py --task metrics --threads 1
    python tools/benchmark.py --task loading
    python tools/benchmark.py --task unsupervised --threads 1 --repeat 3
    python tools/benchmark.py --task unsupervised --only crf --images /data/ECSSD/images
    python tools/benchmark.py --task fixation --threads 2
    python tools/benchmark.py --task fixation --only metrics

Times are medians. Ranking: every configuration runs in a process of its own, so that peak memory
is its own; weights are random, only the number of objects matters, and that is fixed by
``--objects``. Dense: all variants run in turn on the same weights, and are compared with the plain
network kept in ``tests/``, in time and in numbers. Unsupervised: training steps of A2S and MIDNet
against the plain ones (``--only steps``; ``--batch-size``, ``--size``; A2S takes its four second
sizes in turn), pictures a second of the three networks (``--only inference``; ``--batch-size`` at
once, ``--no-fused`` as they are trained) and of the dense CRF in ``--workers`` processes (``--only
crf``; ``--images`` for photos of yours in place of made-up ones, the first ``--count`` of them).
Fixation: MSI-Net against the plain
network of the tests, memory of a process that maps one picture (``--only memory``), and the metrics
of ``--count`` made-up images in ``--workers`` processes (``--only metrics``).
Ratios are of CPU time, which a busy machine moves least.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import platform
from pathlib import Path
from typing import Any

import torch
from tabulate import tabulate

# Each is a module of benchmarks/ with a function `run(args)` that gives the rows of a table.
TASKS = ("ranking", "dense", "metrics", "loading", "unsupervised", "fixation")
_NETWORKS = ("res2net50", "swinb")


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=TASKS, required=True)
    parser.add_argument("--config-file", nargs="+", help="configs, by default those of the task")
    parser.add_argument("--objects", nargs="+", type=int, default=[5])
    parser.add_argument(
        "--size",
        nargs=2,
        type=int,
        metavar=("H", "W"),
        help="ranking: 480 640, dense: 384 384, unsupervised: 320 320",
    )
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--no-fused", dest="fused", action="store_false")
    parser.add_argument(
        "--count", type=int, help="images; loading: 8000, unsupervised: 24, fixation: 1000"
    )
    parser.add_argument("--only", nargs="+", metavar="PART", help="parts of a task; all by default")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    dense = parser.add_argument_group("dense")
    dense.add_argument("--networks", nargs="+", choices=_NETWORKS, default=list(_NETWORKS))
    dense.add_argument("--no-onnx", dest="onnx", action="store_false")
    dense.add_argument("--pictures", type=int, default=1000, help="in the folder")
    dense.add_argument(
        "--quick", action="store_true", help="fewer variants, Full HD for 4K, 40 pictures"
    )
    stages = parser.add_argument_group("unsupervised")
    stages.add_argument("--batch-size", type=int, default=2)
    stages.add_argument(
        "--workers", type=int, default=2, help="processes of the CRF, and of fixation metrics"
    )
    stages.add_argument("--images", type=Path, help="a folder of photos, for the CRF")
    args = parser.parse_args()
    parts = getattr(importlib.import_module(f"benchmarks.{args.task}"), "PARTS", ())
    if unknown := sorted(set(args.only or ()) - set(parts)):
        known = ", ".join(parts) or "none"
        parser.error(f"--only {' '.join(unknown)}: the parts of --task {args.task} are: {known}")
    return args


def main() -> None:
    """Runs a task and prints its tables."""
    args = parse_args()
    rows: list[dict[str, Any]] = importlib.import_module(f"benchmarks.{args.task}").run(args)
    from sor_ppa.compat import detectron2_name

    versions = f"torch {torch.__version__}, detectron2 {detectron2_name()}"
    print(f"{versions}, {args.device}, {args.threads} threads, {platform.machine()}")
    # Rows of other columns make another table.
    for _, table in itertools.groupby(rows, key=lambda row: list(row)[:3]):
        print(tabulate(list(table), headers="keys", tablefmt="github"))
        print()
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
