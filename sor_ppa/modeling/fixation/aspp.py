"""ASPP: atrous spatial pyramid pooling, context at several distances side by side."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from sor_ppa.modeling.fixation.layers import glorot_init


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling (Chen et al., 2017) as in MSI-Net.

    Kroner et al., Neural Networks 2020, section 3.1: a 1 x 1 convolution, one 3 x 3 convolution for
    each dilation, the mean of the whole map; one 1 x 1 convolution over all of them. Names are the
    published ones.

    Args:
        in_channels: of the encoder's maps together.
        channels: of each branch, and of the result.
        dilations: of the 3 x 3 convolutions.
    """

    def __init__(
        self, in_channels: int, channels: int = 256, dilations: Sequence[int] = (4, 8, 12)
    ) -> None:
        super().__init__()
        self.conv1_1 = nn.Conv2d(in_channels, channels, 1)
        self.wide = [f"conv1_{index}" for index in range(2, len(dilations) + 2)]
        for name, dilation in zip(self.wide, dilations, strict=True):
            conv = nn.Conv2d(in_channels, channels, 3, padding=dilation, dilation=dilation)
            self.add_module(name, conv)
        self.add_module(f"conv1_{len(dilations) + 2}", nn.Conv2d(in_channels, channels, 1))
        self.mean_name = f"conv1_{len(dilations) + 2}"
        self.conv2 = nn.Conv2d((len(dilations) + 2) * channels, channels, 1)
        glorot_init(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, h, w) -> (N, channels, h, w)."""
        names = ["conv1_1", *self.wide]
        local = torch.cat([F.relu_(getattr(self, name)(x)) for name in names], 1)
        mean = F.relu_(getattr(self, self.mean_name)(x.mean((2, 3), keepdim=True)))
        # The mean is the same everywhere: mix it once a picture, not once a pixel.
        weight, split = self.conv2.weight, local.shape[1]
        shift = F.conv2d(mean, weight[:, split:], self.conv2.bias)  # (N, channels, 1, 1)
        return F.relu_(F.conv2d(local, weight[:, :split]) + shift)
