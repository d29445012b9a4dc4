"""VoVNet-V2 (Lee and Park, "CenterMask", CVPR 2020, section 3.3; VoVNet: Lee et al., CVPRW 2019).

Seven bodies; names of modules and parameters are those of the published checkpoints.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, Backbone
from torch import nn

from sor_ppa.errors import ConfigError
from sor_ppa.modeling.backbone.layers import (
    DeformableUnit,
    EffectiveSqueezeExcitation,
    conv_unit,
    depthwise_unit,
    freeze,
)
from sor_ppa.modeling.registration import register


@dataclass(frozen=True)
class VoVNetSpec:
    """Widths and depths of a body; sequences of four are for stage2 ... stage5."""

    #: channels of the three stem convolutions
    stem: tuple[int, int, int]
    #: channels of a stage's 3x3 convolutions
    conv_channels: tuple[int, int, int, int]
    #: channels of a stage's output
    out_channels: tuple[int, int, int, int]
    #: 3x3 convolutions in a block
    layers: int
    #: blocks in a stage
    blocks: tuple[int, int, int, int]
    #: depthwise-separable 3x3 convolutions
    depthwise: bool = False


# Channels of the 3x3 convolutions and of the outputs.
_SLIM = ((64, 80, 96, 112), (112, 256, 384, 512))
_FULL = ((128, 160, 192, 224), (256, 512, 768, 1024))
_ONE_EACH = (1, 1, 1, 1)

#: The published bodies by name.
BODIES: dict[str, VoVNetSpec] = {
    "V-19-slim-dw-eSE": VoVNetSpec((64, 64, 64), *_SLIM, 3, _ONE_EACH, depthwise=True),
    "V-19-dw-eSE": VoVNetSpec((64, 64, 64), *_FULL, 3, _ONE_EACH, depthwise=True),
    "V-19-slim-eSE": VoVNetSpec((64, 64, 128), *_SLIM, 3, _ONE_EACH),
    "V-19-eSE": VoVNetSpec((64, 64, 128), *_FULL, 3, _ONE_EACH),
    "V-39-eSE": VoVNetSpec((64, 64, 128), *_FULL, 5, (1, 1, 2, 2)),
    "V-57-eSE": VoVNetSpec((64, 64, 128), *_FULL, 5, (1, 1, 4, 3)),
    "V-99-eSE": VoVNetSpec((64, 64, 128), *_FULL, 5, (1, 3, 9, 3)),
}

_STRIDES = {"stem": 4, "stage2": 4, "stage3": 8, "stage4": 16, "stage5": 32}
_PARTS = tuple(_STRIDES)


@dataclass(frozen=True)
class LayerOptions:
    """How the 3x3 layers of a stage are made."""

    norm: str = "FrozenBN"
    depthwise: bool = False
    deformable: bool = False
    modulated: bool = False
    deformable_groups: int = 1

    def build(self, name: str, in_channels: int, out_channels: int) -> nn.Sequential:
        """One 3x3 layer: (N, C_in, H, W) -> (N, C_out, H, W)."""
        if self.depthwise:
            return nn.Sequential(depthwise_unit(name, in_channels, out_channels, norm=self.norm))
        if not self.deformable:
            return nn.Sequential(conv_unit(name, in_channels, out_channels, norm=self.norm))
        return DeformableUnit(
            name,
            in_channels,
            out_channels,
            modulated=self.modulated,
            groups=self.deformable_groups,
            norm=self.norm,
        )


class OSABlock(nn.Module):
    """One-shot aggregation: a chain of 3x3 layers, all of their outputs joined once, then eSE.

    Args:
        name: published name, e.g. ``OSA3_1``.
        in_channels: channels of the input.
        conv_channels: channels of every 3x3 layer.
        out_channels: channels of the output.
        layers: length of the chain.
        options: how a 3x3 layer is made.
        identity: add the input to the output (needs equal channels).
    """

    def __init__(
        self,
        name: str,
        in_channels: int,
        conv_channels: int,
        out_channels: int,
        layers: int,
        *,
        options: LayerOptions,
        identity: bool = False,
    ) -> None:
        super().__init__()
        self.identity = identity
        channels = in_channels
        # A depthwise layer keeps its number of channels, so the chain must start at the right one.
        self.conv_reduction: nn.Module | None = None
        if options.depthwise and in_channels != conv_channels:
            unit = conv_unit(
                f"{name}_reduction_0", in_channels, conv_channels, kernel_size=1, norm=options.norm
            )
            self.conv_reduction = nn.Sequential(unit)
            channels = conv_channels
        self.layers = nn.ModuleList()
        for index in range(layers):
            self.layers.append(options.build(f"{name}_{index}", channels, conv_channels))
            channels = conv_channels
        joined = in_channels + layers * conv_channels
        unit = conv_unit(f"{name}_concat", joined, out_channels, kernel_size=1, norm=options.norm)
        self.concat = nn.Sequential(unit)
        self.ese = EffectiveSqueezeExcitation(out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H, W)."""
        outputs = [x]  # the input itself is joined, not its reduction
        y = x if self.conv_reduction is None else self.conv_reduction(x)
        for layer in self.layers:
            y = layer(y)
            outputs.append(y)
        y = self.ese(self.concat(torch.cat(outputs, dim=1)))
        return y + x if self.identity else y


