"""CoRNet against the published numbers, and what it does with inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sor_ppa.errors import DataError
from sor_ppa.modeling.meta_arch.cornet import CoRNet
from sor_ppa.modeling.saliency.unlabelled import encoder_maps
from tests.modeling import golden
from tests.modeling.unlabelled import (
    check_part,
    filled,
    images,
    levels,
    resnet_network,
    small_network,
)

GOLDEN = golden.load("a2s_networks.npz")
SEEDS = {"eval": (1,), "train": (1, 3)}
BARS = {"eval": 5e-4, "train": 5e-3}


@pytest.fixture
def tiny() -> CoRNet:
    return small_network(CoRNet)


def batch(count: int = 2, size: int = 96, **fields: Any) -> list[dict[str, Any]]:
    return [{"image": x, **fields} for x in levels(*range(count), size=size)]


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_every_published_part(mode: str) -> None:
    network = filled(resnet_network(CoRNet), "cornet").train(mode == "train")
    x, bar = images(*SEEDS[mode]), BARS[mode]
    parts: dict[str, Tensor] = {}
    watch(parts, network)
    with torch.no_grad():
        logits = network.maps(x)
    network = filled(network, "cornet")
    with torch.no_grad():
        maps = encoder_maps(network.encoder, x)
    prefix = f"cornet_{mode}"
    for index, encoded in enumerate(maps):
        check_part(GOLDEN, f"{prefix}_enc{index}", encoded, atol=bar)
    for name, part in {**parts, "sal0": logits}.items():
        check_part(GOLDEN, f"{prefix}_{name}", part, atol=bar)
    assert {key[len(prefix) + 1 : -6] for key in GOLDEN if key.endswith("_slice")} >= set(parts)
    expected = GOLDEN[f"{prefix}_final_map"]
    ours = logits[:, :, ::4, ::4].reshape(expected.shape)
    np.testing.assert_allclose(ours, expected, atol=bar, rtol=0)


def watch(parts: dict[str, Tensor], network: CoRNet) -> None:
    decoder = network.decoder
    named = {"adapter0": decoder.adapter0, "adapter4": decoder.adapter4}
    named |= {"gb_conv": decoder.gb_conv}
    for name, block in (("region", decoder.region), ("local", decoder.local)):
        named[f"{name}_out"] = block
        for weight in ("1", "2"):
            part = getattr(block, f"res_conv{weight}")
            part.register_forward_hook(
                lambda _m, _i, y, key=f"{name}_r{weight}": parts.update({key: y.sigmoid()})
            )
    for name, module in named.items():
        module.register_forward_hook(lambda _m, _i, y, key=name: parts.update({key: y}))


def test_in_double_precision() -> None:
    network = filled(resnet_network(CoRNet), "cornet").double().eval()
    with torch.no_grad():
        logits = network.maps(images(1).double())
    expected = GOLDEN["cornet_eval_final64_map"]
    ours = logits[:, :, ::4, ::4].reshape(expected.shape)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-9 * np.abs(expected).max())


def test_nothing_in_nothing_out(tiny: CoRNet) -> None:
    assert tiny.eval()([]) == []


@pytest.mark.parametrize("size", [32, 33, 50, 96])
def test_any_size_of_input(tiny: CoRNet, size: int) -> None:
    with torch.no_grad():
        outputs = tiny.eval()(batch(1, size=size, height=21, width=40))
    assert outputs[0]["saliency"].shape == (21, 40)
    assert 0 <= outputs[0]["saliency"].min() <= outputs[0]["saliency"].max() <= 1


def test_everything_but_the_running_counts_learns(tiny: CoRNet) -> None:
    target = (levels(0, 1, size=96)[:, :1] > 120).float()
    inputs = [{**item, "saliency": mask} for item, mask in zip(batch(), target, strict=True)]
    losses = tiny.train()(inputs)
    assert list(losses) == ["loss_saliency"]
    losses["loss_saliency"].backward()
    silent = [name for name, p in tiny.named_parameters() if p.grad is None]
    assert silent == []


def test_training_without_masks(tiny: CoRNet) -> None:
    with pytest.raises(DataError, match=r"a\.jpg: training needs a mask.*_pseudo"):
        tiny.train()(batch(1, file_name="a.jpg"))
