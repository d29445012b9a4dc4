"""VoVNet-V2: every body through the same checks."""

from __future__ import annotations

import pytest
import torch
from detectron2.layers import FrozenBatchNorm2d, ShapeSpec
from torch import nn

from sor_ppa.config import get_cfg
from sor_ppa.errors import ConfigError
from sor_ppa.modeling.backbone.vovnet import BODIES, VoVNet, build_vovnet_backbone

ALL_FEATURES = ("stem", "stage2", "stage3", "stage4", "stage5")
SMALL = ("V-19-slim-dw-eSE", "V-19-slim-eSE")

# body: trainable numbers, entries of the state dict
COUNTS = {
    "V-19-slim-dw-eSE": (1_379_152, 132),
    "V-19-dw-eSE": (5_506_944, 137),
    "V-19-slim-eSE": (2_647_984, 103),
    "V-19-eSE": (10_170_560, 103),
    "V-39-eSE": (25_163_712, 207),
    "V-57-eSE": (41_423_296, 303),
    "V-99-eSE": (69_469_376, 527),
}


def _on_meta(**arguments: object) -> VoVNet:
    with torch.device("meta"):
        return VoVNet(**arguments)


@pytest.mark.parametrize("body", BODIES)
def test_counts(body: str) -> None:
    model = _on_meta(body=body)
    numbers = sum(parameter.numel() for parameter in model.parameters())
    assert (numbers, len(model.state_dict())) == COUNTS[body]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("size_hw", [(32, 32), (64, 96), (77, 131)])
