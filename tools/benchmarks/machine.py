"""Time and memory of this process."""

from __future__ import annotations

import multiprocessing
import re
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm


class Clock:
    """Lap times in milliseconds, waiting for the device."""

    def __init__(self, device: str) -> None:
        self.laps: dict[str, float] = {}
        self._on_gpu = device.startswith("cuda")
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Ends a lap and starts the next."""
        wait_for(self._on_gpu)
        now = time.perf_counter()
        self.laps[name] = 1000 * (now - self._last)
        self._last = now


def wait_for(on_gpu: bool) -> None:
    """Returns when the GPU has done all it was told to."""
    if on_gpu:
        torch.cuda.synchronize()


def peak_memory_mib(device: str) -> float:
    """Most memory this process (on a GPU: its tensors) has held."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / 2**20
    status = Path("/proc/self/status")
    if status.is_file() and (found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(found[1]) / 2**10  # getrusage also counts what the parent process held
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def in_own_process(function: Callable[..., Any], *args: Any) -> Any:  # noqa: ANN401
    """Calls a function in a new process, so that its peak memory is its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, args)


def interleaved(
    variants: Mapping[str, Callable[[], Any]], *, repeat: int, warm_up: int = 1, title: str = ""
) -> dict[str, dict[str, float]]:
    """Median milliseconds of several functions, called in turn: ``{name: {"wall", "cpu"}}``.

    In turn, so that a busy machine is equally busy for all of them.
    """
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in variants}
    for turn in tqdm(range(repeat + warm_up), desc=title, leave=False):
        for name, function in variants.items():
            wall, cpu = time.perf_counter(), time.process_time()
            function()
            lap = (time.perf_counter() - wall, time.process_time() - cpu)
            if turn >= warm_up:
                times[name].append(lap)
    return {name: _medians(laps) for name, laps in times.items()}


def _medians(laps: list[tuple[float, float]]) -> dict[str, float]:
    wall, cpu = (1000 * statistics.median(column) for column in zip(*laps, strict=True))
    return {"wall": wall, "cpu": cpu}
