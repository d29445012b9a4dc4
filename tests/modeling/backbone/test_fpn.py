"""All six pyramid builders through the same checks, and the published network's numbers."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
import torch
from detectron2.config import CfgNode
from detectron2.layers import FrozenBatchNorm2d, ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, FPN
from PIL import Image
from torch import nn

from sor_ppa.config import get_cfg
from sor_ppa.errors import ConfigError
from sor_ppa.modeling.backbone import LastLevelP6, LastLevelP6P7, build_top_block
from sor_ppa.modeling.fuse import fuse_for_inference
from tests.goldens import fill

RES345, RES2345 = ["res3", "res4", "res5"], ["res2", "res3", "res4", "res5"]
STAGE345, STAGE2345 = ["stage3", "stage4", "stage5"], ["stage2", "stage3", "stage4", "stage5"]
P3_P7, P2_P6 = ["p3", "p4", "p5", "p6", "p7"], ["p2", "p3", "p4", "p5", "p6"]

# builder, IN_FEATURES, MODEL.MOBILENET, levels, trainable numbers where the spec gives them
BUILDERS = [
    ("build_fcos_vovnet_fpn_backbone", STAGE345, False, P3_P7, None),
    ("build_vovnet_fpn_backbone", STAGE2345, False, P2_P6, 28_180_416),
    ("build_fcos_resnet_fpn_backbone", RES345, False, P3_P7, 27_323_584),
    ("build_fcos_resnet_fpn_backbone", RES345, True, P3_P7, 4_846_016),
    ("build_fcos_mobilenetv2_fpn_backbone", RES345, False, P3_P7, 4_846_016),
    ("build_mobilenetv2_fpn_backbone", RES2345, False, P2_P6, 4_262_336),
    ("build_resnet_fpn_backbone", RES2345, False, P2_P6, None),
]
by_builder = pytest.mark.parametrize(
    ("name", "in_features", "mobilenet", "levels", "count"),
    BUILDERS,
    ids=[f"{row[0]}{'-mobilenet' * row[2]}" for row in BUILDERS],
)


def _config(in_features: list[str], *, mobilenet: bool = False) -> CfgNode:
    cfg = get_cfg()
    cfg.MODEL.BACKBONE.FREEZE_AT = 0
    cfg.MODEL.FPN.IN_FEATURES = in_features
    cfg.MODEL.RESNETS.OUT_FEATURES = RES2345
    cfg.MODEL.MOBILENET = mobilenet
    return cfg


def _build(name: str, cfg: CfgNode, device: str = "meta") -> FPN:
    with torch.device(device):
        return BACKBONE_REGISTRY.get(name)(cfg, ShapeSpec(channels=3))


@by_builder
def test_levels_strides_and_counts(
    name: str, in_features: list[str], mobilenet: bool, levels: list[str], count: int | None
) -> None:
    model = _build(name, _config(in_features, mobilenet=mobilenet))
    numbers = sum(parameter.numel() for parameter in model.parameters())
    assert count is None or numbers == count
    assert model.size_divisibility == 32
    outputs = model(torch.empty(2, 3, 96, 160, device="meta"))
    assert list(outputs) == levels == list(model.output_shape())
    for level in levels:
        stride = 2 ** int(level[1])
        shape = model.output_shape()[level]
        assert (shape.channels, shape.stride) == (256, stride)
        assert outputs[level].shape == (2, 256, -(-96 // stride), -(-160 // stride))


@by_builder
def test_width_norm_and_fusion_come_from_the_config(
    name: str, in_features: list[str], mobilenet: bool, levels: list[str], count: int | None
) -> None:
    cfg = _config(in_features, mobilenet=mobilenet)
    cfg.MODEL.FPN.OUT_CHANNELS, cfg.MODEL.FPN.NORM, cfg.MODEL.FPN.FUSE_TYPE = 64, "GN", "avg"
    model = _build(name, cfg)
    outputs = model(torch.empty(1, 3, 32, 32, device="meta"))
    assert {output.shape[1] for output in outputs.values()} == {64}
    assert isinstance(model.fpn_lateral5.norm, nn.GroupNorm)
    assert model._fuse_type == "avg"


@pytest.mark.parametrize(
    ("name", "in_features"),
    [
        ("build_fcos_mobilenetv2_fpn_backbone", RES345),
        ("build_mobilenetv2_fpn_backbone", RES2345),
        ("build_fcos_vovnet_fpn_backbone", STAGE345),
    ],
)
def test_forward_backward(name: str, in_features: list[str]) -> None:
    torch.manual_seed(0)
    cfg = _config(in_features)
    cfg.MODEL.VOVNET.CONV_BODY = "V-19-slim-dw-eSE"
    model = _build(name, cfg, "cpu").train()
    outputs = model(torch.rand(2, 3, 64, 32))
    sum(output.square().mean() for output in outputs.values()).backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key


def test_published_keys_and_shapes(published_shapes: dict[str, list[int]]) -> None:
    model = _build("build_fcos_vovnet_fpn_backbone", _config(STAGE345))
    found = {f"backbone.{key}": list(value.shape) for key, value in model.state_dict().items()}
    expected = {k: shape for k, shape in published_shapes.items() if k.startswith("backbone.")}
    assert found == expected


def test_default_body_freezes_nothing_but_norms() -> None:
    model = _build("build_fcos_vovnet_fpn_backbone", _config(STAGE345))
    assert all(parameter.requires_grad for parameter in model.parameters())
    norms = [m for m in model.modules() if isinstance(m, (nn.BatchNorm2d, FrozenBatchNorm2d))]
    assert norms and all(isinstance(norm, FrozenBatchNorm2d) for norm in norms)


@pytest.mark.parametrize(
    ("levels", "kind", "last"),
    [(0, type(None), "p5"), (1, LastLevelP6, "p6"), (2, LastLevelP6P7, "p7")],
)
def test_top_levels(levels: int, kind: type, last: str) -> None:
    assert type(build_top_block(levels, 8)) is kind
    cfg = _config(RES345)
    cfg.MODEL.FCOS.TOP_LEVELS = levels
    model = _build("build_fcos_mobilenetv2_fpn_backbone", cfg)
    outputs = model(torch.empty(1, 3, 32, 32, device="meta"))
    assert list(outputs)[-1] == list(model.output_shape())[-1] == last


def test_p7_sees_relu_but_p6_is_raw() -> None:
    torch.manual_seed(0)
    block = LastLevelP6P7(4, 4)
    assert not block.p6.bias.any()
    p6, p7 = block(torch.randn(1, 4, 9, 7))
    assert p6.shape == (1, 4, 5, 4) and p7.shape == (1, 4, 3, 2)
    assert (p6 < 0).any()
    torch.testing.assert_close(p7, block.p7(p6.clamp(min=0)))


@pytest.mark.parametrize(
    ("name", "in_features", "top_levels", "message"),
    [
        ("build_fcos_vovnet_fpn_backbone", [], 2, "IN_FEATURES is \\[\\].*stage5"),
        ("build_fcos_vovnet_fpn_backbone", RES345, 2, "VoVNet hands on"),
        ("build_fcos_mobilenetv2_fpn_backbone", ["res3", "res4"], 2, "last must be 32"),
        ("build_mobilenetv2_fpn_backbone", ["res2", "res5"], 2, "twice"),
        ("build_fcos_mobilenetv2_fpn_backbone", RES345, 3, "TOP_LEVELS is 3"),
    ],
)
def test_impossible_settings(
    name: str, in_features: list[str], top_levels: int, message: str
) -> None:
    cfg = _config(in_features)
    cfg.MODEL.FCOS.TOP_LEVELS = top_levels
    with pytest.raises(ConfigError, match=message):
        _build(name, cfg)


def _golden_input(golden: dict[str, np.ndarray]) -> torch.Tensor:
    """The picture of case a: resized, mean subtracted, padded: (1, 3, 480, 640)."""
    height, width = golden["a_image_hw"]
    rgb = fill.image(int(golden["a_image_seed"]), int(height), int(width))
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    assert zlib.crc32(bgr.tobytes()) == golden["a_bgr_crc32"]
    new_height, new_width = (int(side) for side in golden["a_resized_hw"])
    resized = Image.fromarray(bgr).resize((new_width, new_height), Image.Resampling.BILINEAR)
    mean = torch.tensor(get_cfg().MODEL.PIXEL_MEAN)[:, None, None]
    x = torch.from_numpy(np.array(resized)).permute(2, 0, 1).float() - mean
    canvas = torch.zeros(1, 3, *golden["a_input_shape"][2:].tolist())
    canvas[0, :, :new_height, :new_width] = x
    return canvas


@pytest.fixture(scope="module")
def published_model() -> FPN:
    """The published backbone with the goldens' weights."""
    model = _build("build_fcos_vovnet_fpn_backbone", _config(STAGE345), "cpu").eval()
    state = {
        key: torch.from_numpy(fill.fill(f"backbone.{key}", value.shape))
        for key, value in model.state_dict().items()
    }
    model.load_state_dict(state)
    return model


@pytest.mark.parametrize("fused", [False, True])
def test_golden_case_a(
    published_model: FPN, full_golden: dict[str, np.ndarray], *, fused: bool
) -> None:
    model = fuse_for_inference(published_model) if fused else published_model
    x = _golden_input(full_golden)
    np.testing.assert_allclose(x[0, :, :8, :8], full_golden["a_input_corner8"], atol=1e-5)
    stages = {}
    hook = model.bottom_up.register_forward_hook(lambda _m, _i, output: stages.update(output))
    with torch.no_grad():
        levels = model(x)
    hook.remove()
    for name in (*STAGE345, *P3_P7):
        size = 6 if name in STAGE345 else 4
        output = {**stages, **levels}[name]
        assert list(output.shape) == full_golden[f"a_{name}_shape"].tolist()
        stats = full_golden[f"a_{name}_stats"]
        tolerance = 1e-4 * stats[3]
        corner = output[0, :8, :size, :size]
        np.testing.assert_allclose(corner, full_golden[f"a_{name}_slice"], atol=tolerance, rtol=0)
        found = [output.mean(), output.std(), output.abs().mean(), output.abs().max()]
        np.testing.assert_allclose(found, stats, atol=tolerance, rtol=0)
