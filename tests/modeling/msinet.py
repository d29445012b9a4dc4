"""MSI-Nets for tests: filled by the rule of the goldens, and a small one."""

from __future__ import annotations

import functools
import json
from typing import Any

import numpy as np
import torch
from detectron2.layers import ShapeSpec
from torch import Tensor, nn

from sor_ppa import model_zoo
from sor_ppa.canvas import CanvasRule
from sor_ppa.modeling.meta_arch.msinet import MSINet
from tests.goldens import fill
from tests.modeling import golden

GOLDEN = golden.load("msinet.npz")
#: RGB, as the published weights expect it.
PUBLISHED_MEAN = (103.939, 116.779, 123.68)


@functools.cache
def key_table() -> list[dict[str, Any]]:
    """The published tensors: names and shapes there and here."""
    return json.loads((golden.GOLDENS / "msinet_keys.json").read_text())["tensors"]


def filled_state() -> dict[str, Tensor]:
    """The published network's tensors under our names."""
    state = {
        t["torch"]: torch.from_numpy(fill.fill(t["tf"], t["torch_shape"])) for t in key_table()
    }
    return {**state, "pixel_mean": torch.tensor(PUBLISHED_MEAN)}


def published_network(config: str = "msinet/salicon.yaml") -> MSINet:
    """The network of a published config with these tensors, in eval mode."""
    network: Any = model_zoo.get(config, device="cpu")
    network.load_state_dict(filled_state())
    return network


def golden_image(case: str) -> np.ndarray:
    """The picture uint8 (H, W, 3), RGB, of a case."""
    seed, height, width = (int(v) for v in GOLDEN[f"{case}/image"])
    with np.errstate(over="ignore"):
        return fill.image(seed, height, width)


def model_input(network: MSINet, image: np.ndarray) -> dict[str, Any]:
    """A picture uint8 (H, W, 3), RGB, as a model input."""
    canvas = network.canvas.on_canvas(image).transpose(2, 0, 1).copy()
    height, width = image.shape[:2]
    return {"image": torch.from_numpy(canvas), "height": height, "width": width}


class SmallEncoder(nn.Module):
    """Hands on a map at 1/8 and one at 1/16."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Conv2d(3, 4, 8, stride=8)
        self.coarse = nn.Conv2d(4, 5, 2, stride=2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        fine = self.fine(x / 100)
        return {"fine": fine, "coarse": self.coarse(fine)}

    def output_shape(self) -> dict[str, ShapeSpec]:
        return {
            "fine": ShapeSpec(channels=4, stride=8),
            "coarse": ShapeSpec(channels=5, stride=16),
        }


def small_network(size_hw: tuple[int, int] = (32, 48), **settings: Any) -> MSINet:
    """A network of a few hundred numbers, in eval mode."""
    torch.manual_seed(0)
    encoder: Any = SmallEncoder()
    network = MSINet(
        encoder=encoder,
        in_features=("fine", "coarse"),
        aspp_channels=6,
        aspp_dilations=(1, 2, 3),
        decoder_channels=(5, 4, 3),
        **{"canvas": CanvasRule(size_hw), **settings},
    )
    return network.eval()
