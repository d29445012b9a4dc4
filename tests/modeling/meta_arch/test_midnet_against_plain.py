"""MIDNet, outputs and training step, against the slow network that enlarges before it convolves."""

from __future__ import annotations

import copy

import pytest
import torch

from sor_ppa.modeling.backbone.mobilenet import MobileNetV2
from sor_ppa.modeling.meta_arch.midnet import MIDNet
from tests.modeling.plain_midnet import OUTPUTS, PlainMIDNet
from tests.modeling.plain_networks import AsList
from tests.modeling.steps import detached, gradients, largest_difference
from tests.modeling.unlabelled import images, modalities, small_network

Pair = tuple[MIDNet, PlainMIDNet]
PARTS = ("trans_rgb", "trans_t", "decoder")


def small_pair() -> Pair:
    """The same light network both ways, weights larger than fresh ones."""
    product = small_network(MIDNet, t_net=MobileNetV2(norm="BN"))
    for name in PARTS:
        for parameter in product.get_submodule(name).parameters():
            if parameter.ndim == 4:
                torch.nn.init.kaiming_normal_(parameter)
    plain = PlainMIDNet(*(AsList(copy.deepcopy(x)) for x in (product.encoder, product.t_net)))
    for name in PARTS:
        plain.get_submodule(name).load_state_dict(product.get_submodule(name).state_dict())
    return product.train(), plain.train()


def check_outputs(pair: Pair, size: tuple[int, int], dtype: torch.dtype, bar: float) -> None:
    product, plain = (network.to(dtype) for network in pair)
    height, width = size
    x, modality = (
        made(*seeds, size=max(size))[..., :height, :width].to(dtype)
        for made, seeds in ((images, (0, 1)), (modalities, (2, 3)))
    )
    with torch.no_grad():
        ours, theirs = product.maps(x, modality), plain(x, modality)
    for name in OUTPUTS:
        want = theirs[name]
        scale = float(want.abs().max())
        torch.testing.assert_close(getattr(ours, name), want, rtol=0, atol=bar * scale, msg=name)


def check_step(pair: Pair, dtype: torch.dtype, *, loss_bar: float, bar: float) -> None:
    """The losses, and every gradient behind the encoders."""
    product, plain = (network.to(dtype) for network in pair)
    x, modality = images(0, 1, size=96).to(dtype), modalities(2, 3, size=96).to(dtype)
    target = (x[:, :1] > 0).to(dtype)
    ours, theirs = product.losses(x, modality, target), plain.step(x, modality, target)
    assert list(ours) == list(theirs)
    assert largest_difference(detached(ours), detached(theirs)) < loss_bar
    fast, slow = gradients(product, ours), gradients(plain, theirs)
    assert {name.split(".")[0] for name in fast} == {"encoder", "t_net", *PARTS}
    behind = {name: value for name, value in fast.items() if name.startswith(PARTS)}
    assert {"decoder.gfb1_2.conv1.0.weight", "trans_t.0.0.weight"} <= set(behind)
    assert largest_difference(behind, slow) < bar


@pytest.mark.parametrize("size", [(64, 64), (40, 100), (33, 96)])
def test_outputs_of_a_small_network(size: tuple[int, int]) -> None:
    pair = small_pair()
    check_outputs(pair, size, torch.float32, 2e-5)
    check_outputs(pair, size, torch.float64, 1e-11)


def test_step_of_a_small_network() -> None:
    pair = small_pair()
    # Batch statistics of two maps of 3 x 3 pixels make rounding larger.
    check_step(pair, torch.float32, loss_bar=1e-6, bar=2e-3)
    check_step(pair, torch.float64, loss_bar=1e-12, bar=1e-9)


def test_a_wrong_block_would_be_seen() -> None:
    product, plain = small_pair()
    product.decoder.gfb3_2.conv_globalinfo[1].weight.data.mul_(1.01)
    with pytest.raises(AssertionError):
        check_outputs((product, plain), (64, 64), torch.float32, 2e-5)
