"""A network for tests of everything around the network: the same three objects in any picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.structures import Boxes, Instances
from torch import nn

from sor_ppa.config import get_cfg

# Rank, score and (x0, y0, x1, y1) as shares of the picture; the order is not that of the ranks.
OBJECTS = (
    (2, 0.75, (0.6, 0.1, 0.9, 0.5)),
    (1, 0.9, (0.1, 0.1, 0.5, 0.9)),
    (0, 0.5, (0.7, 0.7, 0.95, 0.95)),
)


@META_ARCH_REGISTRY.register()
class FakeRanker(nn.Module):
    """Objects of :data:`OBJECTS`; none in a picture that is black. Keeps what it was given."""

    def __init__(self, cfg: CfgNode) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.seen: list[torch.Tensor] = []
        self.batches: list[int] = []

    def forward(self, batched_inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        assert not self.training and not torch.is_grad_enabled()
        self.seen += [item["image"] for item in batched_inputs]
        self.batches.append(len(batched_inputs))
        return [{"instances": self._instances(item)} for item in batched_inputs]

    def _instances(self, item: dict[str, Any]) -> Instances:
        height, width = item["height"], item["width"]
        objects = OBJECTS if item["image"].any() else ()
        found = Instances((height, width))
        shares = torch.tensor([box for _, _, box in objects]).reshape(-1, 4)
        found.pred_boxes = Boxes(shares * torch.tensor([width, height, width, height]))
        found.scores = torch.tensor([score for _, score, _ in objects])
        found.pred_classes = torch.zeros(len(objects), dtype=torch.int64)
        found.pred_ranks = torch.tensor([rank for rank, _, _ in objects], dtype=torch.int64)
        found.rank_scores = torch.zeros(len(objects), 5)
        found.pred_masks = torch.zeros(len(objects), height, width, dtype=torch.bool)
        for mask, box in zip(found.pred_masks, found.pred_boxes, strict=True):
            x0, y0, x1, y1 = (int(value) for value in box.round())
            mask[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)] = True
        return found


def fake_cfg() -> CfgNode:
    """A config that builds the fake network, on the CPU, without weights."""
    cfg = get_cfg()
    cfg.MODEL.META_ARCHITECTURE = "FakeRanker"
    cfg.MODEL.DEVICE = "cpu"
    cfg.INPUT.MIN_SIZE_TEST = 64
    cfg.INPUT.MAX_SIZE_TEST = 128
    return cfg


def fake_config_file(folder: Path) -> Path:
    """The same as a yaml file."""
    path = folder / "fake.yaml"
    path.write_text(
        "MODEL: {META_ARCHITECTURE: FakeRanker, DEVICE: cpu}\n"
        "INPUT: {MIN_SIZE_TEST: 64, MAX_SIZE_TEST: 128}\n"
    )
    return path
