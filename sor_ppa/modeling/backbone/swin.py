"""Swin transformer (Liu et al., ICCV 2021) as a detectron2 backbone for pictures of any size.

Layout and names are those of the published detection backbone: a norm for every handed-on map, and
maps padded with zeros to whole windows. Inside, maps are (N, H, W, D).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, Backbone
from torch import Tensor, nn

from sor_ppa.errors import ConfigError
from sor_ppa.modeling.backbone.layers import freeze
from sor_ppa.modeling.backbone.swin_attention import WindowAttention
from sor_ppa.modeling.registration import register

_PATCH = 4
_NAMES = ("stem", "res2", "res3", "res4", "res5")


class DropPath(nn.Module):
    """Stochastic depth (Huang et al., ECCV 2016): in training whole samples of a branch become 0.

    The kept ones are divided by the probability of being kept.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        """(N, ...) -> (N, ...)."""
        if not self.training or self.probability == 0.0:
            return x
        keep = 1.0 - self.probability
        mask = x.new_empty(len(x), *[1] * (x.dim() - 1)).bernoulli_(keep)
        return x * mask / keep


class Mlp(nn.Module):
    """Two linear layers with exact GELU between."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        return self.fc2(F.gelu(self.fc1(x)))


class SwinBlock(nn.Module):
    """Windowed attention and MLP, each behind a norm and beside an identity (eq. 3).

    Args:
        channels: D.
        heads: heads of the attention.
        window: side of a window.
        shift: cyclic shift of the map before it is cut into windows; 0 in even blocks.
        mlp_ratio: hidden width of the MLP / D.
        drop_path: probability of dropping a branch in training.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        *,
        window: int,
        shift: int,
        mlp_ratio: float = 4.0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowAttention(channels, window=window, heads=heads, shift=shift)
        self.drop_path = DropPath(drop_path)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels, int(channels * mlp_ratio))

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, D) -> (N, H, W, D)."""
        x = x + self.drop_path(self._attend(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))

    def _attend(self, x: Tensor) -> Tensor:
        H, W = x.shape[1:3]
        x = _pad_to_multiple(x, self.window)  # zeros behind the norm: they attend, too
        if self.shift:
            x = x.roll((-self.shift, -self.shift), (1, 2))
        x = merge_windows(self.attn(split_windows(x, self.window)), self.window)
        if self.shift:
            x = x.roll((self.shift, self.shift), (1, 2))
        return x[:, :H, :W]


def split_windows(x: Tensor, window: int) -> Tensor:
    """(N, H, W, D) -> (N, H/window, W/window, window window, D)."""
    N, H, W, D = x.shape
    x = x.view(N, H // window, window, W // window, window, D)
    return x.transpose(2, 3).flatten(3, 4)


def merge_windows(windows: Tensor, window: int) -> Tensor:
    """The inverse of :func:`split_windows`."""
    N, rows, columns, _, D = windows.shape
    x = windows.view(N, rows, columns, window, window, D)
    return x.transpose(2, 3).reshape(N, rows * window, columns * window, D)


def _steps(side: int, step: int) -> int:
    """Quotient rounded up; written so that exporters can simplify it for unknown sides."""
    return (side + step - 1) // step


def _pad_to_multiple(x: Tensor, step: int) -> Tensor:
    """(N, H, W, D) with zeros right and below so that H and W are multiples of ``step``."""
    below, right = (_steps(side, step) * step - side for side in x.shape[1:3])
    return F.pad(x, (0, 0, 0, right, 0, below))


class PatchMerging(nn.Module):
    """Every 2 x 2 cells become one of twice the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, D) -> (N, ceil(H/2), ceil(W/2), 2 D)."""
        N, H, W, D = x.shape
        H, W = _steps(H, 2), _steps(W, 2)
        x = _pad_to_multiple(x, 2).view(N, H, 2, W, 2, D)
        # The published order of the four is (row 0, column 0), (1, 0), (0, 1), (1, 1).
        x = x.permute(0, 1, 3, 4, 2, 5).reshape(N, H, W, 4 * D)
        return self.reduction(self.norm(x))


class PatchEmbed(nn.Module):
    """4 x 4 pixels become one token, normalised."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, channels, _PATCH, _PATCH)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, ceil(H/4), ceil(W/4), D); zeros fill the last patches."""
        below, right = (_steps(side, _PATCH) * _PATCH - side for side in x.shape[2:])
        x = self.proj(F.pad(x, (0, right, 0, below)))
        return self.norm(x.permute(0, 2, 3, 1))


