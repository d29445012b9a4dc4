"""The dense CRF of the pseudo labels: pictures a second in several processes."""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

# Fewest pictures of 320 x 320 a second with two processes on two cores.
_AT_LEAST = {"compiled": 8, "scipy": 3}
_SIZE = (320, 320)
_COUNT = 24

Job = tuple[np.ndarray, np.ndarray]


def crf(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Both backends on the same pictures and first guesses.

    "images/s" is by the clock, "images/CPU s" what one core does in a second of its own time;
    twice that (or as many cores as there are) is what a machine with nothing else to do reaches.
    """
    from sor_ppa.errors import ConfigError

    height, width = size = tuple(args.size or _SIZE)
    jobs = make_jobs(args.images, args.count or (8 if args.quick else _COUNT), size)
    kind = "made up" if args.images is None else args.images.name
    rows = []
    for backend, at_least in _AT_LEAST.items():
        row: dict[str, Any] = {"CRF": backend, "of": kind, "pictures": len(jobs)}
        row |= {"size": f"{height}x{width}", "processes": args.workers}
        try:
            wall, cpu = measure(jobs, backend, args.workers)
        except ConfigError:
            row |= {"images/s": "not installed", "images/CPU s": "", "x processes": ""}
        else:
            by_core = len(jobs) / cpu
            row |= {"images/s": round(len(jobs) / wall, 2), "images/CPU s": round(by_core, 2)}
            row["x processes"] = round(by_core * args.workers, 2)
        rows.append(row | {"at least": at_least})
    return rows


def make_jobs(images: Path | None, count: int, size_hw: Sequence[int]) -> list[Job]:
    """Pictures (H, W, 3) and guesses: what Otsu's threshold finds in their saturation.

    Args:
        images: a folder of photos; None = made-up scenes.
        count: that many of them.
        size_hw: of all of them.
    """
    from sor_ppa.data.image_io import read_image
    from sor_ppa.showing.inputs import expand_inputs

    height, width = size_hw
    if images is None:
        return [_job(make_scene(height, width, seed)) for seed in range(count)]
    sources = expand_inputs([str(images)])[:count]
    photos = (read_image(source.path, format="RGB") for source in sources)
    return [_job(cv2.resize(p, (width, height), interpolation=cv2.INTER_AREA)) for p in photos]


def make_scene(height: int, width: int, seed: int) -> np.ndarray:
    """A made-up uint8 RGB picture (H, W, 3): an object on a ground, both mottled and grainy.

    The cost of a CRF is the number of its lattice's vertices: at 320 x 320 about 50,000 here, on
    photos of ECSSD and DUTS 25,000 to 80,000, half of them above 44,000.
    """
    random = np.random.default_rng(seed)
    mask: np.ndarray = np.zeros((height, width), np.float32)
    where = [round(side * random.uniform(0.35, 0.65)) for side in (width, height)]
    axes = (width // 4, height // 5)
    cv2.ellipse(mask, where, axes, random.uniform(0, 180), 0, 360, 1, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), 1.5)[:, :, None]
    ground, thing = (_surface(height, width, cells, random) for cells in (5, 7))
    mottle = cv2.GaussianBlur(random.normal(0, 106, (height, width)), (0, 0), 3)
    grain = random.normal(0, 3, (height, width))
    scene = ground * (1 - mask) + thing * mask + (mottle + grain)[:, :, None]
    return np.clip(scene, 0, 255).astype(np.uint8)


def _surface(height: int, width: int, cells: int, random: np.random.Generator) -> np.ndarray:
    """Soft clouds of light and, less, of colour around a random colour."""
    light = random.normal(0, 40, (cells, cells, 1))
    colour = random.uniform(30, 225, 3) + random.normal(0, 25, (cells, cells, 3))
    clouds = (light + colour).astype(np.float32)
    return cv2.resize(clouds, (width, height), interpolation=cv2.INTER_CUBIC)


def _job(rgb: np.ndarray) -> Job:
    saturation = cv2.GaussianBlur(cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)[:, :, 1], (0, 0), 5)
    _, guess = cv2.threshold(saturation, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return rgb, guess.astype(bool)


def measure(jobs: Sequence[Job], backend: str, workers: int) -> tuple[float, float]:
    """Seconds by the clock, and CPU seconds of all processes together; starting them is free."""
    with multiprocessing.get_context("spawn").Pool(workers, _start) as pool:
        pool.map(_filter, [(jobs[0], backend)] * workers, chunksize=1)  # warms up
        start = time.perf_counter()
        cpu = pool.map(_filter, [(job, backend) for job in jobs], chunksize=1)
        return time.perf_counter() - start, sum(cpu)


def _start() -> None:
    cv2.setNumThreads(1)


def _filter(task: tuple[Job, str]) -> float:
    """CPU seconds of one picture; runs in a process of its own."""
    from sor_ppa.crf import dense_crf

    (image, guess), backend = task
    start = time.process_time()
    dense_crf(image, guess, backend=backend)
    return time.process_time() - start
