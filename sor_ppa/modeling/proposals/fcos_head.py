"""The convolutional head of FCOS (Tian et al., ICCV 2019, figure 2), shared by all levels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import DeformConv2d

from sor_ppa.errors import ConfigError
from sor_ppa.modeling.weight_init import normal_init


class LevelPrediction(NamedTuple):
    """Raw output of the head on one level of (h, w) cells."""

    logits: Tensor  # (N, num_classes, h, w) before the sigmoid
    distances: Tensor  # (N, 4, h, w) left, top, right, bottom >= 0, in strides
    centerness: Tensor  # (N, 1, h, w) before the sigmoid


class Scale(nn.Module):
    """A learnt factor."""

    def __init__(self, value: float = 1.0) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([value]))

    def forward(self, x: Tensor) -> Tensor:
        """Any shape in, the same shape out."""
        return x * self.scale


class DeformableConv3x3(nn.Module):
    """3x3 deformable convolution whose offsets are predicted by a zero-initialised convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.offset = nn.Conv2d(channels, 18, 3, padding=1)
        self.conv = DeformConv2d(channels, channels, 3, padding=1)
        normal_init(self.offset, std=0.0)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        return self.conv(x, self.offset(x))


class FCOSHead(nn.Module):
    """Class tower and box tower; centerness is predicted from the box tower.

    Args:
        in_channels: channels of every level.
        num_classes: foreground classes.
        num_levels: how many levels the head will be given.
        num_cls_convs, num_box_convs, num_share_convs: 3x3 convolutions in each tower.
        norm: "GN" (32 groups) or "none".
        use_scale: a learnt factor per level on the distances.
        deformable: deformable convolutions in the box tower.
        prior_prob: foreground probability that the class bias starts from.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        num_levels: int,
        num_cls_convs: int = 4,
        num_box_convs: int = 4,
        num_share_convs: int = 0,
        norm: str = "GN",
        use_scale: bool = True,
        deformable: bool = False,
        prior_prob: float = 0.01,
    ) -> None:
        super().__init__()
        self.share_tower = _tower(in_channels, num_share_convs, norm)
        self.cls_tower = _tower(in_channels, num_cls_convs, norm)
        self.bbox_tower = _tower(in_channels, num_box_convs, norm, deformable=deformable)
        self.cls_logits = nn.Conv2d(in_channels, num_classes, 3, padding=1)
        self.bbox_pred = nn.Conv2d(in_channels, 4, 3, padding=1)
        self.ctrness = nn.Conv2d(in_channels, 1, 3, padding=1)
        self.scales = nn.ModuleList(Scale() for _ in range(num_levels)) if use_scale else None
        self._initialise(prior_prob)

    def _initialise(self, prior_prob: float) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                normal_init(module, std=0.01)
        for module in self.bbox_tower.modules():
            if isinstance(module, DeformableConv3x3):
                normal_init(module.offset, std=0.0)
        normal_init(self.cls_logits, std=0.01, bias=-math.log((1 - prior_prob) / prior_prob))

    def forward(self, features: Sequence[Tensor]) -> list[LevelPrediction]:
        """One prediction a level; ``features``: per level (N, C, h, w)."""
        predictions = []
        for level, feature in enumerate(features):
            feature = self.share_tower(feature)
            box_feature = self.bbox_tower(feature)
            distances = self.bbox_pred(box_feature)
            if self.scales is not None:
                distances = self.scales[level](distances)
            predictions.append(
                LevelPrediction(
                    logits=self.cls_logits(self.cls_tower(feature)),
                    distances=F.relu(distances),
                    centerness=self.ctrness(box_feature),
                )
            )
        return predictions


def _tower(channels: int, count: int, norm: str, *, deformable: bool = False) -> nn.Sequential:
    if norm not in ("GN", "none"):
        raise ConfigError(f"MODEL.FCOS.NORM is {norm!r}; use 'GN' or 'none'")
    layers: list[nn.Module] = []
    for _ in range(count):
        layers.append(
            DeformableConv3x3(channels) if deformable else nn.Conv2d(channels, channels, 3, 1, 1)
        )
        if norm == "GN":
            layers.append(nn.GroupNorm(32, channels))
        layers.append(nn.ReLU())
    return nn.Sequential(*layers)
