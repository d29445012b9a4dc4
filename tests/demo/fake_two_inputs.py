"""A network that sees a second modality and answers with it: a map tells what the network saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode
from detectron2.modeling import META_ARCH_REGISTRY
from torch import nn

from sor_ppa.config import get_cfg


@META_ARCH_REGISTRY.register()
class FakeTwoInputs(nn.Module):
    """Saliency is the red of the modality / 255, at the picture's size."""

    def __init__(self, cfg: CfgNode) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.seen: list[dict[str, Any]] = []

    def forward(self, batched_inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        self.seen += batched_inputs
        return [{"saliency": _red(item)} for item in batched_inputs]


def _red(item: dict[str, Any]) -> torch.Tensor:
    # A quarter of a level more: maps are cut to whole levels, and interpolation rounds.
    red = (item["modality"][None, :1].float() + 0.25) / 255  # (1, 1, h, w)
    return F.interpolate(red, (item["height"], item["width"]), mode="bilinear")[0, 0].clamp(0, 1)


def two_cfg(kind: str = "depth", *, used: bool = True) -> CfgNode:
    """A config that builds the fake network, on the CPU, without weights."""
    cfg = get_cfg()
    cfg.MODEL.META_ARCHITECTURE = "FakeTwoInputs"
    cfg.MODEL.DEVICE = "cpu"
    cfg.INPUT.DATASET_MAPPER_NAME = "dense"
    cfg.INPUT.FORMAT = "RGB"
    cfg.INPUT.DENSE.TEST_RESIZE = "static"
    cfg.INPUT.DENSE.TEST_SIZE = (48, 64)
    cfg.INPUT.DENSE.MODALITIES = (kind,)
    cfg.INPUT.DENSE.TEST_MODALITIES = used
    return cfg


def two_config_file(folder: Path, kind: str = "depth") -> Path:
    """The same as a yaml file."""
    path = folder / f"{kind}.yaml"
    path.write_text(
        "MODEL: {META_ARCHITECTURE: FakeTwoInputs, DEVICE: cpu}\n"
        "INPUT:\n"
        "  DATASET_MAPPER_NAME: dense\n"
        "  FORMAT: RGB\n"
        "  DENSE: {TEST_RESIZE: static, TEST_SIZE: [48, 64],\n"
        f"    MODALITIES: [{kind}], TEST_MODALITIES: True}}\n"
    )
    return path