def _build_stem(
    channels: tuple[int, int, int], input_channels: int, *, norm: str, depthwise: bool
) -> nn.Sequential:
    """Three 3x3 units of strides 2, 1, 2; a depthwise body separates the last two."""
    unit = depthwise_unit if depthwise else conv_unit
    parts = conv_unit("stem_1", input_channels, channels[0], stride=2, norm=norm)
    parts.update(unit("stem_2", channels[0], channels[1], stride=1, norm=norm))
    parts.update(unit("stem_3", channels[1], channels[2], stride=2, norm=norm))
    return nn.Sequential(parts)


def _build_stage(
    spec: VoVNetSpec, index: int, in_channels: int, options: LayerOptions
) -> nn.Sequential:
    """Stage ``index + 2``: max-pool (but in stage 2) and the blocks; the first has no identity."""
    number, out_channels = index + 2, spec.out_channels[index]
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    if index > 0:
        parts["pooling"] = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
    for block in range(spec.blocks[index]):
        name = f"OSA{number}_{block + 1}"
        parts[name] = OSABlock(
            name,
            in_channels if block == 0 else out_channels,
            spec.conv_channels[index],
            out_channels,
            spec.layers,
            options=options,
            identity=block > 0,
        )
    return nn.Sequential(parts)


class VoVNet(Backbone):
    """VoVNet-V2 body as a detectron2 backbone.

    Can be built from explicit arguments or from ``(cfg, input_shape)``. Stages after the last
    wanted one are not built. A picture needs at least 29 pixels a side to reach stage5.

    Args:
        body: one of :data:`BODIES`.
        input_channels: channels of the picture.
        norm: name of the norm for detectron2's ``get_norm``.
        out_features: maps to hand on, of "stem", "stage2" ... "stage5".
        freeze_at: 0 leaves everything trainable, 1 fixes the stem, 2 stage2 as well, and so on.
        stage_with_dcn: whether the 3x3 layers of stage2 ... stage5 are deformable.
        modulated_dcn: deformable layers with a factor for every tap.
        deformable_groups: offset groups of a deformable layer.

    Raises:
        ConfigError: unknown body or feature, or a combination that does not exist.
    """

    @configurable
    def __init__(
        self,
        *,
        body: str = "V-39-eSE",
        input_channels: int = 3,
        norm: str = "FrozenBN",
        out_features: Sequence[str] = ("stage2", "stage3", "stage4", "stage5"),
        freeze_at: int = 0,
        stage_with_dcn: Sequence[bool] = (False, False, False, False),
        modulated_dcn: bool = False,
        deformable_groups: int = 1,
    ) -> None:
        super().__init__()
        spec = _checked_spec(body, out_features, stage_with_dcn)
        last = max(_PARTS.index(name) for name in out_features)
        self.stem = _build_stem(spec.stem, input_channels, norm=norm, depthwise=spec.depthwise)
        channels = spec.stem[-1]
        for index in range(last):
            options = LayerOptions(
                norm, spec.depthwise, bool(stage_with_dcn[index]), modulated_dcn, deformable_groups
            )
            stage = _build_stage(spec, index, channels, options)
            self.add_module(_PARTS[index + 1], stage)
            channels = spec.out_channels[index]
        self._part_names = _PARTS[: last + 1]
        self._out_features = [name for name in _PARTS if name in out_features]
        widths = dict(zip(_PARTS, (spec.stem[-1], *spec.out_channels), strict=True))
        self._out_feature_channels = {name: widths[name] for name in self._out_features}
        self._out_feature_strides = {name: _STRIDES[name] for name in self._out_features}
        self.freeze(freeze_at)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec) -> dict[str, Any]:
        """Constructor arguments from ``cfg.MODEL.VOVNET`` and ``cfg.MODEL.BACKBONE``."""
        vovnet = cfg.MODEL.VOVNET
        return {
            "body": vovnet.CONV_BODY,
            "input_channels": input_shape.channels,
            "norm": vovnet.NORM,
            "out_features": vovnet.OUT_FEATURES,
            "freeze_at": cfg.MODEL.BACKBONE.FREEZE_AT,
            "stage_with_dcn": vovnet.STAGE_WITH_DCN,
            "modulated_dcn": vovnet.WITH_MODULATED_DCN,
            "deformable_groups": vovnet.DEFORMABLE_GROUPS,
        }

    def freeze(self, freeze_at: int = 0) -> VoVNet:
        """Fixes the first ``freeze_at`` parts (stem, stage2, ...); their batch norms too."""
        for name in self._part_names[: max(freeze_at, 0)]:
            freeze(getattr(self, name))
        return self

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Feature maps of a normalised picture batch.

        Args:
            x: (N, input_channels, H, W) float.

        Returns:
            name -> (N, C, H', W') of the wanted features in network order, strides 4, 4, 8, 16, 32.
        """
        outputs = {}
        for name in self._part_names:
            x = getattr(self, name)(x)
            if name in self._out_features:
                outputs[name] = x
        return outputs


def _checked_spec(
    body: str, out_features: Sequence[str], stage_with_dcn: Sequence[bool]
) -> VoVNetSpec:
    """The body's spec, or a ConfigError that says what is wrong with the arguments."""
    if body not in BODIES:
        raise ConfigError(f"MODEL.VOVNET.CONV_BODY is {body!r}; known bodies: {', '.join(BODIES)}.")
    unknown = [name for name in out_features if name not in _PARTS]
    if unknown or not out_features:
        raise ConfigError(
            f"MODEL.VOVNET.OUT_FEATURES is {list(out_features)!r}; give one or more of "
            f"{', '.join(_PARTS)}."
        )
    if len(stage_with_dcn) != 4:
        raise ConfigError(
            f"MODEL.VOVNET.STAGE_WITH_DCN is {tuple(stage_with_dcn)!r}; give four booleans, for "
            "stage2 ... stage5."
        )
    if BODIES[body].depthwise and any(stage_with_dcn):
        raise ConfigError(
            f"MODEL.VOVNET.STAGE_WITH_DCN needs plain 3x3 layers but {body} has depthwise ones; "
            "set it to four times False or choose a body without 'dw'."
        )
    return BODIES[body]


@register(BACKBONE_REGISTRY)
def build_vovnet_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> VoVNet:
    """VoVNet-V2 as configured by ``cfg.MODEL.VOVNET``."""
    return VoVNet(cfg, input_shape)
