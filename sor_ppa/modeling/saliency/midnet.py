"""Decoder of the two-modality network of A2S-v2's second stage (CVPR 2023, arXiv 2207.05921).

After the multi-interactive dual decoder (Tu et al., TIP 2021, arXiv 2005.02315): two streams, one
led by the picture and one by its second modality, each of whose blocks sees both. All resizing is
bilinear with aligned corners. Parameter names are those of the published checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sor_ppa.modeling.saliency.unlabelled import enlarged
from sor_ppa.modeling.upsampled_conv import conv_of_upsampled

#: Channels that levels 1 ... 4 of the encoders are reduced to; level 0 stays as it is.
LEVEL_CHANNELS = (128, 256, 512, 512)

_GLOBAL_CHANNELS = 512
_HIDDEN = 128
_POOLED = 256
_POOL_SIZES = (13, 9, 5, 1)


def cbr(in_channels: int, channels: int, kernel_size: int) -> nn.Sequential:
    """Convolution with bias that keeps the size, batch norm, ReLU."""
    conv = nn.Conv2d(in_channels, channels, kernel_size, padding=kernel_size // 2)
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


def cbr_of_enlarged(block: nn.Sequential, x: Tensor, size_hw: Sequence[int]) -> Tensor:
    """``block``, a 3x3 :func:`cbr`, of ``x`` enlarged to ``size_hw``: (N, C, h, w) -> (N, O, H, W).

    The enlarged map is not made where the convolution can run before the enlarging.
    """
    conv: Any = block[0]
    x = conv_of_upsampled(x, conv.weight, conv.bias, size_hw)
    for part in block[1:]:
        x = part(x)
    return x


class ChannelAttention(nn.Module):
    """Each channel times a gate made of the means and maxima of all (CBAM, ECCV 2018, eq. 2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.fus = nn.Sequential(
            nn.Conv2d(channels, half, 1), nn.ReLU(inplace=True), nn.Conv2d(half, channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same."""
        mean = x.mean((2, 3), keepdim=True)  # (N, C, 1, 1)
        gate = self.fus(mean) + self.fus(F.adaptive_max_pool2d(x, 1))
        return x * gate.sigmoid()


class GlobalBlock(nn.Module):
    """What the whole picture is about: the coarsest maps of both encoders, pooled to four grids.

    A grid finer than the map repeats values, as published.

    Args:
        in_channels: of each of the two maps.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.ca = ChannelAttention(2 * in_channels)
        self.de_chan = cbr(2 * in_channels, _POOLED, 3)
        self.b0, self.b1, self.b2, self.b3 = map(_pooling, _POOL_SIZES)
        self.fus = cbr(_POOLED + 4 * _HIDDEN, _GLOBAL_CHANNELS, 1)

    def forward(self, rgb: Tensor, other: Tensor) -> Tensor:
        """Twice (N, in_channels, h, w) -> (N, 512, h, w)."""
        z = self.de_chan(self.ca(torch.cat([rgb, other], 1)))
        branches = (self.b0, self.b1, self.b2, self.b3)
        pooled = [enlarged(branch(z), z, align_corners=True) for branch in branches]
        return self.fus(torch.cat([*pooled, z], 1))


def _pooling(size: int) -> nn.Sequential:
    conv = nn.Conv2d(_POOLED, _HIDDEN, 1, bias=False)
    return nn.Sequential(nn.AdaptiveMaxPool2d(size), conv, nn.ReLU(inplace=True))


class GlobalFusionBlock(nn.Module):
    """One step of a stream: two coarser maps, the encoder's map of this level, the global map.

    Args:
        previous: channels of each of the two coarser maps.
        current: channels of the encoder's map, and of the output.
    """

    def __init__(self, previous: int, current: int) -> None:
        super().__init__()
        self.ca1 = ChannelAttention(2 * previous)
        self.conv1 = cbr(2 * previous, _HIDDEN, 3)
        self.conv_globalinfo = cbr(_GLOBAL_CHANNELS, _HIDDEN, 3)
        self.ca2 = ChannelAttention(current)
        self.conv_curfeat = cbr(current, _HIDDEN, 3)
        self.conv_out = cbr(_HIDDEN, current, 3)

    def forward(self, own: Tensor, other: Tensor, current: Tensor, overall: Tensor) -> Tensor:
        """One step finer.

        Args:
            own: (N, previous, h, w), this stream so far.
            other: (N, previous, h, w), the other stream so far.
            current: (N, current, H, W), the encoder's map.
            overall: (N, 512, h', w'), the global map.

        Returns:
            (N, current, H, W).
        """
        size = current.shape[-2:]
        coarse = cbr_of_enlarged(self.conv1, self.ca1(torch.cat([own, other], 1)), size)
        context = cbr_of_enlarged(self.conv_globalinfo, overall, size)
        return self.conv_out(coarse + self.conv_curfeat(self.ca2(current)) + context)


def _pair(previous: int, current: int) -> tuple[GlobalFusionBlock, GlobalFusionBlock]:
    return GlobalFusionBlock(previous, current), GlobalFusionBlock(previous, current)


class Refinement(nn.Module):
    """One map of logits from the ends of both streams.

    Args:
        channels: of each of the two.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.ca = ChannelAttention(2 * channels)
        self.score = nn.Conv2d(2 * channels, 1, 1)

    def forward(self, rgb: Tensor, other: Tensor) -> Tensor:
        """Twice (N, channels, H, W) -> logits (N, 1, H, W)."""
        return self.score(self.ca(torch.cat([rgb, other], 1)))


class DualFeatures(NamedTuple):
    """What the outputs are made of."""

    rgb: Tensor  # (N, C0, H/2, W/2), end of the stream that the picture leads
    other: Tensor  # the same of the second modality
    overall: Tensor  # (N, 512, H/32, W/32)


class DualDecoder(nn.Module):
    """Two streams from stride 32 to stride 2 that see each other at every step.

    Args:
        channels: of the maps of levels 0 ... 4, finest first, the same for both encoders.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        c0, c1, c2, c3, c4 = channels
        self.global_info = GlobalBlock(c4)
        self.gfb4_1, self.gfb4_2 = _pair(_GLOBAL_CHANNELS, c3)
        self.gfb3_1, self.gfb3_2 = _pair(c3, c2)
        self.gfb2_1, self.gfb2_2 = _pair(c2, c1)
        self.gfb1_1, self.gfb1_2 = _pair(c1, c0)
        self.score_global = nn.Conv2d(_GLOBAL_CHANNELS, 1, 1)
        self.score_1 = nn.Conv2d(c0, 1, 1)
        self.score_2 = nn.Conv2d(c0, 1, 1)
        self.refine = Refinement(c0)

    def forward(self, rgb: Sequence[Tensor], other: Sequence[Tensor]) -> DualFeatures:
        """Five maps of each encoder, finest first, at strides of 2 ... 32."""
        r0, r1, r2, r3, r4 = rgb
        t0, t1, t2, t3, t4 = other
        overall = self.global_info(r4, t4)
        # Each stream starts from the other encoder's coarsest map.
        d1 = self.gfb4_1(overall, t4, r3, overall)
        d2 = self.gfb4_2(overall, r4, t3, overall)
        d3 = self.gfb3_1(d1, d2, r2, overall)
        d4 = self.gfb3_2(d2, d1, t2, overall)
        d5 = self.gfb2_1(d3, d4, r1, overall)
        d6 = self.gfb2_2(d4, d3, t1, overall)
        d7 = self.gfb1_1(d5, d6, r0, overall)
        d8 = self.gfb1_2(d6, d5, t0, overall)
        return DualFeatures(d7, d8, overall)

    def output(self, name: str, features: DualFeatures) -> Tensor:
        """Logits (N, 1, h, w) of one output: refine, score_1, score_2 or score_global."""
        if name == "refine":
            return self.refine(features.rgb, features.other)
        source = {"score_1": features.rgb, "score_2": features.other}.get(name, features.overall)
        return getattr(self, name)(source)


def initialise(module: nn.Module) -> None:
    """Weights of every convolution below ``module`` from N(0, 0.01), as published."""
    for child in module.modules():
        if isinstance(child, nn.Conv2d):
            nn.init.normal_(child.weight, std=0.01)
