"""Metrics of saliency maps: time against PySODMetrics, memory, and a folder as large as DUTS-TE."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from benchmarks.machine import in_own_process, interleaved, peak_memory_mib

PARTS = ("speed", "memory", "folder")
# Size and how many pairs are scored in a row; most of PySODMetrics' time, with weighted F.
_SIZES = {(384, 384): (10, 1 / 8), (1024, 1024): (3, 1 / 15), (2160, 3840): (1, 1 / 20)}
_WITHOUT_WEIGHTED = 1 / 25
_FOUR = ("sm", "mae", "em", "fm")
_PEERS = ("Smeasure", "MAE", "Emeasure", "Fmeasure", "WeightedFmeasure")
_DUTS_TE, _DUTS_SECONDS = 5019, 15
_PLANES = 3

Pairs = list[tuple[np.ndarray, np.ndarray]]


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """The parts that were asked for, in rows of their own columns."""
    parts = args.only or PARTS
    cv2.setNumThreads(args.threads)
    rows: list[dict[str, Any]] = []
    sizes = list(_SIZES)[: 1 if args.quick else None]
    rows += [row for size in sizes for row in speed(size, args)] if "speed" in parts else []
    rows += memory() if "memory" in parts else []
    rows += folder(200 if args.quick else _DUTS_TE) if "folder" in parts else []
    return rows


def speed(size_hw: tuple[int, int], args: argparse.Namespace) -> list[dict[str, Any]]:
    """Ours and theirs in turn, a block of pairs at a time as in a data set."""
    number, bar = _SIZES[size_hw]
    bars = {"four": _WITHOUT_WEIGHTED, "all five": bar}
    rows = []
    for kind in ("clean", "noisy"):
        pairs = [make_pair(*size_hw, seed, noisy=kind == "noisy") for seed in range(number)]
        variants: dict[str, Callable[[], Any]] = {}
        for name, count in (("four", 4), ("all five", 5)):
            variants[f"{name}, ours"] = partial(_ours, pairs, (*_FOUR, "wfm")[:count])
            variants[f"{name}, theirs"] = partial(_theirs, pairs, _PEERS[:count])
        title = f"{'x'.join(map(str, size_hw))} {kind}"
        times = interleaved(variants, repeat=args.repeat, title=title)
        for name, at_most in bars.items():
            ours, theirs = (times[f"{name}, {who}"]["cpu"] / number for who in ("ours", "theirs"))
            rows.append(
                {
                    "metrics": name,
                    "size": "x".join(map(str, size_hw)),
                    "map": kind,
                    "ours ms": round(ours, 2),
                    "PySODMetrics ms": round(theirs, 1),
                    "times faster": round(theirs / ours, 1),
                    "at least": round(1 / at_most) if kind == "clean" else "",
                }
            )
    return rows


def memory() -> list[dict[str, Any]]:
    """Most memory for a 4K pair beyond the pair itself, in float64 planes of that size."""
    rows = []
    for metrics in ((*_FOUR, "wfm"), ("mba",), ("biou",)):
        peak = in_own_process(measure_memory, metrics)
        rows.append(
            {"memory": ", ".join(metrics), "MiB": round(peak), "float64 planes": 0.0}
            | {"float64 planes": round(peak / (2160 * 3840 * 8 / 2**20), 2), "at most": _PLANES}
        )
    return rows


def measure_memory(metrics: tuple[str, ...]) -> float:
    """MiB that scoring a noisy 4K pair adds at most; runs in a new process."""
    from sor_ppa.evaluation.dense import score

    cv2.setNumThreads(1)
    score(*make_pair(64, 64, 0, noisy=True), "inspyrenet", metrics)  # loads what is loaded once
    prediction, mask = make_pair(2160, 3840, 0, noisy=True)
    # Making the pair took more than scoring it may take; only what comes on top is seen.
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = peak_memory_mib("cpu")
    score(prediction, mask, "inspyrenet", metrics)
    return peak_memory_mib("cpu") - before


def folder(pictures: int) -> list[dict[str, Any]]:
    """Seconds of ``tools/evaluate.py --task dense``, from start to end, on all cores."""
    tool = Path(__file__).parents[1] / "evaluate.py"
    with tempfile.TemporaryDirectory() as place:
        for index in tqdm(range(pictures), desc="making pictures", leave=False):
            size = (300, 400) if index % 3 else (400, 300)
            pair = make_pair(*size, index, noisy=False)
            for kind, image in zip(("maps", "masks"), pair, strict=True):
                Path(place, kind).mkdir(exist_ok=True)
                cv2.imwrite(str(Path(place, kind, f"{index:05}.png")), image)
        command = [sys.executable, str(tool), "--task", "dense"]
        command += ["--pred", f"{place}/maps", "--gt", f"{place}/masks", "--output", place]
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds = time.perf_counter() - start
    row = {"folder": "like DUTS-TE", "pictures": pictures, "seconds": round(seconds, 1)}
    return [row | {"at most": _DUTS_SECONDS}]


def make_pair(height: int, width: int, seed: int, *, noisy: bool) -> tuple[np.ndarray, np.ndarray]:
    """(map, mask) of an object on about an eighth of the picture, uint8 (H, W) each."""
    random = np.random.default_rng(seed)
    mask = np.zeros((height, width), np.uint8)
    centre = (width * random.uniform(0.35, 0.65), height * random.uniform(0.35, 0.65))
    axes = (int(width * 0.22), int(height * 0.18))
    where = (int(centre[0]), int(centre[1]))
    cv2.ellipse(mask, where, axes, random.uniform(0, 180), 0, 360, 255, -1)
    shift = np.array([[1, 0, 0.02 * width], [0, 1, 0.01 * height]], np.float32)
    moved = cv2.warpAffine(mask, shift, (width, height))
    prediction = cv2.GaussianBlur(moved, (0, 0), max(1, height / 200))
    if noisy:
        noise = random.integers(0, 60, (height, width), dtype=np.uint8)
        prediction = cv2.add(prediction, noise)
    return prediction, mask


def _ours(pairs: Pairs, metrics: tuple[str, ...]) -> None:
    from sor_ppa.evaluation.dense import score

    for prediction, mask in pairs:
        score(prediction, mask, metrics=metrics)


def _theirs(pairs: Pairs, names: tuple[str, ...]) -> None:
    import py_sod_metrics as peer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it announces that names will change
        metrics = [getattr(peer, name)() for name in names]
    for prediction, mask in pairs:
        for metric in metrics:
            metric.step(pred=prediction, gt=mask)
