"""Measures speed and memory on this machine.

    python tools/benchmark.py --task ranking
    python tools/benchmark.py --task ranking --config-file sor/tiny.yaml --objects 5 20 --threads 1
    python tools/benchmark.py --task loading

Times are medians; every configuration runs in a process of its own, so that peak memory is its
own. Weights are random: only the number of objects matters, and that is fixed by ``--objects``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from tabulate import tabulate
from tqdm import tqdm

STAGES = ("preprocess", "backbone", "proposals", "heads", "postprocess")


def ranking(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Images a second and milliseconds a stage of ranking models."""
    context = multiprocessing.get_context("spawn")
    rows = []
    for name in args.config_file:
        for objects in args.objects:
            with context.Pool(1) as pool:
                rows += pool.apply(measure_ranker, (name, objects, vars(args)))
    return rows


def measure_ranker(name: str, objects: int, args: dict[str, Any]) -> list[dict[str, Any]]:
    """Times one config, as it is and fused, interleaved in one process."""
    from sor_ppa import model_zoo
    from sor_ppa.modeling.fuse import fuse_for_inference

    torch.set_num_threads(args["threads"])
    torch.manual_seed(0)
    cfg = model_zoo.get_config(name)
    cfg.MODEL.DEVICE = args["device"]
    cfg.MODEL.WEIGHTS = ""
    cfg.MODEL.FCOS.INFERENCE_TH_TEST = 0.0
    cfg.MODEL.FCOS.POST_NMS_TOPK_TEST = objects
    from detectron2.modeling import build_model

    model = build_model(cfg).eval()
    variants = {"plain": model}
    if args["fused"]:
        variants["fused"] = fuse_for_inference(model)
    height, width = args["size"]
    image = torch.randint(0, 255, (3, height, width), dtype=torch.uint8)
    batch = [{"image": image, "height": height, "width": width}]
    times: dict[str, list[dict[str, float]]] = {v: [] for v in variants}
    progress = tqdm(range(args["repeat"] + 2), desc=f"{name}, {objects} objects", leave=False)
    for repeat in progress:
        for variant, network in variants.items():
            stages = time_stages(network, batch, args["device"])
            if repeat >= 2:  # the first two warm up
                times[variant].append(stages)
    return [_row(name, variant, objects, args, values) for variant, values in times.items()]


@torch.inference_mode()
def time_stages(model: Any, batch: list[dict[str, Any]], device: str) -> dict[str, float]:
    """Milliseconds of each stage of one forward pass."""
    clock = _Clock(device)
    images = model.preprocess_image(batch)
    clock.lap("preprocess")
    features = model.backbone(images.tensor)
    clock.lap("backbone")
    proposals, _ = model.proposal_generator(images, features, None)
    clock.lap("proposals")
    results, _ = model.roi_heads(images, features, proposals, None)
    clock.lap("heads")
    found = model._postprocess(results, batch, images.image_sizes)
    clock.lap("postprocess")
    clock.laps["found"] = float(len(found[0]["instances"]))
    return clock.laps


class _Clock:
    """Lap times in milliseconds, waiting for the device."""

    def __init__(self, device: str) -> None:
        self.laps: dict[str, float] = {}
        self._on_gpu = device.startswith("cuda")
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        if self._on_gpu:
            torch.cuda.synchronize()
        now = time.perf_counter()
        self.laps[name] = 1000 * (now - self._last)
        self._last = now


def _row(
    name: str,
    variant: str,
    objects: int,
    args: dict[str, Any],
    values: list[dict[str, float]],
) -> dict[str, Any]:
    stages = {s: statistics.median(v[s] for v in values) for s in STAGES}
    total = statistics.median(sum(v[s] for s in STAGES) for v in values)
    row: dict[str, Any] = {
        "config": name,
        "variant": variant,
        "size": "x".join(map(str, args["size"])),
        "objects": objects,
        "images/s": round(1000 / total, 2),
        "total ms": round(total, 1),
    }
    row |= {f"{s} ms": round(stages[s], 1) for s in STAGES}
    return row | {"peak MiB": round(peak_memory_mib(args["device"]))}


def peak_memory_mib(device: str) -> float:
    """Most memory this process (on a GPU: its tensors) has held."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def loading(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Seconds to read the annotations of a made-up set as large as ASSR."""
    from sor_ppa.data import load_assr

    maker = Path(__file__).parents[1] / "datasets" / "make_assr_like.py"
    with tempfile.TemporaryDirectory() as folder:
        options = ["--root", folder, "--count", str(args.count)]
        subprocess.run([sys.executable, str(maker), *options], check=True, capture_output=True)
        start = time.perf_counter()
        count = len(load_assr(folder, "train"))
        seconds = time.perf_counter() - start
    return [{"format": "ASSR", "images": count, "seconds": round(seconds, 2)}]


TASKS = {"ranking": ranking, "loading": loading}


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=TASKS, required=True)
    parser.add_argument("--config-file", nargs="+", default=["sor/ppa.yaml", "sor/tiny.yaml"])
    parser.add_argument("--objects", nargs="+", type=int, default=[5])
    parser.add_argument("--size", nargs=2, type=int, default=[480, 640], metavar=("H", "W"))
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--no-fused", dest="fused", action="store_false")
    parser.add_argument("--count", type=int, default=8000, help="images, for --task loading")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    return parser.parse_args()


def main() -> None:
    """Runs a task and prints its table."""
    args = parse_args()
    rows = TASKS[args.task](args)
    from sor_ppa.compat import detectron2_name

    versions = f"torch {torch.__version__}, detectron2 {detectron2_name()}"
    print(f"{versions}, {args.device}, {args.threads} threads, {platform.machine()}")
    print(tabulate(rows, headers="keys", tablefmt="github"))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
