"""A network that trains in milliseconds and in which every kind of randomness matters."""

from __future__ import annotations

from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.structures import Boxes, Instances
from torch import nn

from sor_ppa.config import get_cfg
from tests.synthetic import RankedCoco

NAME = "StubRanker"


class StubRanker(nn.Module):
    """Convolution, batch norm (buffers), dropout and noise; losses depend on pixels and ranks.

    Args:
        cfg: reads MODEL.DEVICE and MODEL.SOR.TRANSFORMER.DROPOUT (0 also turns the noise off).
    """

    def __init__(self, cfg: CfgNode) -> None:
        super().__init__()
        self.noise = cfg.MODEL.SOR.TRANSFORMER.DROPOUT
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 5, stride=4), nn.ReLU())
        self.norm = nn.BatchNorm2d(4) if self.noise else nn.Identity()
        self.dropout = nn.Dropout(self.noise)
        self.head = nn.Linear(4, 2)
        self.to(cfg.MODEL.DEVICE)

    def forward(self, batch: list[dict[str, Any]]) -> Any:
        vectors = torch.cat([self._vector(sample["image"]) for sample in batch])  # (N, 2)
        if not self.training:
            return [{"instances": _one_box(sample)} for sample in batch]
        targets = torch.tensor([[float(s["instances"].gt_ranks.sum())] for s in batch])
        noise = self.noise * torch.rand(len(batch), 1)
        return {
            "loss_rank": (vectors[:, :1] - targets + noise).abs().mean(),
            "loss_box": (vectors[:, 1:] - 0.1 * vectors[:, :1]).square().mean(),
        }

    def _vector(self, image: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.stem(image[None].float() / 255 - 0.5))
        return self.head(self.dropout(x.mean(dim=(2, 3))))


def _one_box(sample: dict[str, Any]) -> Instances:
    height, width = sample["height"], sample["width"]
    found = Instances((height, width))
    found.pred_boxes = Boxes(torch.tensor([[0.0, 0.0, width / 2, height / 2]]))
    found.scores = torch.ones(1)
    found.pred_classes = torch.zeros(1, dtype=torch.int64)
    found.pred_masks = torch.zeros(1, height, width, dtype=torch.bool)
    found.pred_masks[0, : height // 2, : width // 2] = True
    found.pred_ranks = torch.ones(1, dtype=torch.int64)
    found.rank_scores = torch.full((1, 5), 0.5)
    return found


def register() -> None:
    """Makes the stub known to detectron2, once."""
    if NAME not in META_ARCH_REGISTRY:
        META_ARCH_REGISTRY._do_register(NAME, StubRanker)


register()


def options(data: RankedCoco, name: str = "stub_set") -> list[str]:
    """KEY VALUE pairs of a short training of the stub on ``data``."""
    return [
        "MODEL.META_ARCHITECTURE", NAME,
        "MODEL.DEVICE", "cpu",
        "DATASETS.EXTRA", repr(data.extra(name)),
        "DATASETS.TRAIN", repr((name,)),
        "DATASETS.TEST", "()",
        "INPUT.MIN_SIZE_TRAIN", "(48, 64, 80)",
        "INPUT.MIN_SIZE_TEST", "64",
        "SOLVER.IMS_PER_BATCH", "4",
        "SOLVER.MAX_ITER", "6",
        "SOLVER.STEPS", "(4,)",
        "SOLVER.WARMUP_ITERS", "2",
        "SOLVER.BASE_LR", "0.05",
        "SOLVER.CHECKPOINT_PERIOD", "3",
        "DATALOADER.NUM_WORKERS", "0",
        "SEED", "5",
    ]  # fmt: skip


def make_cfg(data: RankedCoco, output_dir: Any, *changes: str) -> CfgNode:
    """The config of :func:`options`, changed by further KEY VALUE pairs."""
    from sor_ppa.data.extra import register_extra

    cfg = get_cfg()
    cfg.merge_from_list([*options(data), "OUTPUT_DIR", str(output_dir), *changes])
    register_extra(cfg)
    return cfg
