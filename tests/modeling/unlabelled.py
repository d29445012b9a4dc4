"""Networks of saliency without labels, filled by the golden rule, and inputs for them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sor_ppa.modeling.backbone.mobilenet import MobileNetV2
from sor_ppa.modeling.backbone.resnet import ResNet50Maps
from sor_ppa.modeling.saliency.unlabelled import normalise
from tests.goldens.fill import fill, image
from tests.modeling import golden

# ImageNet's, in grey levels.
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)
# Entries of the published files that no network here has.
UNUSED = (".fc.", ".se.gn.")


def shapes(name: str) -> dict[str, list[int]]:
    """Key -> shape of the published checkpoint of "a2s", "cornet" or "midnet"."""
    return json.loads((golden.GOLDENS / f"a2s_{name}_keys.json").read_text())


def filled(network: nn.Module, name: str) -> nn.Module:
    """The network with the weights behind the goldens; every key must find its place."""
    state = {
        key: torch.from_numpy(np.asarray(fill(key, shape)))
        for key, shape in shapes(name).items()
        if not any(part in key for part in UNUSED)
    }
    network.load_state_dict(state)
    return network


def resnet_network(cls: type[nn.Module], **arguments: Any) -> Any:
    """``cls`` on ResNet-50 as published."""
    return cls(encoder=ResNet50Maps(), pixel_mean=MEAN, pixel_std=STD, **arguments)


def small_network(cls: type[nn.Module], **arguments: Any) -> Any:
    """``cls`` on MobileNetV2 with random weights and live batch norms."""
    torch.manual_seed(0)
    return cls(encoder=MobileNetV2(norm="BN"), pixel_mean=MEAN, pixel_std=STD, **arguments)


def levels(*seeds: int, size: int = 320) -> Tensor:
    """(N, 3, size, size) uint8 pictures of the golden rule."""
    with np.errstate(over="ignore"):
        pictures = [image(seed, size, size) for seed in seeds]
    return torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2).copy())


def images(*seeds: int, size: int = 320) -> Tensor:
    """The same pictures normalised, float32."""
    mean, std = (torch.tensor(v, dtype=torch.float64) / 255 for v in (MEAN, STD))
    return normalise(levels(*seeds, size=size), mean, std)


def modalities(*seeds: int, size: int = 320) -> Tensor:
    """The same pictures in 0 ... 1, float32."""
    return levels(*seeds, size=size).float() / 255


def check_part(arrays: dict[str, np.ndarray], name: str, x: Tensor, *, atol: float) -> None:
    """Compares a tensor with the shape, spread and corner that a golden file keeps of it.

    ``atol`` is meant for logits, which are of order 1. An encoder's maps have a spread of several
    hundreds, and their rounding, which differs from one kind of CPU to another, grows with that.
    """
    assert tuple(x.shape) == tuple(arrays[f"{name}_shape"])
    corner = x[:, :4, :8, :8].float().numpy()
    bar = atol * max(1.0, float(arrays[f"{name}_std"]))
    np.testing.assert_allclose(corner, arrays[f"{name}_slice"], atol=bar, rtol=0, err_msg=name)
    spread = float(x.double().std())
    np.testing.assert_allclose(spread, arrays[f"{name}_std"], rtol=1e-3, err_msg=name)
