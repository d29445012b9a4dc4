"""Trainings of one and of several processes, side by side."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from detectron2.config import CfgNode

from sor_ppa.compat import create_local_process_group
from sor_ppa.engine import Trainer
from sor_ppa.engine.launch import _free_port
from tests.engine.launch_script import Recorder

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

Run = tuple[list[dict[str, float]], dict[str, torch.Tensor]]


def train_together(cfgs: Mapping[int, CfgNode], trainer: type[Trainer]) -> list[Run]:
    """Trains each config on its number of processes, with float64 as the default type.

    Args:
        cfgs: number of processes -> config.
        trainer: class.

    Returns:
        of each config the losses of every iteration and the last weights.
    """
    children = [
        _fork(cfg, trainer, rank, count, port)
        for (count, cfg), port in zip(cfgs.items(), [_free_port() for _ in cfgs], strict=True)
        for rank in range(count)
    ]
    assert {os.waitpid(child, 0)[1] for child in children} == {0}
    return [_outcome(Path(cfg.OUTPUT_DIR)) for cfg in cfgs.values()]


def _fork(cfg: CfgNode, trainer: type[Trainer], rank: int, processes: int, port: int) -> int:
    """One of several processes that train together; returns its number."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        torch.set_default_dtype(torch.float64)
        url = f"tcp://127.0.0.1:{port}"
        dist.init_process_group("gloo", init_method=url, world_size=processes, rank=rank)
        create_local_process_group(processes)
        run: Any = trainer(cfg)
        run.register_hooks([Recorder(Path(cfg.OUTPUT_DIR) / "losses.jsonl", 0.0)])
        run.train()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _outcome(folder: Path) -> Run:
    lines = (folder / "losses.jsonl").read_text().splitlines()
    weights = torch.load(folder / "model_final.pth", weights_only=True)["model"]
    return [json.loads(line) for line in lines], weights
