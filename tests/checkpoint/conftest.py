"""A network of a few tensors, and ways to spoil files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn


class Net(nn.Module):
    """Named like the real one: a backbone and two heads."""

    def __init__(self, classes: int = 1) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3))
        self.roi_heads = nn.ModuleDict({"mask_head": nn.Conv2d(4, classes, 1)})


@pytest.fixture()
def net() -> Net:
    torch.manual_seed(0)
    return Net()


@pytest.fixture()
def weights(tmp_path: Path) -> Path:
    """A whole file with weights for :class:`Net` that differ from those of ``net``."""
    torch.manual_seed(1)
    path = tmp_path / "weights.pth"
    torch.save({"model": Net().state_dict(), "iteration": 7}, path)
    return path
