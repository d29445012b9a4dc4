"""A dense network for tests of everything around the network: a soft disc in any picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.modeling import META_ARCH_REGISTRY
from torch import nn

from sor_ppa.config import get_cfg

NAN_LEVEL = 13  # a picture whose first pixel is this dark makes the network fail


def soft_disc(height: int, width: int) -> torch.Tensor:
    """Saliency (H, W): 1 in the middle, 0 in the corners, soft in between."""
    y = (torch.arange(height) + 0.5) / height * 2 - 1
    x = (torch.arange(width) + 0.5) / width * 2 - 1
    distance = torch.sqrt(y[:, None] ** 2 + x[None] ** 2)
    return ((0.8 - distance) / 0.3 + 0.5).clamp(0, 1)


@META_ARCH_REGISTRY.register()
class FakeSaliency(nn.Module):
    """The disc of :func:`soft_disc`; nothing salient in a black picture."""

    def __init__(self, cfg: CfgNode) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.return_pyramid = cfg.MODEL.INSPYRENET.RETURN_PYRAMID

    def forward(self, batched_inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        assert not self.training and not torch.is_grad_enabled()
        return [self._output(item) for item in batched_inputs]

    def _output(self, item: dict[str, Any]) -> dict[str, Any]:
        image = item["image"]
        saliency = soft_disc(item["height"], item["width"]) * float(bool(image.any()))
        if abs(int(image[0, 0, 0]) - NAN_LEVEL) <= 2:  # codecs round
            saliency[0, 0] = float("nan")
        output: dict[str, Any] = {"saliency": saliency}
        if self.return_pyramid:
            maps = {f"d{k}": torch.linspace(-9, 9, 64 >> k).repeat(64 >> k, 1) for k in range(4)}
            maps |= {f"p{k}": torch.full((64 >> k, 64 >> k), -0.5) for k in range(3)}
            output["pyramid"] = maps
        return output


def fake_cfg() -> CfgNode:
    """A config that builds the fake network, on the CPU, without weights."""
    cfg = get_cfg()
    cfg.MODEL.META_ARCHITECTURE = "FakeSaliency"
    cfg.MODEL.DEVICE = "cpu"
    cfg.INPUT.DATASET_MAPPER_NAME = "dense"
    cfg.INPUT.FORMAT = "RGB"
    return cfg


def fake_config_file(folder: Path) -> Path:
    """The same as a yaml file."""
    path = folder / "dense.yaml"
    path.write_text(
        "MODEL: {META_ARCHITECTURE: FakeSaliency, DEVICE: cpu}\n"
        "INPUT: {DATASET_MAPPER_NAME: dense, FORMAT: RGB}\n"
    )
    return path
