"""Metrics of fixation maps: images a second, one process a core."""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch

from sor_ppa.evaluation.fixation import FLAVOURS, PooledFixations, Rules, choose
from sor_ppa.evaluation.gaze.scoring import Others, score_image
from sor_ppa.workers import process_pool

_SIZE = (480, 640)
_FIXATIONS = 30
_IMAGES = 1000
# The eight; the others are extras.
_EIGHT = ("NSS", "AUC-Judd", "AUC-Borji", "sAUC", "CC", "SIM", "KLD", "IG")


def metrics(args: argparse.Namespace) -> list[dict[str, Any]]:
    """All eight metrics of made-up images of 480 x 640 with 30 fixations each."""
    count = args.count or _IMAGES
    return [_row(flavour, count, args.workers) for flavour in FLAVOURS]


def _row(flavour: str, count: int, workers: int) -> dict[str, Any]:
    wall = time.perf_counter()
    shares = [range(start, count, workers) for start in range(workers)]
    with process_pool(workers, torch.set_num_threads, 1) as pool:
        seconds = list(pool.map(_score_share, [flavour] * workers, [count] * workers, shares))
    wall = time.perf_counter() - wall
    busy = sum(seconds)
    return {
        "metrics": flavour,
        "images": count,
        "processes": workers,
        "CPU ms an image": round(1000 * busy / count, 1),
        "images/s, CPU time": round(workers * count / busy, 1),
        "images/s, wall": round(count / wall, 1),
    }


def _score_share(flavour: str, count: int, places: range) -> float:
    """CPU seconds for a share of the images; making them up does not count."""
    rng = np.random.default_rng(0)
    height, width = _SIZE
    points = [
        np.stack([rng.integers(0, width, _FIXATIONS), rng.integers(0, height, _FIXATIONS)], 1)
        for _ in range(count)
    ]
    maps = [_blurred(rng) for _ in range(8)]
    rules = Rules(flavour, choose(flavour, _EIGHT))
    pool = PooledFixations(points, [_SIZE] * count)
    start = time.process_time()
    for place in places:
        if flavour == "mit":
            others = Others(places=pool.others(place, 10, np.random.default_rng(place)))
        else:
            others = Others(counts=pool.counts(place))
        score_image(maps[place % 8], points[place], rules, others=others, place=place)
    return time.process_time() - start


def _blurred(rng: np.random.Generator) -> np.ndarray:
    """A smooth map (480, 640) of many levels."""
    coarse = torch.from_numpy(rng.random((1, 1, 15, 20), dtype=np.float32))
    return torch.nn.functional.interpolate(coarse, _SIZE, mode="bicubic")[0, 0].numpy()
