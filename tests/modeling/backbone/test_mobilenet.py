"""MobileNetV2: layout, counts and shapes; torchvision's network as the independent version."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
import torchvision
from detectron2.layers import FrozenBatchNorm2d, ShapeSpec
from torch import nn

from sor_ppa.config import get_cfg
from sor_ppa.modeling.backbone.mobilenet import MobileNetV2, SamePaddedConv2d, build_mnv2_backbone

CHANNELS = {"res2": 24, "res3": 32, "res4": 96, "res5": 320}


def test_counts() -> None:
    model = MobileNetV2()
    convs = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    state = model.state_dict()
    assert len(convs) == 51
    assert sum(parameter.numel() for parameter in model.parameters()) == 1_780_160
    scale_and_shift = (v for k, v in state.items() if k.endswith(("weight", "bias")))
    assert sum(value.numel() for value in scale_and_shift) == 1_811_712
    assert len(state) == 255


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        ("features.0.0.weight", (32, 3, 3, 3)),
        ("features.0.1.running_var", (32,)),
        ("features.1.conv.0.weight", (32, 1, 3, 3)),
        ("features.1.conv.3.weight", (16, 32, 1, 1)),
        ("features.1.conv.4.bias", (16,)),
        ("features.2.conv.0.weight", (96, 16, 1, 1)),
        ("features.2.conv.3.weight", (96, 1, 3, 3)),
        ("features.17.conv.6.weight", (320, 960, 1, 1)),
        ("features.17.conv.7.running_mean", (320,)),
    ],
)
def test_keys(key: str, shape: tuple[int, ...]) -> None:
    assert MobileNetV2().state_dict()[key].shape == shape


@pytest.mark.parametrize("size_hw", [(1, 1), (32, 64), (77, 131)])
def test_feature_shapes(size_hw: tuple[int, int]) -> None:
    model = MobileNetV2()
    outputs = model(torch.rand(1, 3, *size_hw))
    for index, (name, channels) in enumerate(CHANNELS.items()):
        stride = 4 << index
        shape = model.output_shape()[name]
        assert (shape.channels, shape.stride) == (channels, stride)
        expected = [-(-side // stride) for side in size_hw]
        assert outputs[name].shape == (1, channels, *expected)


def test_equals_torchvision() -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.mobilenet_v2(weights=None).eval()
    ours = MobileNetV2().eval()
    # Both list convolution and norm tensors in the order of computation; only names differ.
    source = {k: v for k, v in theirs.features[:18].state_dict().items() if "tracked" not in k}
    for value in source.values():
        if value.dim() == 1:
            value.uniform_(0.5, 1.5)
    renamed = dict(zip(ours.state_dict(), source.values(), strict=True))
    ours.load_state_dict(renamed)
    x = torch.randn(1, 3, 65, 97)
    with torch.no_grad():
        expected = theirs.features[:18](x)
        torch.testing.assert_close(ours(x)["res5"], expected, rtol=1e-4, atol=1e-4)


def test_backward_and_initialisation() -> None:
    torch.manual_seed(0)
    model = MobileNetV2().train()
    sum(output.square().mean() for output in model(torch.rand(1, 3, 64, 64)).values()).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    expand = model.features[17].conv[0].weight  # 960 x 160 x 1 x 1
    assert expand.std().item() == pytest.approx((2 / 960) ** 0.5, rel=0.02)


@pytest.mark.parametrize(
    ("freeze_at", "first_trainable"), [(-1, 0), (0, 0), (1, 2), (2, 4), (3, 7), (4, 14), (9, 18)]
)
def test_freeze(freeze_at: int, first_trainable: int) -> None:
    cfg = get_cfg()
    cfg.MODEL.BACKBONE.FREEZE_AT = freeze_at
    model = build_mnv2_backbone(cfg, ShapeSpec(channels=3))
    for name, parameter in model.named_parameters():
        index = int(name.split(".")[1])
        assert parameter.requires_grad == (index >= first_trainable), name


def test_trainable_norm_in_frozen_parts_becomes_fixed() -> None:
    model = MobileNetV2(norm="BN", freeze_at=2)
    assert isinstance(model.features[3].conv[1], FrozenBatchNorm2d)
    assert isinstance(model.features[4].conv[1], nn.BatchNorm2d)


@pytest.mark.parametrize("size", [(1, 1), (7, 8), (8, 7), (12, 12)])
@pytest.mark.parametrize("kernel", [3, 5])
def test_same_padding_puts_the_kernel_where_tensorflow_does(
    size: tuple[int, int], kernel: int
) -> None:
    torch.manual_seed(0)
    conv = SamePaddedConv2d(2, 3, kernel, 2, bias=False)
    x = torch.randn(1, 2, *size)
    padding = []
    for length in reversed(size):
        total = max((-(-length // 2) - 1) * 2 + kernel - length, 0)  # as TensorFlow documents it
        padding += [total // 2, total - total // 2]
    expected = F.conv2d(F.pad(x, padding), conv.weight, stride=2)
    torch.testing.assert_close(conv(x), expected)


def test_same_padding_changes_no_name_and_no_size() -> None:
    plain, same = MobileNetV2(), MobileNetV2(same_padding=True)
    assert list(plain.state_dict()) == list(same.state_dict())
    x = torch.randn(1, 3, 64, 96)
    ours, expected = same(x), plain(x)
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in expected.items()}
