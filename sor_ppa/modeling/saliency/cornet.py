"""Decoder of CoRNet, which learns saliency from pseudo labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sor_ppa.modeling.saliency.unlabelled import enlarged

_WIDTH = 64


def conv_group_norm(in_channels: int, out_channels: int) -> nn.Sequential:
    """3 x 3 convolution with bias, GroupNorm of two channels a group, ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1),
        nn.GroupNorm(out_channels // 2, out_channels),
        nn.ReLU(),
    )


class ResidualBlock(nn.Module):
    """Fuses two neighbouring maps, each weighed by where it differs from the global one."""

    def __init__(self) -> None:
        super().__init__()
        self.gconv = conv_group_norm(_WIDTH, _WIDTH)
        self.res_conv1 = nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1)
        self.res_conv2 = nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1)
        self.fuse = nn.Conv2d(3 * _WIDTH, _WIDTH, 3, padding=1)

    def forward(self, near: Tensor, far: Tensor, overall: Tensor) -> Tensor:
        """Maps (N, 64, h_i, w_i) -> (N, 64, h, w) of the size of ``near``."""
        overall = _to(self.gconv(overall), near)
        weight1 = self.res_conv1(near - overall).sigmoid()
        far = _to(far, near)
        weight2 = self.res_conv2(far - overall).sigmoid()
        return self.fuse(torch.cat([near * weight1, far * weight2, overall], 1))


class CoRNetDecoder(nn.Module):
    """Contextual refinement of five maps into logits (Zhou et al., TCSVT 2023, figure 5).

    Args:
        channels: of the encoder's five maps, finest first.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.adapter0, self.adapter1, self.adapter2, self.adapter3, self.adapter4 = (
            conv_group_norm(width, _WIDTH) for width in channels
        )
        self.region = ResidualBlock()
        self.local = ResidualBlock()
        self.gb_conv = nn.Sequential(
            *conv_group_norm(_WIDTH, 2 * _WIDTH),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            *conv_group_norm(2 * _WIDTH, _WIDTH),
            nn.Upsample(scale_factor=2, mode="bilinear"),
        )

    def forward(self, maps: Sequence[Tensor], size_hw: Sequence[int]) -> Tensor:
        """Five maps (N, C_i, h_i, w_i), finest first -> logits (N, 1, *size_hw)."""
        y0 = self.adapter0(maps[0])
        y1 = self.adapter1(maps[1])
        y2 = self.adapter2(maps[2])
        y3 = self.adapter3(maps[3])
        y4 = self.adapter4(maps[4])
        region = self.region(y2, y3, y4)  # (N, 64, H/8, W/8)
        local = self.local(y0, y1, self.gb_conv(y4))  # (N, 64, H/2, W/2)
        logits = (local * _to(region, y0)).sum(dim=1, keepdim=True)
        return F.interpolate(logits, tuple(size_hw), mode="bilinear")


def _to(x: Tensor, like: Tensor) -> Tensor:
    return enlarged(x, like, align_corners=False)
