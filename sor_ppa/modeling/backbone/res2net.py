"""Res2Net-50 v1b, 26w x 4s (Gao et al., "Res2Net", TPAMI 2021) as a detectron2 backbone.

The stem of three convolutions and the average-pooled shortcuts are those of ResNet-D. As published
for dense saliency the last two layers are dilated although their strides stay; names of modules and
parameters are those of the ImageNet file (and of timm's ``res2net50d``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, Backbone
from torch import nn

from sor_ppa.errors import ConfigError
from sor_ppa.modeling.backbone.layers import freeze
from sor_ppa.modeling.registration import register
from sor_ppa.modeling.weight_init import kaiming_init

#: Dilation of the 3x3 convolutions in every block of layer1 ... layer4, as published with
#: InSPyReNet; the ImageNet network has ones throughout.
PUBLISHED_DILATIONS = ((1, 1, 1), (1, 1, 1, 1), (2, 2, 2, 2, 2, 2), (4, 8, 16))

_BLOCKS = (3, 4, 6, 3)
_PLANES = (64, 128, 256, 512)
_BASE_WIDTH = 26
_SCALES = 4
_EXPANSION = 4
_STEM_CHANNELS = (32, 32, 64)
_NAMES = ("stem", "res2", "res3", "res4", "res5")
_STRIDES = (4, 4, 8, 16, 32)


class Bottle2neck(nn.Module):
    """Bottleneck whose 3x3 convolution is a chain over groups of channels (Res2Net, eq. 1).

    Groups are numbered 0 ... 3; the last one has no convolution. In the first block of a layer the
    groups do not see each other and the last one is average-pooled.

    Args:
        in_channels: channels of the input.
        planes: a quarter of the channels of the output.
        stride: of the 3x3 convolutions.
        dilation: of the 3x3 convolutions.
        first: first block of a layer, with a convolution on the shortcut.
    """

    def __init__(
        self, in_channels: int, planes: int, *, stride: int, dilation: int, first: bool
    ) -> None:
        super().__init__()
        width, channels = planes * _BASE_WIDTH // 64, planes * _EXPANSION
        self.width = width
        self.conv1 = nn.Conv2d(in_channels, width * _SCALES, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width * _SCALES)
        self.convs = nn.ModuleList(
            nn.Conv2d(width, width, 3, stride, padding=dilation, dilation=dilation, bias=False)
            for _ in range(_SCALES - 1)
        )
        self.bns = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(_SCALES - 1))
        self.conv3 = nn.Conv2d(width * _SCALES, channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.pool: nn.Module | None = None
        self.downsample: nn.Module | None = None
        if first:
            # Applied for stride 1 (layer1) as well; the zeros around the map count in the mean.
            self.pool = nn.AvgPool2d(3, stride, padding=1)
            self.downsample = _shortcut(in_channels, channels, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, H, W) -> (N, 4 planes, ceil(H / stride), ceil(W / stride))."""
        groups = self.relu(self.bn1(self.conv1(x))).split(self.width, dim=1)
        outputs: list[torch.Tensor] = []
        for index, (conv, norm) in enumerate(zip(self.convs, self.bns)):
            group = groups[index]
            if self.pool is None and outputs:
                group = group + outputs[-1]
            outputs.append(self.relu(norm(conv(group))))
        outputs.append(groups[-1] if self.pool is None else self.pool(groups[-1]))
        y = self.bn3(self.conv3(torch.cat(outputs, dim=1)))
        y += x if self.downsample is None else self.downsample(x)
        return self.relu(y)


def _shortcut(in_channels: int, channels: int, stride: int) -> nn.Sequential:
    """Mean over each stride x stride cell (of what lies inside the map), 1x1 convolution, norm."""
    return nn.Sequential(
        nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False),
        nn.Conv2d(in_channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
    )


