"""Models without weights for tests of the page: the same answer for any picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.modeling import META_ARCH_REGISTRY
from torch import nn

from sor_ppa.webapp.answers import Studio
from sor_ppa.webapp.limits import Limits
from sor_ppa.webapp.models import Model, Shelf, model_of
from tests.demo import fake_ranker, fake_saliency


@META_ARCH_REGISTRY.register()
class FakeFixation(nn.Module):
    """A map that rises from 0 on the left to 1 on the right."""

    def __init__(self, cfg: CfgNode) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, batched_inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        sizes = [(item["height"], item["width"]) for item in batched_inputs]
        return [{"fixation": torch.linspace(0, 1, w).expand(h, w).clone()} for h, w in sizes]


def fake_models(folder: Path) -> list[Model]:
    """One of each kind: fake.yaml, dense.yaml and gaze.yaml."""
    gaze = folder / "gaze.yaml"
    gaze.write_text(
        "MODEL: {META_ARCHITECTURE: FakeFixation, DEVICE: cpu}\n"
        "INPUT: {DATASET_MAPPER_NAME: fixation}\n"
    )
    files = (fake_ranker.fake_config_file(folder), fake_saliency.fake_config_file(folder), gaze)
    return [model_of(str(file)) for file in files]


def fake_studio(folder: Path, limits: Limits | None = None) -> Studio:
    """A studio of them."""
    return Studio(Shelf(fake_models(folder)), limits or Limits())
