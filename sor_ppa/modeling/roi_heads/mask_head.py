"""The mask head of CenterMask: a mask head that attends to the object inside its box."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads import ROI_MASK_HEAD_REGISTRY
from fvcore.nn import weight_init
from torch import Tensor, nn

from sor_ppa.modeling.registration import register
from sor_ppa.modeling.weight_init import normal_init


class SpatialAttention(nn.Module):
    """Weights every position by what the channels' mean and maximum say about it.

    CenterMask (Lee & Park, CVPR 2020), eq. 3.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 3, padding=1, bias=False)
        weight_init.c2_msra_fill(self.conv)

    def forward(self, x: Tensor) -> Tensor:
        """(R, C, H, W) -> (R, C, H, W)."""
        summary = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)
        return x * self.conv(summary).sigmoid()  # (R, 1, H, W) broadcast


@register(ROI_MASK_HEAD_REGISTRY)
class SpatialAttentionMaskHead(nn.Module):
    """SAG-mask: convolutions, spatial attention, up-sampling, one mask a class.

    CenterMask (Lee & Park, CVPR 2020), section 3.2.

    Args:
        in_channels: of the pooled features.
        num_classes: masks per object (1 when they do not depend on the class).
        conv_dim: channels of the convolutions.
        num_conv: how many.
    """

    @configurable
    def __init__(
        self, *, in_channels: int, num_classes: int, conv_dim: int = 256, num_conv: int = 4
    ) -> None:
        super().__init__()
        self.num_conv = num_conv
        for k in range(num_conv):
            conv = nn.Conv2d(in_channels if k == 0 else conv_dim, conv_dim, 3, padding=1)
            weight_init.c2_msra_fill(conv)
            self.add_module(f"mask_fcn{k + 1}", conv)
        self.spatialAtt = SpatialAttention()
        self.deconv = nn.ConvTranspose2d(conv_dim, conv_dim, 2, stride=2)
        weight_init.c2_msra_fill(self.deconv)
        self.predictor = nn.Conv2d(conv_dim, num_classes, 1)
        normal_init(self.predictor, std=0.001)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec) -> dict[str, Any]:
        """Arguments of the constructor from ``cfg.MODEL.ROI_MASK_HEAD``."""
        head = cfg.MODEL.ROI_MASK_HEAD
        return {
            "in_channels": input_shape.channels,
            "num_classes": 1 if head.CLS_AGNOSTIC_MASK else cfg.MODEL.ROI_HEADS.NUM_CLASSES,
            "conv_dim": head.CONV_DIM,
            "num_conv": head.NUM_CONV,
        }

    def layers(self, x: Tensor) -> Tensor:
        """(R, C, H, W) -> logits (R, num_classes, 2H, 2W); R may be 0."""
        for k in range(self.num_conv):
            x = F.relu(getattr(self, f"mask_fcn{k + 1}")(x))
        x = F.relu(self.deconv(self.spatialAtt(x)))
        return self.predictor(x)

    forward = layers
