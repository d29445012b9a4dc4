"""What the tests of launching run as a program: ``launch_script.py MODE [train_net options]``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist
from detectron2.engine import HookBase
from detectron2.utils import comm

from sor_ppa.engine.launch import launch
from sor_ppa.engine.setup import argument_parser, setup
from sor_ppa.engine.trainer import Trainer
from sor_ppa.errors import ConfigError
from tests.engine import stub  # noqa: F401  (registers the network)


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
    print("pid", os.getpid(), flush=True)
    time.sleep(600)


if __name__ == "__main__":
    mode = {"train": train, "share": share, "fail": fail, "vanish": vanish, "wait": wait}
    launch(mode[sys.argv[1]], argument_parser().parse_args(sys.argv[2:]))
