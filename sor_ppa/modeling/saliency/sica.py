"""SICA: scale-invariant context attention (InSPyReNet, Kim et al., ACCV 2022, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

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
        similarity = torch.bmm(key.transpose(1, 2), query).float() * self.scale
        weights = similarity.softmax(1).to(value.dtype).unflatten(2, x.shape[-2:])  # (N, k, H, W)
        features = self.conv_out3(self.conv_out2(torch.cat([x, self.attend(weights, value)], 1)))
        return features, self.conv_out4(features)

    def attend(self, weights: Tensor, value: Tensor) -> Tensor:
        """``conv_out1`` of the contexts, mixed at every pixel by its weights.

        Args:
            weights: (N, k, H, W), summing to 1 over k.
            value: (N, C, k).
        """
        mixed = torch.bmm(value, weights.flatten(2)).unflatten(2, weights.shape[-2:])
        return self.conv_out1(mixed)

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
        channels = x.shape[1]
        x, maps = resize(x, self.grid_hw), resize(maps, self.grid_hw)
        with torch.autocast(x.device.type, enabled=False):  # sums of 147,456 terms: float32
            cells = x.float().reshape(len(x), -1, channels)
            context = torch.bmm(maps.float().flatten(2), cells)  # (N, k, C_in)
        return context.transpose(1, 2).unsqueeze(3)


def _two(in_channels: int, channels: int, kernel_size: int) -> nn.Sequential:
    return nn.Sequential(
        conv_norm(in_channels, channels, kernel_size, relu=True),
        conv_norm(channels, channels, kernel_size, relu=True),
    )
