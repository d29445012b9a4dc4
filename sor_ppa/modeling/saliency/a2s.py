"""Decoder of A2S: activations of a frozen encoder summed up to saliency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sor_ppa.modeling.upsampled_conv import conv_of_upsampled

_WIDTH = 64


class Activation(NamedTuple):
    """What the decoder of A2S finds in a batch."""

    logits: Tensor  # (N, 1, H, W) at the size asked for
    features: Tensor  # (N, 64, h, w) centred, at the size of the finest map
    sign: Tensor  # (N,) 1 or -1


class ChannelGate(nn.Module):
    """Weighs channels by a sigmoid of their mixed means (squeeze and excitation, one layer).

    Args:
        channels: of the map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        return x * self.conv(x.mean(dim=(2, 3), keepdim=True)).sigmoid()


class ActivationBlock(nn.Module):
    """3 x 3 convolution to 64 channels, GroupNorm over all of them, ReLU, channel gate.

    Args:
        in_channels: of the input, or of the concatenated inputs.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.ad0 = nn.Sequential(
            nn.Conv2d(in_channels, _WIDTH, 3, padding=1), nn.GroupNorm(1, _WIDTH), nn.ReLU()
        )
        self.se = ChannelGate(_WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, 64, H, W)."""
        return self.se(self.ad0(x))

    def of_enlarged(self, maps: Sequence[Tensor], size_hw: Sequence[int]) -> Tensor:
        """The block on the concatenation of maps that are first enlarged to ``size_hw``.

        (N, C_i, h_i, w_i), the C_i making ``in_channels`` together -> (N, 64, H, W).
        """
        conv = cast("nn.Conv2d", self.ad0[0])
        weights = conv.weight.split([x.shape[1] for x in maps], dim=1)
        total = conv_of_upsampled(maps[0], weights[0], conv.bias, size_hw)
        for x, weight in zip(maps[1:], weights[1:], strict=True):
            total = total + conv_of_upsampled(x, weight, None, size_hw)
        return self.se(self.ad0[2](self.ad0[1](total)))


class A2SDecoder(nn.Module):
    """Activation to saliency (Zhou et al., TCSVT 2023, section III; CVPR 2023, figure 2).

    Args:
        channels: of the encoder's five maps, finest first; the two finest are not read.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.ad2, self.ad3, self.ad4 = (ActivationBlock(width) for width in channels[2:])
        self.fusion = ActivationBlock(3 * _WIDTH)

    def forward(self, maps: Sequence[Tensor], size_hw: Sequence[int]) -> Activation:
        """Saliency of a batch.

        Args:
            maps: five maps of the encoder, finest first, (N, C_i, h_i, w_i).
            size_hw: size of the logits.
        """
        fine, _, x2, x3, x4 = maps
        parts = [self.ad2(x2), self.ad3(x3), self.ad4(x4)]
        features = centred(self.fusion.of_enlarged(parts, fine.shape[-2:]))
        raw = features.sum(dim=1, keepdim=True)  # (N, 1, h, w)
        sign = border_sign(raw)
        logits = raw * sign[:, None, None, None]
        size = tuple(size_hw)
        logits = F.interpolate(logits, size, mode="bilinear", align_corners=True)
        return Activation(logits, features, sign)


def centred(x: Tensor) -> Tensor:
    """(N, C, H, W) less each channel's mean over its picture: what is above it is foreground.

    The adaptive decision boundary of A2S: no threshold is learnt.
    """
    return x - x.mean(dim=(2, 3), keepdim=True)


def border_sign(raw: Tensor) -> Tensor:
    """(N, 1, H, W) -> (N,): -1 where two or more of the four corners are above 0, else 1.

    A foreground that holds the corners is taken for background. No gradient.
    """
    corners = raw.detach()[:, 0][:, [0, -1, -1, 0], [0, 0, -1, -1]]  # (N, 4)
    inverted = (corners > 0).sum(dim=1) >= 2
    return torch.where(inverted, -1.0, 1.0).to(raw.dtype)
