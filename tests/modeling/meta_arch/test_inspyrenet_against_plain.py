"""The product's network, as it is and fused for inference, against the slow, obvious one.

Sizes are small and crooked: grids resized up, windows padded, odd halves, Laplacians resized.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import nn

from sor_ppa.modeling.backbone import MobileNetV2
from sor_ppa.modeling.fuse import fuse_for_inference
from sor_ppa.modeling.meta_arch.inspyrenet import InSPyReNet
from tests.goldens.fill import image
from tests.modeling.plain_inspyrenet import PlainInSPyReNet, normalise
from tests.modeling.plain_networks import FEATURES, AsList, filled, product_like

LEVELS = ("d3", "d2", "d1", "d0", "p2", "p1", "p0")
SIZES = ((64, 96), (68, 100), (96, 36))
Pair = tuple[PlainInSPyReNet, InSPyReNet]


def perturb(network: nn.Module, seed: int) -> None:
    """Norms, thresholds and gammas off their starting values, logits of a size near 1.

    Without the factors the softmax over the contexts is a cliff, where rounding decides.
    """
    rng = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        if name.endswith(("running_var", "bn.weight", "threshold")):
            tensor.copy_(0.5 + torch.rand(tensor.shape, generator=rng))
        elif name.endswith(("running_mean", "bn.bias", "gamma")):
            tensor.copy_(torch.rand(tensor.shape, generator=rng) - 0.5)
        if name.endswith(("conv_key.0.conv.weight", "conv_value.0.conv.weight")):
            tensor.div_(500)  # behind sums over the grid
        elif name.endswith(("conv_key.1.bn.weight", "conv_out4.bn.weight")):
            tensor.mul_(0.05)
        elif name.endswith("conv5.conv.weight"):
            tensor.div_(50)


def small_pair(depths: Sequence[int], kernels: Sequence[Sequence[int]]) -> Pair:
    """A small network both ways, with the same random weights."""
    torch.manual_seed(0)
    product = InSPyReNet(
        backbone=MobileNetV2(),
        in_features=FEATURES,
        depths=depths,
        context_kernels=kernels,
        base_size=(32, 64),
    ).eval()
    perturb(product, 1)
    plain = PlainInSPyReNet(
        AsList(product.backbone), (32, 64), tuple(depths), tuple(map(tuple, kernels))
    )
    own = {k: v for k, v in product.state_dict().items() if not k.startswith("backbone.")}
    missing, unexpected = plain.load_state_dict(own, strict=False)
    assert not unexpected
    assert all(key.startswith("backbone.") for key in missing)
    return plain.eval(), product


@pytest.fixture(scope="module")
def res2net() -> Pair:
    plain = filled("res2net50", base_size=(64, 96))
    return plain, product_like(plain, "res2net50")


def check_pass(pair: Pair, sizes: Sequence[tuple[int, int]], bar: float) -> None:
    """Every level of one pass, relative to its largest value (or to 1)."""
    plain, product = pair
    for seed, size in enumerate(sizes):
        x = normalise(image(seed, *size))
        want = plain(x)
        got = product.pyramid(x)
        for name, level in zip(LEVELS, (*got.saliency, *got.laplacian), strict=True):
            scale = max(1.0, float(want[name].abs().max()))
            torch.testing.assert_close(level, want[name], rtol=0, atol=bar * scale, msg=name)


def check_outputs(pair: Pair) -> None:
    """Maps of a mixed batch: one pass, two of one size, and a blend."""
    plain, product = pair
    pictures = [image(7, 64, 96), image(8, 64, 96), image(9, 128, 160), image(10, 96, 64)]
    small = image(11, 64, 64)
    items = [as_item(picture) for picture in pictures]
    items[2]["image_lr"] = as_item(small)["image"]
    got = [output["saliency"] for output in product(items)]
    for i in (0, 1, 3):
        torch.testing.assert_close(
            got[i], plain(normalise(pictures[i]))["pred"][0, 0], rtol=0, atol=1e-5
        )
    blended = plain.blend(normalise(small), normalise(pictures[2]))
    assert 0 < blended["t0"].mean() < 1
    torch.testing.assert_close(got[2], blended["pred"][0, 0], rtol=0, atol=1e-5)


def as_item(rgb: np.ndarray) -> dict[str, torch.Tensor | int]:
    height, width = rgb.shape[:2]
    pixels = torch.from_numpy(rgb.transpose(2, 0, 1).copy())
    return {"image": pixels, "height": height, "width": width}


@pytest.mark.parametrize("fused", [False, True])
@torch.inference_mode()
def test_published_network(res2net: Pair, *, fused: bool) -> None:
    plain, product = res2net
    product = fuse_for_inference(product) if fused else product
    check_pass((plain, product), SIZES, 2e-5)
    check_outputs((plain, product))


@pytest.mark.slow
@pytest.mark.parametrize("fused", [False, True])
@torch.inference_mode()
def test_swin(*, fused: bool) -> None:
    plain = filled("swinb", base_size=(64, 96))
    product = product_like(plain, "swinb")
    product = fuse_for_inference(product) if fused else product
    check_pass((plain, product), SIZES, 2e-5)
    check_outputs((plain, product))


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize(
    ("depths", "kernels"),
    [
        ((8, 8, 16, 16), ((), (), (3,), (3, 5), (3, 5, 7))),
        ((16, 24, 32, 8), ((5,), (3,), (), (), (3, 5))),
    ],
)
@torch.inference_mode()
def test_other_widths(
    depths: tuple[int, ...],
    kernels: tuple[tuple[int, ...], ...],
    *,
    fused: bool,
    channels_last: bool,
) -> None:
    plain, product = small_pair(depths, kernels)
    if channels_last:
        product = product.to(memory_format=torch.channels_last)
        product.channels_last = True
    product = fuse_for_inference(product) if fused else product
    check_pass((plain, product), SIZES, 2e-5)


@torch.inference_mode()
def test_items_of_a_batch_do_not_see_each_other() -> None:
    _, product = small_pair((8, 8, 16, 16), ((), (), (3,), (3,), (3,)))
    network = fuse_for_inference(product)
    batch = torch.cat([normalise(image(seed, 64, 96)) for seed in range(3)])
    together = network.pyramid(batch).saliency[-1]
    for i in range(3):
        alone = network.pyramid(batch[i : i + 1]).saliency[-1]
        scale = float(alone.abs().max())
        torch.testing.assert_close(together[i : i + 1], alone, rtol=0, atol=1e-5 * scale)
