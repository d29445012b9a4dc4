"""Reading the reference numbers of tests/goldens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.modeling import build_model
from torch import nn

from sor_ppa import get_cfg
from tests.goldens.fill import fill

ROOT = Path(__file__).parents[2]
GOLDENS = ROOT / "tests" / "goldens"


def load(name: str) -> dict[str, np.ndarray]:
    """All arrays of a golden file."""
    with np.load(GOLDENS / name) as arrays:
        return dict(arrays)


def published_keys() -> dict[str, list[int]]:
    """Key -> shape of the published checkpoint."""
    return json.loads((GOLDENS / "sor_ppa_v39_keys.json").read_text())


def config(name: str, **options: Any) -> CfgNode:
    """A config of configs/sor on the CPU, with nothing to load."""
    cfg = get_cfg()
    cfg.merge_from_file(str(ROOT / "configs" / "sor" / f"{name}.yaml"))
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.WEIGHTS = ""
    cfg.merge_from_list([item for pair in options.items() for item in pair])
    return cfg


def build(cfg: CfgNode) -> nn.Module:
    """The model of a config in eval mode."""
    return build_model(cfg).eval()


def fill_weights(module: nn.Module, prefix: str = "") -> nn.Module:
    """Fills every entry of a module's state dict by the golden rule."""
    state = module.state_dict()
    filled = {k: torch.from_numpy(fill(prefix + k, v.shape)) for k, v in state.items()}
    module.load_state_dict(filled)
    return module


def override(model: nn.Module, values: dict[str, float]) -> None:
    """Sets whole tensors of a model to a number; ``*`` in a key stands for anything."""
    from fnmatch import fnmatch

    state = model.state_dict()
    for pattern, value in values.items():
        hits = [key for key in state if fnmatch(key, pattern)]
        assert hits, pattern
        for key in hits:
            state[key].fill_(value)


def stats(x: torch.Tensor) -> np.ndarray:
    """Mean, sample standard deviation, mean of abs, max of abs."""
    x = x.double()
    return np.array([x.mean(), x.std(), x.abs().mean(), x.abs().max()])
