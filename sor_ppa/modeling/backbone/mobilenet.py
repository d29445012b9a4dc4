"""MobileNetV2 of width 1.0 (Sandler et al., CVPR 2018) as a detectron2 backbone."""

from __future__ import annotations

from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec, get_norm
from detectron2.modeling import BACKBONE_REGISTRY, Backbone
from torch import nn

from sor_ppa.modeling.backbone.layers import freeze
from sor_ppa.modeling.registration import register

# Rows of the paper's table 2: expansion, channels, blocks, stride of the first block.
_ROWS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
_STEM_CHANNELS = 32
# The feature map after this index of `features` is handed on.
_OUTPUT_INDEX = {"stem": 1, "res2": 3, "res3": 6, "res4": 13, "res5": 17}
# Last index of `features` that FREEZE_AT = 1 ... 5 fixes: the stem is the half-resolution part.
_FREEZE_INDEX = tuple(_OUTPUT_INDEX.values())


class SamePaddedConv2d(nn.Conv2d):
    """A convolution of stride 2 that pads as TensorFlow's "SAME" does: even sizes only at the end.

    (N, C, H, W) -> (N, O, ceil(H / 2), ceil(W / 2)), for odd kernels.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """See the class."""
        padding = []
        for axis in (-1, -2):
            half = self.kernel_size[axis] // 2
            padding += [half - 1 + input.shape[axis] % 2, half]
        return self._conv_forward(nn.functional.pad(input, padding), self.weight, self.bias)


def _conv_norm(
    in_channels: int,
    out_channels: int,
    *,
    kernel_size: int = 1,
    stride: int = 1,
    groups: int = 1,
    norm: str,
    activation: bool = True,
    same_padding: bool = False,
) -> list[nn.Module]:
    """Convolution without bias, norm and (if wanted) ReLU6."""
    same_padding = same_padding and stride == 2
    conv = (SamePaddedConv2d if same_padding else nn.Conv2d)(
        in_channels,
        out_channels,
        kernel_size,
        stride,
        padding=0 if same_padding else kernel_size // 2,
        groups=groups,
        bias=False,
    )
    parts = [conv, get_norm(norm, out_channels)]
    return [*parts, nn.ReLU6(inplace=True)] if activation else parts


class InvertedResidual(nn.Module):
    """Expand 1x1, depthwise 3x3, project 1x1 (linear); input added where the shapes agree.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: of the depthwise convolution.
        expansion: hidden channels / ``in_channels``; 1 leaves the first convolution out.
        norm: name of the norm for detectron2's ``get_norm``.
        same_padding: pad for the stride as TensorFlow does.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int,
        expansion: int,
        norm: str,
        same_padding: bool = False,
    ) -> None:
        super().__init__()
        hidden = round(in_channels * expansion)
        self.residual = stride == 1 and in_channels == out_channels
        parts = _conv_norm(in_channels, hidden, norm=norm) if expansion != 1 else []
        parts += _conv_norm(
            hidden,
            hidden,
            kernel_size=3,
            stride=stride,
            groups=hidden,
            norm=norm,
            same_padding=same_padding,
        )
        parts += _conv_norm(hidden, out_channels, norm=norm, activation=False)
        self.conv = nn.Sequential(*parts)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride))."""
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2(Backbone):
    """MobileNetV2 up to its last inverted residual; always hands on stem, res2 ... res5.

    Parameter names: ``features.0.{0,1}`` and ``features.{i}.conv.{j}`` with j counting all parts of
    a block, activations included.

    Args:
        input_channels: channels of the picture.
        norm: name of the norm for detectron2's ``get_norm``; must not be "".
        freeze_at: 0 leaves everything trainable, 1 fixes the half-resolution part, 2 also what
            leads to res2, ..., 5 everything; batch norms in fixed parts become FrozenBN.
        same_padding: pad for strides as TensorFlow does. Weights that were trained so see bright
            right and lower borders otherwise, which whoever learns without masks takes for
            salient.
    """

    @configurable
    def __init__(
        self,
        *,
        input_channels: int = 3,
        norm: str = "FrozenBN",
        freeze_at: int = 0,
        same_padding: bool = False,
    ) -> None:
        super().__init__()
        stem = _conv_norm(
            input_channels,
            _STEM_CHANNELS,
            kernel_size=3,
            stride=2,
            norm=norm,
            same_padding=same_padding,
        )
        features: list[nn.Module] = [nn.Sequential(*stem)]
        channels, widths = _STEM_CHANNELS, [_STEM_CHANNELS]
        for expansion, out_channels, blocks, first_stride in _ROWS:
            for block in range(blocks):
                stride = first_stride if block == 0 else 1
                features.append(
                    InvertedResidual(
                        channels,
                        out_channels,
                        stride=stride,
                        expansion=expansion,
                        norm=norm,
                        same_padding=same_padding,
                    )
                )
                channels = out_channels
                widths.append(channels)
        self.features = nn.Sequential(*features)
        self._out_features = list(_OUTPUT_INDEX)
        self._out_feature_channels = {name: widths[i] for name, i in _OUTPUT_INDEX.items()}
        self._out_feature_strides = {name: 2 * 2**i for i, name in enumerate(_OUTPUT_INDEX)}
        self._initialise()
        self.freeze(freeze_at)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec) -> dict[str, Any]:
        """Constructor arguments from ``cfg.MODEL.BACKBONE``."""
        return {
            "input_channels": input_shape.channels,
            "freeze_at": cfg.MODEL.BACKBONE.FREEZE_AT,
            "same_padding": cfg.MODEL.MOBILENETV2.SAME_PADDING,
        }

    def _initialise(self) -> None:
        """He initialisation over the output fan, the group count left aside as published."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
                nn.init.normal_(module.weight, std=(2.0 / fan_out) ** 0.5)

    def freeze(self, freeze_at: int = 0) -> MobileNetV2:
        """Fixes the first ``freeze_at`` parts; see the class."""
        if freeze_at > 0:
            last = _FREEZE_INDEX[min(freeze_at, len(_FREEZE_INDEX)) - 1]
            for feature in self.features[: last + 1]:
                freeze(feature)
        return self

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Feature maps of a normalised picture batch.

        Args:
            x: (N, input_channels, H, W) float, any size.

        Returns:
            stem (N, 16, H/2, W/2), res2 (24, /4), res3 (32, /8), res4 (96, /16), res5 (320, /32),
            sizes rounded up.
        """
        names = {index: name for name, index in _OUTPUT_INDEX.items()}
        outputs = {}
        for index, feature in enumerate(self.features):
            x = feature(x)
            if index in names:
                outputs[names[index]] = x
        return outputs


@register(BACKBONE_REGISTRY)
def build_mnv2_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> MobileNetV2:
    """MobileNetV2; reads ``MODEL.BACKBONE.FREEZE_AT`` and ``MODEL.MOBILENETV2.SAME_PADDING``."""
    return MobileNetV2(cfg, input_shape)
