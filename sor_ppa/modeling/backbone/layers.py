"""Convolution units whose module names are the published checkpoint's: ``<unit>/conv`` and so on.

The published key names hold slashes (``stem.stem_1/conv.weight``), so the parts of a unit are
registered by name in an ordered container instead of being attributes.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from detectron2.layers import FrozenBatchNorm2d, get_norm
from torch import nn
from torchvision.ops import DeformConv2d


def conv_unit(
    name: str,
    in_channels: int,
    out_channels: int,
    *,
    kernel_size: int = 3,
    stride: int = 1,
    norm: str = "FrozenBN",
) -> OrderedDict[str, nn.Module]:
    """Convolution without bias, norm and ReLU, named ``<name>/conv``, ``/norm`` and ``/relu``.

    (N, C_in, H, W) -> (N, C_out, ceil(H / stride), ceil(W / stride)).
    """
    conv = nn.Conv2d(
        in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False
    )
    parts: OrderedDict[str, nn.Module] = OrderedDict({f"{name}/conv": conv})
    return _with_norm_and_relu(parts, f"{name}/norm", f"{name}/relu", out_channels, norm)


def depthwise_unit(
    name: str, in_channels: int, out_channels: int, *, stride: int = 1, norm: str = "FrozenBN"
) -> OrderedDict[str, nn.Module]:
    """Depthwise 3x3 (which takes the stride), pointwise 1x1, then one norm and one ReLU.

    (N, C_in, H, W) -> (N, C_out, ceil(H / stride), ceil(W / stride)); nothing stands between the
    two convolutions and neither has a bias.
    """
    depthwise = nn.Conv2d(
        in_channels, in_channels, 3, stride, padding=1, groups=in_channels, bias=False
    )
    pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        {f"{name}/dw_conv3x3": depthwise, f"{name}/pw_conv1x1": pointwise}
    )
    return _with_norm_and_relu(parts, f"{name}/pw_norm", f"{name}/pw_relu", out_channels, norm)


def _with_norm_and_relu(
    parts: OrderedDict[str, nn.Module],
    norm_name: str,
    relu_name: str,
    channels: int,
    norm: str,
) -> OrderedDict[str, nn.Module]:
    """``parts`` with norm (left out when ``norm`` is "") and ReLU appended."""
    norm_layer = get_norm(norm, channels)
    if norm_layer is not None:
        parts[norm_name] = norm_layer
    parts[relu_name] = nn.ReLU(inplace=True)
    return parts


class DeformableUnit(nn.Sequential):
    """Deformable 3x3 convolution, norm and ReLU (Dai et al. 2017; modulated: Zhu et al. 2019).

    A plain convolution predicts the offsets, 18 channels a group (y, x for each of the 9 taps in
    turn), and when modulated 9 more a group, the taps' factors before the sigmoid. It starts at
    zero: the plain kind then equals an ordinary convolution, the modulated kind half of one.
    Shapes as :func:`conv_unit` with stride 1.

    Args:
        name: prefix of the parts: ``<name>/conv_offset``, ``/conv``, ``/norm``, ``/relu``.
        in_channels: channels of the input.
        out_channels: channels of the output.
        modulated: learn a factor for every tap.
        groups: offset groups; ``in_channels`` must be a multiple.
        norm: name of the norm for detectron2's ``get_norm``.
    """

    def __init__(
        self,
        name: str,
        in_channels: int,
        out_channels: int,
        *,
        modulated: bool = False,
        groups: int = 1,
        norm: str = "FrozenBN",
    ) -> None:
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        offset_channels = (27 if modulated else 18) * groups
        offset = nn.Conv2d(in_channels, offset_channels, 3, padding=1)
        for parameter in offset.parameters():
            nn.init.zeros_(parameter)
        parts[f"{name}/conv_offset"] = offset
        parts[f"{name}/conv"] = DeformConv2d(in_channels, out_channels, 3, padding=1, bias=False)
        _with_norm_and_relu(parts, f"{name}/norm", f"{name}/relu", out_channels, norm)
        super().__init__(parts)
        self.modulated = modulated

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C_in, H, W) -> (N, C_out, H, W)."""
        predict, deform, *rest = self
        offset = predict(x)
        mask = None
        if self.modulated:
            taps = offset.shape[1] // 3
            offset, mask = offset[:, : 2 * taps], offset[:, 2 * taps :].sigmoid()
        x = deform(x, offset, mask)
        for part in rest:
            x = part(x)
        return x


class EffectiveSqueezeExcitation(nn.Module):
    """eSE channel attention (Lee and Park, CenterMask, CVPR 2020, eq. 4).

    x times relu6(fc(mean(x)) + 3) / 6 per channel; one linear map without reduction.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        weights = self.fc(x.mean((2, 3), keepdim=True))  # (N, C, 1, 1)
        return x * (nn.functional.relu6(weights + 3.0) / 6.0)


def freeze(module: nn.Module) -> nn.Module:
    """``module`` with all parameters fixed and batch norms turned into FrozenBN.

    Returns the module itself, or its FrozenBN replacement when it is a batch norm.
    """
    for parameter in module.parameters():
        parameter.requires_grad = False
    return FrozenBatchNorm2d.convert_frozen_batchnorm(module)