class SwinStage(nn.Module):
    """Blocks, every second one shifted by half a window, and (but for the last stage) merging."""

    def __init__(
        self,
        channels: int,
        heads: int,
        drop_path: Sequence[float],
        *,
        window: int,
        merge: bool,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            SwinBlock(
                channels, heads, window=window, shift=index % 2 * (window // 2), drop_path=rate
            )
            for index, rate in enumerate(drop_path)
        )
        self.downsample = PatchMerging(channels) if merge else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, H, W, D) -> the stage's map (N, H, W, D) and the next one's input."""
        for block in self.blocks:
            x = block(x)
        return x, x if self.downsample is None else self.downsample(x)


class SwinTransformer(Backbone):
    """Swin transformer: the patches and four stages, maps at strides 4, 4, 8, 16, 32.

    The defaults are Swin-B with windows of 12 (the ImageNet network of 384 x 384 pixels).

    Args:
        input_channels: channels of the picture.
        channels: of the patches; each stage doubles them.
        depths: blocks of the four stages.
        heads: heads of the four stages.
        window: side of a window, even.
        drop_path_rate: stochastic depth of the last block; rises linearly from 0 at the first.
        freeze_at: 0 leaves everything trainable, 1 fixes the patches, 2 also the first stage, ...,
            5 all.

    Raises:
        ConfigError: ``drop_path_rate`` is no probability below 1.
    """

    @configurable
    def __init__(
        self,
        *,
        input_channels: int = 3,
        channels: int = 128,
        depths: Sequence[int] = (2, 2, 18, 2),
        heads: Sequence[int] = (4, 8, 16, 32),
        window: int = 12,
        drop_path_rate: float = 0.2,
        freeze_at: int = 0,
    ) -> None:
        super().__init__()
        if not 0 <= drop_path_rate < 1:
            raise ConfigError(
                f"MODEL.SWIN.DROP_PATH_RATE is {drop_path_rate!r}; give a number from 0 to 1 "
                "(published: 0.2)."
            )
        blocks = sum(depths)
        rates = [drop_path_rate * index / max(blocks - 1, 1) for index in range(blocks)]
        self.patch_embed = PatchEmbed(input_channels, channels)
        self.layers = nn.ModuleList()
        widths = [channels]
        for index, depth in enumerate(depths):
            width, own_rates, rates = channels << index, rates[:depth], rates[depth:]
            last = index == len(depths) - 1
            stage = SwinStage(width, heads[index], own_rates, window=window, merge=not last)
            self.layers.append(stage)
            self.add_module(f"norm{index}", nn.LayerNorm(width))
            widths.append(width)
        self._out_features = list(_NAMES)
        self._out_feature_channels = dict(zip(_NAMES, widths, strict=True))
        self._out_feature_strides = dict(zip(_NAMES, (4, 4, 8, 16, 32), strict=True))
        self._initialise()
        self.freeze(freeze_at)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec) -> dict[str, Any]:
        """Constructor arguments from ``cfg.MODEL.SWIN`` and ``cfg.MODEL.BACKBONE``."""
        return {
            "input_channels": input_shape.channels,
            "drop_path_rate": cfg.MODEL.SWIN.DROP_PATH_RATE,
            "freeze_at": cfg.MODEL.BACKBONE.FREEZE_AT,
        }

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def freeze(self, freeze_at: int = 0) -> SwinTransformer:
        """Fixes the first ``freeze_at`` parts; see the class."""
        if freeze_at > 0:
            freeze(self.patch_embed)
        for index, stage in enumerate(self.layers[: max(freeze_at - 1, 0)]):
            freeze(stage)
            freeze(getattr(self, f"norm{index}"))
        return self

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Feature maps of a normalised picture batch.

        Args:
            x: (N, input_channels, H, W) float, any size.

        Returns:
            stem (N, channels, H/4, W/4), the patches; res2 (channels, /4), res3 (2 channels, /8),
            res4 (4 channels, /16), res5 (8 channels, /32), sizes rounded up at every halving.
            They are channels-last in memory if ``x`` is.
        """
        y = self.patch_embed(x)  # (N, H/4, W/4, D)
        maps = [y]
        for index, stage in enumerate(self.layers):
            output, y = stage(y)
            maps.append(getattr(self, f"norm{index}")(output))
        planes = [item.permute(0, 3, 1, 2) for item in maps]
        if not x.is_contiguous(memory_format=torch.channels_last):
            planes = [plane.contiguous() for plane in planes]
        return dict(zip(_NAMES, planes, strict=True))


@register(BACKBONE_REGISTRY)
def build_swin_b_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> SwinTransformer:
    """Swin-B with windows of 12; ``SWIN.DROP_PATH_RATE`` and ``BACKBONE.FREEZE_AT`` are read."""
    return SwinTransformer(cfg, input_shape)