def _build_stem(input_channels: int) -> nn.Sequential:
    """Three 3x3 convolutions, the first of stride 2; the last one's norm is the body's ``bn1``."""
    parts: list[nn.Module] = []
    channels = input_channels
    for index, width in enumerate(_STEM_CHANNELS):
        stride = 2 if index == 0 else 1
        parts.append(nn.Conv2d(channels, width, 3, stride, padding=1, bias=False))
        parts += [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        channels = width
    return nn.Sequential(*parts[:-2])


class Res2Net50(Backbone):
    """Res2Net-50 v1b, 26w x 4s: five maps at strides 4, 4, 8, 16, 32.

    Args:
        input_channels: channels of the picture.
        dilations: of the 3x3 convolutions, a number for each block of layer1 ... layer4.
        freeze_at: 0 leaves everything trainable, 1 fixes the stem, 2 also layer1, ..., 5 all;
            batch norms in fixed parts become FrozenBN.

    Raises:
        ConfigError: ``dilations`` are not 3, 4, 6 and 3 positive numbers.
    """

    @configurable
    def __init__(
        self,
        *,
        input_channels: int = 3,
        dilations: Sequence[Sequence[int]] = PUBLISHED_DILATIONS,
        freeze_at: int = 0,
    ) -> None:
        super().__init__()
        _check_dilations(dilations)
        self.conv1 = _build_stem(input_channels)
        self.bn1 = nn.BatchNorm2d(_STEM_CHANNELS[-1])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels = _STEM_CHANNELS[-1]
        for index, planes in enumerate(_PLANES):
            layer = _build_layer(channels, planes, 1 if index == 0 else 2, dilations[index])
            self.add_module(f"layer{index + 1}", layer)
            channels = planes * _EXPANSION
        widths = (_STEM_CHANNELS[-1], *(planes * _EXPANSION for planes in _PLANES))
        self._out_features = list(_NAMES)
        self._out_feature_channels = dict(zip(_NAMES, widths, strict=True))
        self._out_feature_strides = dict(zip(_NAMES, _STRIDES, strict=True))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                kaiming_init(module)
        self.freeze(freeze_at)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec) -> dict[str, Any]:
        """Constructor arguments from ``cfg.MODEL.BACKBONE``."""
        return {
            "input_channels": input_shape.channels,
            "freeze_at": cfg.MODEL.BACKBONE.FREEZE_AT,
        }

    def freeze(self, freeze_at: int = 0) -> Res2Net50:
        """Fixes the first ``freeze_at`` parts; see the class."""
        parts = (("conv1", "bn1"), ("layer1",), ("layer2",), ("layer3",), ("layer4",))
        for names in parts[: max(freeze_at, 0)]:
            for name in names:
                setattr(self, name, freeze(getattr(self, name)))
        return self

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Feature maps of a normalised picture batch.

        Args:
            x: (N, input_channels, H, W) float, any size.

        Returns:
            stem (N, 64, H/4, W/4), after the max-pool; res2 (256, /4), res3 (512, /8), res4
            (1024, /16), res5 (2048, /32), sizes rounded up at every halving.
        """
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        outputs = {"stem": x}
        for index, name in enumerate(_NAMES[1:]):
            x = getattr(self, f"layer{index + 1}")(x)
            outputs[name] = x
        return outputs


def _build_layer(
    in_channels: int, planes: int, stride: int, dilations: Sequence[int]
) -> nn.Sequential:
    first = Bottle2neck(in_channels, planes, stride=stride, dilation=dilations[0], first=True)
    others = (
        Bottle2neck(planes * _EXPANSION, planes, stride=1, dilation=dilation, first=False)
        for dilation in dilations[1:]
    )
    return nn.Sequential(first, *others)


def _check_dilations(dilations: Sequence[Sequence[int]]) -> None:
    counts = tuple(len(layer) for layer in dilations)
    if counts != _BLOCKS or min(min(layer) for layer in dilations) < 1:
        raise ConfigError(
            f"The dilations of Res2Net-50 are {tuple(map(tuple, dilations))!r}; give a positive "
            f"number for each block of the four layers, {_BLOCKS} of them."
        )


@register(BACKBONE_REGISTRY)
def build_res2net50_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> Res2Net50:
    """Res2Net-50 as published with InSPyReNet; only ``BACKBONE.FREEZE_AT`` is read."""
    return Res2Net50(cfg, input_shape)
