"""SICA: scale-invariant context attention (InSPyReNet, Kim et al., ACCV 2022, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sor_ppa.modeling.precision import at_least_float32
from sor_ppa.modeling.pyramid import resize
from sor_ppa.modeling.saliency.layers import conv_norm


class SICA(nn.Module):
    """Predicts a stage's Laplacian by letting every pixel attend to a few context vectors.

    The contexts are sums of features over what the coarser stage calls foreground, background and
    unsure (and over the two sides of its Laplacian). They are summed on a grid of fixed size, so
    that they do not grow with the picture.

    Args:
        in_channels: of the features.
        channels: of the attention and of the output features.
        grid_hw: size of the grid: the stage's size in training.
        laplacian: whether there is a coarser Laplacian: five contexts instead of three.
    """

    def __init__(
        self, in_channels: int, channels: int, *, grid_hw: Sequence[int], laplacian: bool
    ) -> None:
        super().__init__()
        self.grid_hw = tuple(grid_hw)
        self.scale = channels**-0.5
        self.threshold = nn.Parameter(torch.tensor([0.5]))
        self.lthreshold = nn.Parameter(torch.tensor([0.5])) if laplacian else None
        self.conv_query = _two(in_channels, channels, 3)
        self.conv_key = _two(in_channels, channels, 1)
        self.conv_value = _two(in_channels, channels, 1)
        self.conv_out1 = conv_norm(channels, channels, 3, relu=True)
        self.conv_out2 = conv_norm(in_channels + channels, channels, 3, relu=True)
        self.conv_out3 = conv_norm(channels, channels, 3, relu=True)
        # The published norm on a single channel stays.
        self.conv_out4 = conv_norm(channels, 1)

    def forward(
        self, x: Tensor, saliency: Tensor, laplacian: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Features and the Laplacian of this stage.

        Args:
            x: (N, C_in, H, W) features.
            saliency: (N, 1, h, w) logits of the coarser stage.
            laplacian: (N, 1, h, w) of the coarser stage, where there is one.

        Returns:
            (N, C, H, W) and (N, 1, H, W).
        """
        context = self.context(x, self.context_maps(x, saliency, laplacian))
        key = self.conv_key(context).flatten(2)  # (N, C, k)
        value = self.conv_value(context).flatten(2)  # (N, C, k)
        query = self.conv_query(x).flatten(2)  # (N, C, H*W)
        similarity = at_least_float32(torch.bmm(key.transpose(1, 2), query)) * self.scale
        weights = similarity.softmax(1).to(value.dtype).unflatten(2, x.shape[-2:])  # (N, k, H, W)
        features = self.conv_out3(self.join(x, self.attend(weights, value)))
        return features, self.conv_out4(features)

    @property
    def _is_factored(self) -> bool:
        """Whether the shortcuts of inference are taken; an exported graph has none."""
        return not self.training and not torch.compiler.is_compiling()

    def attend(self, weights: Tensor, value: Tensor) -> Tensor:
        """``conv_out1`` of the contexts, mixed at every pixel by its weights.

        In inference the convolution takes the k weights instead of the C mixed channels, its kernel
        multiplied by the contexts' values beforehand: the same up to rounding, a fraction of the
        work.

        Args:
            weights: (N, k, H, W), summing to 1 over k.
            value: (N, C, k).
        """
        if not self._is_factored:
            mixed = torch.bmm(value, weights.flatten(2)).unflatten(2, weights.shape[-2:])
            return self.conv_out1(mixed)
        conv: Any = self.conv_out1[0]
        kernels = torch.einsum("ocyx,nck->nokyx", conv.weight.to(value.dtype), value)
        items = weights.contiguous(memory_format=torch.channels_last).split(1)
        mixed = [conv._conv_forward(*pair, conv.bias) for pair in zip(items, kernels)]
        return self.conv_out1[1:](mixed[0] if len(mixed) == 1 else torch.cat(mixed))

    def join(self, x: Tensor, attended: Tensor) -> Tensor:
        """``conv_out2`` of both, side by side; in inference without ever laying them side by side.

        Args:
            x: (N, C_in, H, W).
            attended: (N, C, H, W).
        """
        if not self._is_factored:
            return self.conv_out2(torch.cat([x, attended], 1))
        conv: Any = self.conv_out2[0]
        left, right = conv.weight.split([x.shape[1], attended.shape[1]], 1)
        joined = conv._conv_forward(x, left, conv.bias)
        joined += conv._conv_forward(attended, right, None)
        return self.conv_out2[1:](joined)

    def context_maps(self, x: Tensor, saliency: Tensor, laplacian: Tensor | None) -> Tensor:
        """(N, k, H, W): how much a pixel belongs to each context, at the features' size."""
        size = x.shape[-2:]
        p = resize(saliency, size).sigmoid() - self.threshold
        maps = [p.clamp(0, 1), (-p).clamp(0, 1), self.threshold - p.abs()]
        if laplacian is not None and self.lthreshold is not None:
            q = resize(laplacian, size).sigmoid() - self.lthreshold
            maps += [q.clamp(0, 1), (-q).clamp(0, 1)]
        return torch.cat(maps, 1)

    def context(self, x: Tensor, maps: Tensor) -> Tensor:
        """(N, C_in, k, 1): the context vectors, sums over the cells of the grid.

        The published code re-reads the features' (C_in, cells) memory as (cells, C_in) instead of
        transposing it. The checkpoints were trained with it, so it stays.
        """
        x, maps = resize(x, self.grid_hw), resize(maps, self.grid_hw)
        with torch.autocast(x.device.type, enabled=False):  # sums of 147,456 terms: float32
            x, maps = at_least_float32(x), at_least_float32(maps).flatten(2)
            context = _scrambled_sum(x, maps) if self._is_factored else None
            if context is None:
                cells = x.reshape(len(x), -1, x.shape[1])
                context = torch.bmm(maps, cells)  # (N, k, C_in)
        return context.transpose(1, 2).unsqueeze(3)


def _scrambled_sum(x: Tensor, maps: Tensor) -> Tensor | None:
    """The contexts' sums straight from channels-last memory, (N, k, C); None if that cannot be.

    Cell p of channel c is number c H W + p of the (C, H, W) memory: row c (H W / C) + p // C and
    column p % C of the re-reading, where C divides H W.

    Args:
        x: (N, C, H, W).
        maps: (N, k, H W).
    """
    N, C = x.shape[:2]
    if maps.shape[2] % C or not x.is_contiguous(memory_format=torch.channels_last):
        return None
    rows = maps.shape[2] // C
    by_row = x.permute(0, 2, 3, 1).reshape(N * rows, C, C)  # (row, column, channel)
    parts = maps.view(N, -1, C, rows).permute(0, 3, 2, 1).reshape(N * rows, C, -1)
    return torch.bmm(by_row, parts).unflatten(0, (N, rows)).sum(1).transpose(1, 2)


def _two(in_channels: int, channels: int, kernel_size: int) -> nn.Sequential:
    return nn.Sequential(
        conv_norm(in_channels, channels, kernel_size, relu=True),
        conv_norm(channels, channels, kernel_size, relu=True),
    )
