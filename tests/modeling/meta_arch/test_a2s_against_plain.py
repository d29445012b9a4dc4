"""A training step of A2S against the slow one, which learns everything and unfolds every pixel."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from sor_ppa.modeling.meta_arch.a2s import A2S
from tests.modeling.plain_a2s import PlainA2S
from tests.modeling.plain_networks import AsList
from tests.modeling.steps import detached, gradients, largest_difference
from tests.modeling.unlabelled import filled, images, modalities, resnet_network

Pair = tuple[A2S, PlainA2S]
BARS = {torch.float32: 1e-5, torch.float64: 1e-10}
# In float32 |q_j - q_i| of two nearly equal pixels may fall to either side.
BARS_WITH_TIES = {torch.float32: 5e-4, torch.float64: 1e-10}


def small_pair(tiny: A2S, dtype: torch.dtype) -> Pair:
    """The same light network both ways."""
    plain = PlainA2S(AsList(copy.deepcopy(tiny.encoder)))
    plain.decoder.load_state_dict(tiny.decoder.state_dict())
    return tiny.to(dtype).train(), plain.to(dtype).train()


def check_step(
    pair: Pair,
    x: Tensor,
    modality: Tensor | None,
    step: int,
    *,
    epoch: int = 1,
    bars: dict[torch.dtype, float] = BARS,
) -> None:
    """The losses and every gradient of the decoder."""
    product, plain = pair
    dtype = next(product.parameters()).dtype
    x = x.to(dtype)
    modality = None if modality is None else modality.to(dtype)
    stack = x if modality is None else torch.cat([x, modality], 1)
    product.set_epoch(epoch, 20)
    ours, theirs = product.losses(x, modality, step), plain.step(stack, step, epoch)
    assert list(ours) == list(theirs)
    assert all(loss > 0 for loss in theirs.values())
    assert largest_difference(detached(ours), detached(theirs)) < BARS[dtype]
    slow = gradients(plain, theirs)
    fast = gradients(product, ours)
    assert fast
    assert all(name.startswith("decoder.") for name in fast)
    assert any(name.startswith("encoder.") for name in slow)
    assert largest_difference(fast, slow) < bars[dtype]


@pytest.mark.parametrize("dtype", BARS)
@pytest.mark.parametrize(
    ("kinds", "step", "epoch"), [(0, -32, 1), (1, 32, 10), (3, -32, 20), (0, 64, 2)]
)
def test_small_network(
    tiny_a2s: A2S, kinds: int, step: int, epoch: int, dtype: torch.dtype
) -> None:
    x = images(0, 1, 2, size=96)[..., :80]
    modality = None
    if kinds:
        modality = torch.cat([modalities(3 * k, 3 * k + 1, 3 * k + 2, size=96)
                              for k in range(3, 3 + kinds)], 1)[..., :80]  # fmt: skip
        modality[0, :3] = 0  # a picture that lacks one
    check_step(small_pair(tiny_a2s, dtype), x, modality, step, epoch=epoch, bars=BARS_WITH_TIES)


@pytest.mark.parametrize("dtype", BARS)
def test_published_network(dtype: torch.dtype) -> None:
    product, plain = filled(resnet_network(A2S), "a2s"), PlainA2S()
    plain.load_state_dict(product.state_dict())
    pair = product.to(dtype).train(), plain.to(dtype).train()
    check_step(pair, images(1, 3, size=96), modalities(2, 4, size=96), 32)


def test_the_running_statistics_agree(tiny_a2s: A2S) -> None:
    """The encoder that learns nothing counts all the same, and as often."""
    product, plain = small_pair(tiny_a2s, torch.float32)
    x = images(0, 1, size=96)
    product.losses(x, None, 32)
    plain.step(x, 32)
    slow = dict(plain.encoder.backbone.named_buffers())
    changed = [name for name in slow if name.endswith(("running_mean", "running_var"))]
    assert changed
    fast = dict(product.encoder.named_buffers())
    assert largest_difference(*({n: b[n] for n in changed} for b in (fast, slow))) < 1e-6


def test_a_wrong_decoder_would_be_seen(tiny_a2s: A2S) -> None:
    product, plain = small_pair(tiny_a2s, torch.float32)
    product.decoder.ad4.se.conv.weight.data.mul_(1.01)
    with pytest.raises(AssertionError):
        check_step((product, plain), images(0, 1, size=96), None, 32)
