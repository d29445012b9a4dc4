"""Res2Net-50: dilation, pooled shortcuts, freezing. Its maps: test_published_maps.py."""

from __future__ import annotations

import pytest
import torch
from detectron2.layers import FrozenBatchNorm2d, ShapeSpec
from torch import nn

from sor_ppa.config import get_cfg
from sor_ppa.errors import ConfigError
from sor_ppa.modeling.backbone.res2net import (
    PUBLISHED_DILATIONS,
    Bottle2neck,
    Res2Net50,
    build_res2net50_backbone,
)

UNDILATED = ((1,) * 3, (1,) * 4, (1,) * 6, (1,) * 3)
PARTS = ("conv1", "layer1", "layer2", "layer3", "layer4")


def _on_meta(**arguments: object) -> Res2Net50:
    with torch.device("meta"):
        return Res2Net50(**arguments)


@pytest.mark.parametrize("dilations", [PUBLISHED_DILATIONS, UNDILATED])
def test_dilations_change_no_size(dilations: tuple[tuple[int, ...], ...]) -> None:
    model = _on_meta(dilations=dilations)
    found = tuple(
        tuple(block.convs[2].dilation[0] for block in getattr(model, f"layer{i}"))
        for i in range(1, 5)
    )
    assert found == dilations
    assert model(torch.empty(1, 3, 100, 70, device="meta"))["res5"].shape == (1, 2048, 4, 3)


@pytest.mark.parametrize("dilations", [(), ((1,), (1,), (1,), (1,)), (*UNDILATED[:3], (1, 0, 1))])
def test_impossible_dilations(dilations: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ConfigError, match=r"\(3, 4, 6, 3\)"):
        _on_meta(dilations=dilations)


def _block(*, first: bool, stride: int = 1) -> Bottle2neck:
    torch.manual_seed(0)
    block = Bottle2neck(256, 64, stride=stride, dilation=1, first=first).eval()
    for norm in block.bns:
        nn.init.constant_(norm.bias, 0.1)
    return block


@pytest.mark.parametrize("first", [False, True])
@torch.inference_mode()
def test_groups_see_the_ones_before_but_not_in_first_blocks(first: bool) -> None:
    block, outputs = _block(first=first), []
    block.conv3.register_forward_pre_hook(lambda _, inputs: outputs.append(inputs[0]))
    x = torch.rand(1, 256, 6, 5)
    block(x)
    block.convs[0].weight.mul_(2)
    block(x)
    width = block.width
    changed = [
        not torch.equal(*(joined[:, i * width : (i + 1) * width] for joined in outputs))
        for i in range(4)
    ]
    assert changed == ([True, False, False, False] if first else [True, True, True, False])


@pytest.mark.parametrize("stride", [1, 2])
@torch.inference_mode()
def test_last_group_and_shortcut_of_a_first_block(stride: int) -> None:
    block = _block(first=True, stride=stride)
    ones = torch.ones(1, 4, 5, 5)
    pooled = block.pool(ones)
    assert pooled[0, 0, 0, 0] == pytest.approx(4 / 9)  # the zeros around the map count
    assert block.downsample[0](ones).eq(1).all()  # here only what lies inside does
    assert pooled.shape == block.downsample[0](ones).shape


@pytest.mark.parametrize("freeze_at", [-1, 0, 1, 2, 5])
def test_freeze(freeze_at: int) -> None:
    cfg = get_cfg()
    cfg.MODEL.BACKBONE.FREEZE_AT = freeze_at
    with torch.device("meta"):
        model = build_res2net50_backbone(cfg, ShapeSpec(channels=3))
    fixed = PARTS[: max(freeze_at, 0)]
    for name, parameter in model.named_parameters():
        part = name.split(".")[0].replace("bn1", "conv1")
        assert parameter.requires_grad == (part not in fixed), name
    for part in PARTS:
        norms = [m for m in getattr(model, part).modules() if "BatchNorm" in type(m).__name__]
        assert all(isinstance(norm, FrozenBatchNorm2d) == (part in fixed) for norm in norms)
    assert isinstance(model.bn1, FrozenBatchNorm2d) == ("conv1" in fixed)


def test_gradients_reach_everything_and_statistics_are_learnt() -> None:
    torch.manual_seed(0)
    model = Res2Net50().train()
    sum(m.square().mean() for m in model(torch.rand(2, 3, 64, 64)).values()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
    assert model.layer4[2].bns[2].num_batches_tracked == 1
    weight = model.layer3[0].convs[0].weight  # 104 x 104 x 3 x 3
    assert weight.std().item() == pytest.approx((2 / (104 * 9)) ** 0.5, rel=0.05)
