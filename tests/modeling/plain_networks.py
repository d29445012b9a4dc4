"""The slow networks with the golden weights, and the product's networks with the same weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import torch
from detectron2.modeling import Backbone
from torch import nn

from sor_ppa.modeling.backbone.res2net import Res2Net50
from sor_ppa.modeling.backbone.swin import SwinTransformer
from sor_ppa.modeling.meta_arch.inspyrenet import InSPyReNet
from tests.goldens.fill import fill
from tests.modeling import golden
from tests.modeling.plain_inspyrenet import PlainInSPyReNet, plain_res2net50, plain_swinb

NETWORKS: dict[str, Callable[..., PlainInSPyReNet]] = {
    "res2net50": plain_res2net50,
    "swinb": plain_swinb,
}
BACKBONES: dict[str, Callable[[], Backbone]] = {"res2net50": Res2Net50, "swinb": SwinTransformer}
FEATURES = ("stem", "res2", "res3", "res4", "res5")


class AsList(nn.Module):
    """A product backbone under the slow network."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.channels = tuple(backbone.output_shape()[name].channels for name in FEATURES)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        maps = self.backbone(x)
        return [maps[name] for name in FEATURES]


def filled(name: str, **options: Any) -> PlainInSPyReNet:
    """The slow network, every weight drawn by the golden rule and then adjusted as it says."""
    network = NETWORKS[name](**options)
    adjust = json.loads(str(golden.load(f"inspyrenet_{name}.npz")["adjust"]))
    for key, tensor in network.state_dict().items():
        if not tensor.is_floating_point():
            continue  # indices
        factor, shift = adjust.pop(key, (1.0, 0.0))
        tensor.copy_(torch.from_numpy(fill(key, tensor.shape)) * factor + shift)
    assert not adjust
    return network


def product_like(plain: PlainInSPyReNet, name: str) -> InSPyReNet:
    """The product's network of that backbone with the slow one's weights."""
    product = InSPyReNet(
        backbone=BACKBONES[name](), in_features=FEATURES, base_size=plain.attention0.grid
    ).eval()
    product.load_state_dict(plain.state_dict())
    return product
