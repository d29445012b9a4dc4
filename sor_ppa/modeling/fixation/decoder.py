"""From context to a map at the picture's resolution."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from sor_ppa.modeling.fixation.layers import glorot_init

_EPSILON = 1e-7


class Decoder(nn.Module):
    """Three times enlarge and convolve, then one channel (Kroner et al., 2020, section 3.1).

    Args:
        in_channels: of the context.
        channels: of the convolutions after each enlargement.
    """

    def __init__(self, in_channels: int = 256, channels: Sequence[int] = (128, 64, 32)) -> None:
        super().__init__()
        widths = (in_channels, *channels)
        self.names = [f"conv{index}" for index in range(1, len(widths))]
        for name, before, after in zip(self.names, widths, widths[1:]):
            self.add_module(name, nn.Conv2d(before, after, 3, padding=1))
        self.last_name = f"conv{len(widths)}"
        self.add_module(self.last_name, nn.Conv2d(widths[-1], 1, 3, padding=1))
        glorot_init(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, h, w) -> (N, 1, 8 h, 8 w), any numbers."""
        for name in self.names:
            x = F.relu_(getattr(self, name)(upsampled_twice(x)))
        return getattr(self, self.last_name)(x)


def upsampled_twice(x: torch.Tensor) -> torch.Tensor:
    """Bilinear enlargement by 2 without half-pixel centres, as published (TensorFlow 1).

    out[2 i] = in[i], out[2 i + 1] = (in[i] + in[i + 1]) / 2, along both axes, the last one
    repeated. Half-pixel centres would move the map by a quarter of a pixel each time.

    (N, C, h, w) -> (N, C, 2 h, 2 w).
    """
    height, width = x.shape[-2:]
    padded = F.pad(x, (0, 1, 0, 1), mode="replicate")
    size = (2 * height + 1, 2 * width + 1)
    enlarged = F.interpolate(padded, size, mode="bilinear", align_corners=True)
    return enlarged[..., :-1, :-1]


def stretched(maps: torch.Tensor) -> torch.Tensor:
    """Each map's own minimum becomes 0 and its maximum 1: y = (x - min) / (1e-7 + max - min).

    A part of the network, in training too. (N, 1, H, W) -> (N, 1, H, W); a constant map becomes 0.
    """
    raised = maps - maps.amin((2, 3), keepdim=True)
    return raised / (_EPSILON + raised.amax((2, 3), keepdim=True))
