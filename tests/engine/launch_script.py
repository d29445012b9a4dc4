"""What the tests of launching run as a program: ``launch_script.py MODE [train_net options]``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from detectron2.engine import HookBase
from detectron2.utils import comm
from torch import nn

from sor_ppa.engine.launch import launch
from sor_ppa.engine.processes import share_buffers, share_statistics, wrap_for_processes
from sor_ppa.engine.setup import argument_parser, setup
from sor_ppa.engine.trainer import Trainer
from sor_ppa.errors import ConfigError
from tests.engine import stub  # noqa: F401  (registers the network)
from tests.engine.norm_net import make_net, run_steps


class Recorder(HookBase):
    """Writes every iteration's losses; may slow the run down."""

    def __init__(self, path: Path, pause: float) -> None:
        self.path = path
        self.pause = pause

    def after_step(self) -> None:
        time.sleep(self.pause)
        if comm.is_main_process():
            latest = self.trainer.storage.latest()
            losses = {k: v[0] for k, v in latest.items() if "loss" in k}
            with self.path.open("a") as file:
                file.write(json.dumps({"iteration": self.trainer.iter, **losses}) + "\n")


def train(args: argparse.Namespace) -> None:
    """Trains and records."""
    cfg = setup(args)
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=args.resume)
    pause = float(os.environ.get("PAUSE", "0"))
    trainer.register_hooks([Recorder(Path(cfg.OUTPUT_DIR) / "losses.jsonl", pause)])
    trainer.train()


def share(args: argparse.Namespace) -> None:
    """Every process tells its number; the first prints the sum."""
    total = torch.tensor(comm.get_rank() + 1)
    dist.all_reduce(total)
    if comm.is_main_process():
        local = comm.get_local_rank(), comm.get_local_size()
        print("sum", int(total), "world", comm.get_world_size(), "local", *local, flush=True)


def norms(args: argparse.Namespace) -> None:
    """Each of two processes trains on its part of six pictures and writes what it got."""
    rank, parts = comm.get_rank(), (slice(0, 2), slice(2, 6))
    report: dict[str, Any] = {}
    for name, sync in (("shared", True), ("own", False)):
        net = make_net()
        steps = run_steps(wrap_for_processes(net, sync_bn=sync), parts[rank], 2)
        share_buffers(net)
        report[name] = {**steps, "state": {k: v.clone() for k, v in net.state_dict().items()}}
    far = 1000 + torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    norm = nn.Sequential(nn.BatchNorm2d(3))
    report["far_wanted"] = norm(far)[parts[rank]].detach()
    share_statistics(norm)
    report["far"] = norm(far[parts[rank]]).detach()
    report["evaluated"] = norm.eval()(far[:1]).detach()
    inner = norm[0]
    wanted = (far[:1].double() - inner.running_mean[:, None, None]) / (
        inner.running_var[:, None, None].double() + inner.eps
    ).sqrt()
    report["evaluated_wanted"] = wanted.float()
    torch.save(report, Path(args.opts[1]) / f"{rank}.pth")


def fail(args: argparse.Namespace) -> None:
    """The last process makes a mistake that the user can cure; the others wait for it."""
    if comm.get_rank() == comm.get_world_size() - 1:
        raise ConfigError("the last process does not like this")
    comm.synchronize()
    time.sleep(600)


def vanish(args: argparse.Namespace) -> None:
    """The last process dies without a word."""
    if comm.get_rank() == comm.get_world_size() - 1:
        os._exit(7)
    time.sleep(600)


def wait(args: argparse.Namespace) -> None:
    """All processes say who they are, and wait."""
    # One write: two processes share the pipe, and print() writes its arguments one by one.
    os.write(sys.stdout.fileno(), f"pid {os.getpid()}\n".encode())
    time.sleep(600)


if __name__ == "__main__":
    modes = (train, share, norms, fail, vanish, wait)
    main = {function.__name__: function for function in modes}[sys.argv[1]]
    launch(main, argument_parser().parse_args(sys.argv[2:]))
