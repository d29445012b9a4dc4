"""Parallel axial attention: the context modules (PAA-e) and the decoder (PAA-d) of InSPyReNet.

Source: UACANet (Kim et al., ACM MM 2021), section 3.1, as used by InSPyReNet (ACCV 2022), figure 3.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sor_ppa.modeling.precision import at_least_float32
from sor_ppa.modeling.pyramid import resize
from sor_ppa.modeling.saliency.layers import conv_norm


class AxisAttention(nn.Module):
    """Self-attention along one side of a map, added with a learnt weight that starts at 0.

    The published code re-reads the (C, H, W) memory as a matrix with ``axis length`` columns
    instead of transposing it. Along the width that is right; "along the height" it is attention
    along the width again for square maps, and a mix of positions for others. The checkpoints were
    trained with it, so it stays.

    Args:
        channels: of the map; queries and keys have an eighth of it.
        axis: -2 for ``Hattn``, -1 for ``Wattn``.
    """

    def __init__(self, channels: int, axis: int) -> None:
        super().__init__()
        self.axis = axis
        self.query_conv = conv_norm(channels, channels // 8)
        self.key_conv = conv_norm(channels, channels // 8)
        self.value_conv = conv_norm(channels, channels)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        columns = x.shape[self.axis]
        query = self.query_conv(x).reshape(len(x), -1, columns)  # (N, C/8 * H*W/A, A)
        key = self.key_conv(x).reshape(len(x), -1, columns)
        value = self.value_conv(x).reshape(len(x), -1, columns)  # (N, C * H*W/A, A)
        similarity = at_least_float32(torch.bmm(query.transpose(1, 2), key)).softmax(
            -1
        )  # (N, A, A)
        attended = torch.bmm(value, similarity.to(value.dtype).transpose(1, 2)).reshape(x.shape)
        return torch.addcmul(x, self.gamma, attended)


class AxialPair(nn.Module):
    """Adds what both axis attentions make of a map of so many channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.Hattn = AxisAttention(channels, -2)
        self.Wattn = AxisAttention(channels, -1)

    def attend(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        return self.Hattn(x) + self.Wattn(x)


class PAABranch(AxialPair):
    """One branch of a context module: a crossed r x r kernel, axial attention, a dilated 3 x 3."""

    def __init__(self, in_channels: int, channels: int, r: int) -> None:
        super().__init__(channels)
        self.conv0 = conv_norm(in_channels, channels)
        self.conv1 = conv_norm(channels, channels, (1, r))
        self.conv2 = conv_norm(channels, channels, (r, 1))
        self.conv3 = conv_norm(channels, channels, 3, dilation=r)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, H, W) -> (N, C, H, W)."""
        return self.conv3(self.attend(self.conv2(self.conv1(self.conv0(x)))))


class PAAContext(nn.Module):
    """PAA-e: parallel branches of growing reach, joined, beside a 1 x 1 shortcut.

    Args:
        in_channels: of a backbone's map.
        channels: of the output.
        kernels: r of each attention branch, (3, 5, 7) as published; () leaves a plain residual
            block.
    """

    def __init__(self, in_channels: int, channels: int, kernels: Sequence[int] = (3, 5, 7)) -> None:
        super().__init__()
        self.branch0 = conv_norm(in_channels, channels)
        self.branch_names = [f"branch{i}" for i in range(len(kernels) + 1)]
        for name, r in zip(self.branch_names[1:], kernels, strict=True):
            self.add_module(name, PAABranch(in_channels, channels, r))
        self.conv_cat = conv_norm(channels * len(self.branch_names), channels, 3)
        self.conv_res = conv_norm(in_channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, H, W) -> (N, C, H, W)."""
        branches = torch.cat([self.get_submodule(name)(x) for name in self.branch_names], 1)
        return torch.relu(self.conv_cat(branches) + self.conv_res(x))


class PAADecoder(AxialPair):
    """PAA-d: joins the three coarse contexts into features and the first saliency logits.

    Args:
        channels: of each context and of the features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.conv1 = conv_norm(3 * channels, channels, 3)
        self.conv2 = conv_norm(channels, channels, 3)
        self.conv3 = conv_norm(channels, channels, 3)
        self.conv4 = conv_norm(channels, channels, 3)
        # Named as published: no norm, no ReLU, no bias.
        self.conv5 = nn.Sequential()
        self.conv5.add_module("conv", nn.Conv2d(channels, 1, 3, padding=1, bias=False))

    def forward(self, c3: Tensor, c4: Tensor, c5: Tensor) -> tuple[Tensor, Tensor]:
        """Features and logits at the finest context's size.

        Args:
            c3: (N, C, H, W).
            c4: (N, C, ceil(H/2), ceil(W/2)).
            c5: (N, C, ceil(H/4), ceil(W/4)).

        Returns:
            (N, C, H, W) and (N, 1, H, W).
        """
        up4, up5 = (resize(c, c3.shape[-2:], align_corners=True) for c in (c4, c5))
        x = self.attend(self.conv1(torch.cat([up5, up4, c3], 1)))
        features = self.conv4(self.conv3(self.conv2(x)))
        return features, self.conv5(features)
