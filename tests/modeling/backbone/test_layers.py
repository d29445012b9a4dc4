"""Units of the bodies; the deformable one against a slow version and against plain convolutions."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sor_ppa.modeling.backbone.layers import (
    DeformableUnit,
    EffectiveSqueezeExcitation,
    conv_unit,
    depthwise_unit,
)
from sor_ppa.modeling.backbone.vovnet import VoVNet

SIZE = (7, 9)


def _unit(*, modulated: bool, groups: int = 1) -> tuple[DeformableUnit, nn.Conv2d, nn.Module]:
    """A unit without norm on 4 -> 6 channels, its offset convolution and its convolution."""
    torch.manual_seed(0)
    unit = DeformableUnit("u", 4, 6, modulated=modulated, groups=groups, norm="")
    return unit, unit[0], unit[1]


def _slow_deformable(
    x: torch.Tensor, predicted: torch.Tensor, weight: torch.Tensor, groups: int, modulated: bool
) -> torch.Tensor:
    """Deformable convolution by sampling every tap of every group with ``grid_sample``."""
    count, channels, height, width = x.shape
    per_group = channels // groups
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    output = torch.zeros(count, weight.shape[0], height, width)
    for group in range(groups):
        part = slice(group * per_group, (group + 1) * per_group)
        for tap in range(9):
            index = group * 9 + tap
            y = rows + tap // 3 - 1 + predicted[:, 2 * index]
            x_position = columns + tap % 3 - 1 + predicted[:, 2 * index + 1]
            grid = torch.stack([2 * x_position / (width - 1) - 1, 2 * y / (height - 1) - 1], dim=-1)
            sample = F.grid_sample(x[:, part], grid, padding_mode="zeros", align_corners=True)
            if modulated:
                sample = sample * predicted[:, 18 * groups + index, None].sigmoid()
            tap_weight = weight[:, part, tap // 3, tap % 3]
            output += torch.einsum("nchw,oc->nohw", sample, tap_weight)
    return output


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("modulated", "factor"), [(False, 1.0), (True, 0.5)])
def test_zero_offsets_equal_a_plain_convolution(
    modulated: bool, factor: float, groups: int
) -> None:
    unit, offset, conv = _unit(modulated=modulated, groups=groups)
    assert offset.out_channels == (27 if modulated else 18) * groups
    assert not offset.weight.any() and not offset.bias.any()
    x = torch.randn(2, 4, *SIZE)
    expected = F.relu(factor * F.conv2d(x, conv.weight, padding=1))
    torch.testing.assert_close(unit(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("modulated", [False, True])
def test_learnt_offsets_equal_the_slow_version(modulated: bool, groups: int) -> None:
    unit, offset, conv = _unit(modulated=modulated, groups=groups)
    nn.init.normal_(offset.weight, std=0.3)
    nn.init.normal_(offset.bias, std=0.5)
    x = torch.randn(2, 4, *SIZE)
    with torch.no_grad():
        expected = F.relu(_slow_deformable(x, offset(x), conv.weight, groups, modulated))
        torch.testing.assert_close(unit(x), expected, rtol=1e-4, atol=1e-4)


def test_whole_offset_is_a_shift() -> None:
    unit, offset, conv = _unit(modulated=False)
    with torch.no_grad():
        offset.bias[1::2] = 1.0  # x of all taps: look one column to the right
    x = torch.randn(1, 4, *SIZE)
    expected = F.relu(F.conv2d(F.pad(x, (0, 1)), conv.weight, padding=1))[..., 1:]
    # The plain convolution pads its leftmost column, which the shifted one does not look at.
    torch.testing.assert_close(unit(x)[..., 1:], expected[..., 1:], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("modulated", [False, True])
def test_names_and_gradients(modulated: bool) -> None:
    torch.manual_seed(0)
    model = VoVNet(
        body="V-19-slim-eSE",
        stage_with_dcn=(False, False, False, True),
        modulated_dcn=modulated,
        out_features=("stage5",),
    )
    unit = "stage5.OSA5_1.layers.0.OSA5_1_0"
    names = [key for key in model.state_dict() if key.startswith(unit)]
    assert names == [
        f"{unit}/{part}"
        for part in (
            "conv_offset.weight",
            "conv_offset.bias",
            "conv.weight",
            "norm.weight",
            "norm.bias",
            "norm.running_mean",
            "norm.running_var",
        )
    ]
    model(torch.rand(1, 3, 64, 64))["stage5"].square().sum().backward()
    gradient = dict(model.named_parameters())[f"{unit}/conv_offset.weight"].grad
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("unit", [conv_unit, depthwise_unit])
@pytest.mark.parametrize(("stride", "size"), [(1, (7, 9)), (2, (4, 5))])
def test_units_round_sizes_up(unit: object, stride: int, size: tuple[int, int]) -> None:
    module = nn.Sequential(unit("u", 4, 6, stride=stride))
    assert module(torch.rand(1, 4, *SIZE)).shape == (1, 6, *size)
    assert not any(name.endswith("bias") for name, _ in module.named_parameters())


def test_depthwise_unit_has_one_norm_and_one_relu() -> None:
    kinds = [type(part).__name__ for part in depthwise_unit("u", 4, 6).values()]
    assert kinds == ["Conv2d", "Conv2d", "FrozenBatchNorm2d", "ReLU"]


@pytest.mark.parametrize(("bias", "factor"), [(-4.0, 0.0), (0.0, 0.5), (1.5, 0.75), (9.0, 1.0)])
def test_ese_is_a_hard_sigmoid_of_the_mean(bias: float, factor: float) -> None:
    ese = EffectiveSqueezeExcitation(3)
    nn.init.zeros_(ese.fc.weight)
    nn.init.constant_(ese.fc.bias, bias)
    x = torch.randn(2, 3, 5, 4)
    torch.testing.assert_close(ese(x), factor * x)
    # With the identity as weight, a channel's factor depends on that channel's mean alone.
    nn.init.dirac_(ese.fc.weight)
    mean = x.mean((2, 3), keepdim=True) + bias
    torch.testing.assert_close(ese(x), x * ((mean + 3) / 6).clamp(0, 1))
