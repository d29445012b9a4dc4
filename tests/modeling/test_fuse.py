"""The inference copy gives the numbers of its source."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from detectron2.layers import Conv2d, FrozenBatchNorm2d, ShapeSpec
from detectron2.modeling import build_resnet_backbone
from torch import nn

from sor_ppa.config import get_cfg
from sor_ppa.modeling.backbone import MobileNetV2, VoVNet
from sor_ppa.modeling.backbone.res2net import Res2Net50
from sor_ppa.modeling.backbone.resnet import ResNet50Maps
from sor_ppa.modeling.fuse import fuse_for_inference


def _resnet() -> nn.Module:
    cfg = get_cfg()
    cfg.MODEL.RESNETS.OUT_FEATURES = ["res2", "res3", "res4", "res5"]
    return build_resnet_backbone(cfg, ShapeSpec(channels=3))


def _deformable(*, modulated: bool) -> nn.Module:
    model = VoVNet(body="V-19-slim-eSE", stage_with_dcn=(True,) * 4, modulated_dcn=modulated)
    for name, parameter in model.named_parameters():
        if "conv_offset" in name:
            nn.init.normal_(parameter, std=0.01)
    return model


BODIES: dict[str, Callable[[], nn.Module]] = {
    "vovnet": lambda: VoVNet(body="V-19-slim-eSE"),
    "vovnet-depthwise": lambda: VoVNet(body="V-19-slim-dw-eSE"),
    "vovnet-trained-bn": lambda: VoVNet(body="V-19-slim-eSE", norm="BN"),
    "vovnet-deformable": lambda: _deformable(modulated=False),
    "vovnet-modulated": lambda: _deformable(modulated=True),
    "mobilenet": MobileNetV2,
    "resnet": _resnet,
    "res2net": Res2Net50,
    "resnet-maps": ResNet50Maps,
}


def _randomise_norms(model: nn.Module) -> None:
    """Statistics and factors that a folding error cannot hide behind."""
    for module in model.modules():
        if isinstance(module, (FrozenBatchNorm2d, nn.BatchNorm2d)):
            for name in ("weight", "bias", "running_mean", "running_var"):
                with torch.no_grad():
                    getattr(module, name).uniform_(0.5, 1.5)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("body", BODIES)
def test_equal_within_rounding(body: str, channels_last: bool) -> None:
    torch.manual_seed(0)
    model = BODIES[body]().eval()
    _randomise_norms(model)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    fused = fuse_for_inference(model, channels_last=channels_last)
    x = torch.randn(1, 3, 65, 96)
    with torch.no_grad():
        expected, found = model(x), fused(x)
    for name, value in expected.items():
        assert (found[name] - value).abs().max() <= 1e-4 * value.abs().max(), name
    norms = (FrozenBatchNorm2d, nn.BatchNorm2d)
    assert not any(isinstance(module, norms) for module in fused.modules())
    assert not any(parameter.requires_grad for parameter in fused.parameters())
    # The source is left as it was.
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], value) for key, value in before.items())


def test_nothing_to_fold() -> None:
    fused = fuse_for_inference(nn.Sequential())
    assert isinstance(fused, nn.Sequential) and len(fused) == 0


@pytest.mark.parametrize(
    "parts",
    [
        [nn.Conv2d(3, 4, 1), nn.GroupNorm(2, 4)],
        [nn.Conv2d(3, 4, 1), nn.ReLU(), FrozenBatchNorm2d(4)],
        [Conv2d(3, 4, 1, activation=torch.relu), FrozenBatchNorm2d(4)],
        [Conv2d(3, 4, 1, norm=nn.GroupNorm(2, 4)), FrozenBatchNorm2d(4)],
        [nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, track_running_stats=False)],
        [nn.ConvTranspose2d(3, 4, 2), FrozenBatchNorm2d(4)],
    ],
)
def test_what_must_not_be_folded(parts: list[nn.Module]) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(*parts).eval()
    fused = fuse_for_inference(model)
    assert len(fused) == len(parts)
    assert all(isinstance(new, type(old)) for new, old in zip(fused, parts, strict=True))
    x = torch.randn(2, 3, 5, 5)
    torch.testing.assert_close(fused(x), model(x))


def test_bias_is_folded_too() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))
    _randomise_norms(model)
    fused = fuse_for_inference(model.train())
    assert model.training and not fused.training
    x = torch.randn(2, 3, 9, 9)
    torch.testing.assert_close(fused(x), model.eval()(x), rtol=1e-4, atol=1e-5)
    assert isinstance(fused[1], nn.Identity)
