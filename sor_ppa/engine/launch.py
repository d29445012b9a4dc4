"""Starting a program in one or several processes, on GPUs (nccl) or on the CPU (gloo)."""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
from detectron2.utils import comm

from sor_ppa.compat import create_local_process_group
from sor_ppa.errors import ConfigError, SaliencyError
from sor_ppa.workers import end_with_parent

logger = logging.getLogger(__name__)

# main(args) is what each process runs.
Main = Callable[[argparse.Namespace], Any]

_TIMEOUT = timedelta(minutes=30)
# Seconds that the other processes get to end by themselves after one has failed, and again after
# they were asked to.
_GRACE = 5.0


@dataclass(frozen=True)
class _Group:
    """Where a process finds the others.

    Attributes:
        url: address of the first process.
        processes: on each machine.
        machines: number of machines.
        machine: this one.
        gpu: GPUs (nccl) or CPU (gloo).
    """

    url: str
    processes: int
    machines: int
    machine: int
    gpu: bool


def launch(main: Main, args: argparse.Namespace) -> None:
    """Runs ``main(args)`` in the processes that the options ask for, and waits for them.

    One process runs right here. Errors that the user can cure are printed without a traceback.

    Args:
        main: a function at the top of a module, so that new processes can import it.
        args: of :func:`sor_ppa.engine.setup.argument_parser`.

    Raises:
        SystemExit: status 2 after a :class:`SaliencyError`, 130 / 143 after SIGINT / SIGTERM, else
            that of the first process that failed.
    """
    try:
        group = _plan(args)
    except SaliencyError as error:
        _complain(error)
    if group.processes * group.machines == 1:
        _run(main, args)
        return
    # Python, not a fork: CUDA, threads and open files do not survive a fork.
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=_work, args=(rank, group, main, args), name=f"rank {rank}")
        for rank in range(group.processes)
    ]
    for process in processes:
        process.start()
    if status := _wait(processes):
        raise SystemExit(status)


def _plan(args: argparse.Namespace) -> _Group:
    gpu = args.num_processes == 0 and torch.cuda.is_available()
    processes = args.num_gpus if gpu else args.num_processes or 1
    if gpu and processes > torch.cuda.device_count():
        raise ConfigError(
            f"--num-gpus {processes}, but this machine has {torch.cuda.device_count()}."
        )
    if not gpu and args.num_processes == 0 and args.num_gpus > 1:
        logger.warning("No GPU here: one CPU process. For several, use --num-processes.")
    if processes < 1 or args.num_machines < 1:
        raise ConfigError("--num-gpus, --num-processes and --num-machines must be positive.")
    if args.dist_url == "auto" and args.num_machines > 1:
        raise ConfigError(
            "--num-machines needs --dist-url tcp://HOST:PORT, HOST being the machine of rank 0."
        )
    url = f"tcp://127.0.0.1:{_free_port()}" if args.dist_url == "auto" else args.dist_url
    return _Group(url, processes, args.num_machines, args.machine_rank, gpu)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _work(local_rank: int, group: _Group, main: Main, args: argparse.Namespace) -> None:
    """One of several processes: joins the group, runs ``main`` and leaves."""
    end_with_parent()
    if not group.gpu and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // group.processes))
    dist.init_process_group(
        "nccl" if group.gpu else "gloo",
        init_method=group.url,
        world_size=group.processes * group.machines,
        rank=group.machine * group.processes + local_rank,
        timeout=_TIMEOUT,
    )
    create_local_process_group(group.processes)
    if group.gpu:
        torch.cuda.set_device(local_rank)
    comm.synchronize()
    _run(main, args)
    dist.destroy_process_group()


def _run(main: Main, args: argparse.Namespace) -> None:
    try:
        main(args)
    except SaliencyError as error:
        _complain(error)
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGINT) from None


def _complain(error: SaliencyError) -> None:
    print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201  (not a log line)
    raise SystemExit(2)


def _wait(processes: Sequence[BaseProcess]) -> int:
    """Waits for all; ends the rest soon after one has failed. Returns the status to exit with."""

    def forward(number: int, frame: FrameType | None) -> None:
        for process in processes:
            if process.pid and process.is_alive():
                os.kill(process.pid, number)

    old = {n: signal.signal(n, forward) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        while alive := [p for p in processes if p.is_alive()]:
            wait([p.sentinel for p in alive], timeout=1.0)
            if any(p.exitcode for p in processes):
                break
        first = next((p for p in processes if p.exitcode), None)
        _end(processes)
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
    if first is None or first.exitcode is None:
        return 0
    logger.error("%s ended with status %d.", first.name, first.exitcode)
    return first.exitcode if first.exitcode > 0 else 128 - first.exitcode


def _end(processes: Sequence[BaseProcess]) -> None:
    """Lets the processes finish, then asks them to, then ends them."""
    for act in (None, BaseProcess.terminate, BaseProcess.kill):
        for process in processes:
            if act is not None and process.is_alive():
                act(process)
        deadline = time.monotonic() + _GRACE
        for process in processes:
            process.join(max(0.0, deadline - time.monotonic()))
        if not any(process.is_alive() for process in processes):
            return