def test_feature_shapes_of_every_body(body: str, size_hw: tuple[int, int]) -> None:
    model = _on_meta(body=body, out_features=ALL_FEATURES)
    outputs = model(torch.empty(2, 3, *size_hw, device="meta"))
    assert list(outputs) == list(ALL_FEATURES)
    shapes = model.output_shape()
    # The stem rounds halves up, the max-pools round down: (h + 3) // 4, then // 2 a stage.
    height, width = ((side + 3) // 4 for side in size_hw)
    for name, stride in zip(ALL_FEATURES, (4, 4, 8, 16, 32), strict=True):
        halvings = stride // 4
        expected = (2, shapes[name].channels, height // halvings, width // halvings)
        assert outputs[name].shape == expected
        assert shapes[name].stride == stride
    assert shapes["stage5"].channels == BODIES[body].out_channels[-1]


@pytest.mark.parametrize("body", SMALL)
def test_forward_backward(body: str) -> None:
    torch.manual_seed(0)
    model = VoVNet(body=body).train()
    outputs = model(torch.rand(1, 3, 65, 47))
    sum(output.mean() for output in outputs.values()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_batch_equals_single_pictures() -> None:
    torch.manual_seed(0)
    model = VoVNet(body="V-19-slim-eSE").eval()
    pictures = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        batch = model(pictures)["stage5"]
        single = torch.cat([model(picture[None])["stage5"] for picture in pictures])
    torch.testing.assert_close(batch, single)


def test_v39_keys_and_shapes_are_the_published(published_shapes: dict[str, list[int]]) -> None:
    prefix = "backbone.bottom_up."
    expected = {
        key[len(prefix) :]: shape
        for key, shape in published_shapes.items()
        if key.startswith(prefix)
    }
    found = {key: list(value.shape) for key, value in _on_meta().state_dict().items()}
    assert found == expected


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        ("stem.stem_2/dw_conv3x3.weight", (64, 1, 3, 3)),
        ("stem.stem_2/pw_conv1x1.weight", (64, 64, 1, 1)),
        ("stem.stem_1/conv.weight", (64, 3, 3, 3)),
        ("stage3.OSA3_1.layers.0.OSA3_1_0/pw_conv1x1.weight", (80, 80, 1, 1)),
        ("stage3.OSA3_1.layers.0.OSA3_1_0/pw_norm.running_mean", (80,)),
        ("stage3.OSA3_1.conv_reduction.OSA3_1_reduction_0/conv.weight", (80, 112, 1, 1)),
        ("stage3.OSA3_1.concat.OSA3_1_concat/conv.weight", (256, 112 + 3 * 80, 1, 1)),
    ],
)
def test_depthwise_keys(key: str, shape: tuple[int, ...]) -> None:
    state = _on_meta(body="V-19-slim-dw-eSE").state_dict()
    assert state[key].shape == shape


@pytest.mark.parametrize(
    ("body", "stages"),
    [("V-19-slim-dw-eSE", (3, 4, 5)), ("V-19-dw-eSE", (2, 3, 4, 5)), ("V-39-eSE", ())],
)
def test_which_blocks_have_a_reduction(body: str, stages: tuple[int, ...]) -> None:
    keys = _on_meta(body=body).state_dict()
    found = {int(key[5]) for key in keys if "conv_reduction" in key}
    assert found == set(stages)


def test_second_blocks_add_their_input() -> None:
    torch.manual_seed(0)
    model = VoVNet(body="V-39-eSE").eval()
    first, second = model.stage4.OSA4_1, model.stage4.OSA4_2
    assert not first.identity and second.identity
    x = torch.rand(1, 768, 4, 5)
    with torch.no_grad():
        whole = second(x)
        second.identity = False
        torch.testing.assert_close(whole - x, second(x), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("wanted", "prefixes"),
    [
        (["stem"], {"stem"}),
        (["stage3"], {"stem", "stage2", "stage3"}),
        (["stage5", "stage2"], set(ALL_FEATURES)),
    ],
)
def test_only_needed_stages_are_built(wanted: list[str], prefixes: set[str]) -> None:
    model = _on_meta(body="V-19-slim-eSE", out_features=wanted)
    assert {key.split(".")[0] for key in model.state_dict()} == prefixes
    outputs = model(torch.empty(1, 3, 64, 64, device="meta"))
    assert list(outputs) == sorted(wanted) == list(model.output_shape())


@pytest.mark.parametrize("norm", ["FrozenBN", "BN", "GN"])
@pytest.mark.parametrize("freeze_at", [-1, 0, 1, 3, 5])
def test_freeze(norm: str, freeze_at: int) -> None:
    model = VoVNet(body="V-19-dw-eSE", norm=norm, freeze_at=freeze_at)
    fixed = ALL_FEATURES[: max(freeze_at, 0)]
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == (name.split(".")[0] not in fixed), name
    for name, module in model.named_modules():
        if isinstance(module, (nn.BatchNorm2d, FrozenBatchNorm2d)):
            frozen = norm == "FrozenBN" or name.split(".")[0] in fixed
            assert isinstance(module, FrozenBatchNorm2d) == frozen, name


def test_trainable_norm_learns_statistics() -> None:
    torch.manual_seed(0)
    model = VoVNet(body="V-19-slim-dw-eSE", norm="BN", freeze_at=1).train()
    fixed = model.stem[1].running_mean.clone()
    model(torch.rand(2, 3, 64, 64))
    norm = model.stage2.OSA2_1.concat[1]
    assert norm.num_batches_tracked == 1 and norm.running_mean.abs().sum() > 0
    assert torch.equal(model.stem[1].running_mean, fixed)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"body": "V-40-eSE"}, "V-40-eSE.*V-39-eSE"),
        ({"out_features": ()}, "one or more of stem"),
        ({"out_features": ("res2",)}, "res2"),
        ({"stage_with_dcn": (True,)}, "four booleans"),
        ({"body": "V-19-dw-eSE", "stage_with_dcn": (False, True, True, True)}, "V-19-dw-eSE"),
    ],
)
def test_impossible_settings(arguments: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        _on_meta(**arguments)


def test_from_config() -> None:
    cfg = get_cfg()
    cfg.MODEL.VOVNET.CONV_BODY = "V-19-eSE"
    cfg.MODEL.VOVNET.OUT_FEATURES = ["stage3", "stage4"]
    cfg.MODEL.VOVNET.NORM = "GN"
    cfg.MODEL.VOVNET.STAGE_WITH_DCN = (False, False, True, True)
    cfg.MODEL.VOVNET.WITH_MODULATED_DCN = True
    cfg.MODEL.VOVNET.DEFORMABLE_GROUPS = 2
    cfg.MODEL.BACKBONE.FREEZE_AT = 1
    model = build_vovnet_backbone(cfg, ShapeSpec(channels=4))
    assert model.stem[0].weight.shape == (64, 4, 3, 3)
    assert list(model.output_shape()) == ["stage3", "stage4"]
    state = model.state_dict()
    assert state["stage4.OSA4_1.layers.0.OSA4_1_0/conv_offset.weight"].shape == (54, 512, 3, 3)
    assert not any("conv_offset" in key or "running" in key for key in state if "stage3" in key)
    assert not model.stem[0].weight.requires_grad
