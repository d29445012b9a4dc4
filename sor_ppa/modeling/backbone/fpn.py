"""Feature pyramids (Lin et al., CVPR 2017) over our bodies, under their published names.

The pyramid is detectron2's ``FPN``; here are only its extra levels and the builders. detectron2's
own ``build_resnet_fpn_backbone`` (p2 ... p6 over a ResNet) is the sixth.
"""

from __future__ import annotations

import fvcore.nn.weight_init as weight_init
import torch
from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, FPN, Backbone, build_resnet_backbone
from detectron2.modeling.backbone.fpn import LastLevelMaxPool
from torch import nn

from sor_ppa.errors import ConfigError
from sor_ppa.modeling.backbone.mobilenet import build_mnv2_backbone
from sor_ppa.modeling.backbone.vovnet import build_vovnet_backbone
from sor_ppa.modeling.registration import register


class LastLevelP6(nn.Module):
    """p6 from the pyramid's p5 by a 3x3 convolution of stride 2 (FCOS, Tian et al., ICCV 2019).

    Follows the ``top_block`` protocol of detectron2's ``FPN``: ``num_levels`` and ``in_feature``.
    """

    num_levels = 1
    in_feature = "p5"

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.p6 = _extra_level(in_channels, out_channels)

    def forward(self, p5: torch.Tensor) -> list[torch.Tensor]:
        """(N, C, H, W) -> [p6 (N, C', ceil(H/2), ceil(W/2))]."""
        return [self.p6(p5)]


class LastLevelP6P7(LastLevelP6):
    """p6, and p7 from its ReLU by another such convolution; p6 itself is handed on without."""

    num_levels = 2

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.p7 = _extra_level(out_channels, out_channels)

    def forward(self, p5: torch.Tensor) -> list[torch.Tensor]:
        """(N, C, H, W) -> [p6, p7], each half the size of the one before, rounded up."""
        p6 = self.p6(p5)
        return [p6, self.p7(p6.relu())]


def _extra_level(in_channels: int, out_channels: int) -> nn.Conv2d:
    conv = nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=2, padding=1)
    weight_init.c2_xavier_fill(conv)
    return conv


def build_top_block(levels: int, channels: int) -> nn.Module | None:
    """Extra levels above p5 as counted by ``MODEL.FCOS.TOP_LEVELS``: 2, 1 or 0.

    Raises:
        ConfigError: another number.
    """
    if levels == 0:
        return None
    if levels not in (1, 2):
        raise ConfigError(
            f"MODEL.FCOS.TOP_LEVELS is {levels!r}; use 2 (p6 and p7), 1 (p6) or 0 (none)."
        )
    return (LastLevelP6 if levels == 1 else LastLevelP6P7)(channels, channels)


def build_fpn(cfg: CfgNode, bottom_up: Backbone, top_block: nn.Module | None) -> FPN:
    """detectron2's pyramid over ``bottom_up`` as configured by ``cfg.MODEL.FPN``.

    Levels are named by their stride: p3 has stride 8. The picture's sides must be multiples of
    ``size_divisibility`` (32); detectron2's ``ImageList`` pads to that.

    Raises:
        ConfigError: ``IN_FEATURES`` are not maps of the body, or not up to its stride-32 map.
    """
    names, shapes = list(cfg.MODEL.FPN.IN_FEATURES), bottom_up.output_shape()
    missing = [name for name in names if name not in shapes]
    if missing or not names:
        raise ConfigError(
            f"MODEL.FPN.IN_FEATURES is {names!r}, but {type(bottom_up).__name__} hands on "
            f"{list(shapes)!r}; name some of these in order of stride (the body's OUT_FEATURES "
            "may need to list more)."
        )
    strides = [shapes[name].stride for name in names]
    if strides != [32 >> i for i in reversed(range(len(names)))]:
        raise ConfigError(
            f"MODEL.FPN.IN_FEATURES is {names!r} with strides {strides!r}; each must be twice the "
            "one before and the last must be 32."
        )
    return FPN(
        bottom_up=bottom_up,
        in_features=names,
        out_channels=cfg.MODEL.FPN.OUT_CHANNELS,
        norm=cfg.MODEL.FPN.NORM,
        top_block=top_block,
        fuse_type=cfg.MODEL.FPN.FUSE_TYPE,
    )


def _build_fcos_fpn(cfg: CfgNode, bottom_up: Backbone) -> FPN:
    top_block = build_top_block(cfg.MODEL.FCOS.TOP_LEVELS, cfg.MODEL.FPN.OUT_CHANNELS)
    return build_fpn(cfg, bottom_up, top_block)


@register(BACKBONE_REGISTRY)
def build_fcos_vovnet_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """VoVNet-V2, p3 ... p5 (stage3 ... stage5) and p6, p7 as in the published system."""
    return _build_fcos_fpn(cfg, build_vovnet_backbone(cfg, input_shape))


@register(BACKBONE_REGISTRY)
def build_vovnet_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """VoVNet-V2, p2 ... p5 (by ``IN_FEATURES``) and p6 by subsampling p5."""
    return build_fpn(cfg, build_vovnet_backbone(cfg, input_shape), LastLevelMaxPool())


@register(BACKBONE_REGISTRY)
def build_fcos_resnet_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """ResNet (or MobileNetV2 when ``MODEL.MOBILENET``), p3 ... p5 and p6, p7."""
    build_body = build_mnv2_backbone if cfg.MODEL.MOBILENET else build_resnet_backbone
    return _build_fcos_fpn(cfg, build_body(cfg, input_shape))


@register(BACKBONE_REGISTRY)
def build_fcos_mobilenetv2_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """MobileNetV2, p3 ... p5 (res3 ... res5) and p6, p7."""
    return _build_fcos_fpn(cfg, build_mnv2_backbone(cfg, input_shape))


@register(BACKBONE_REGISTRY)
def build_mobilenetv2_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """MobileNetV2, p2 ... p5 (res2 ... res5) and p6 by subsampling p5."""
    return build_fpn(cfg, build_mnv2_backbone(cfg, input_shape), LastLevelMaxPool())
