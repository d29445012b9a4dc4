"""Convolution units whose parts are named ``conv`` and ``bn``, as in the published checkpoints."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


def conv_norm(
    in_channels: int,
    out_channels: int,
    kernel_size: int | tuple[int, int] = 1,
    *,
    dilation: int = 1,
    relu: bool = False,
) -> nn.Sequential:
    """Convolution without bias, batch norm and, if wanted, ReLU.

    (N, in_channels, H, W) -> (N, out_channels, H, W).

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel_size: odd; (height, width) where they differ.
        dilation: of the kernel; the padding keeps the size.
        relu: whether a ReLU follows the norm.
    """
    size_hw = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
    padding = (dilation * (size_hw[0] // 2), dilation * (size_hw[1] // 2))
    conv = nn.Conv2d(
        in_channels, out_channels, size_hw, padding=padding, dilation=dilation, bias=False
    )
    parts: OrderedDict[str, nn.Module] = OrderedDict(conv=conv, bn=nn.BatchNorm2d(out_channels))
    if relu:
        parts["relu"] = nn.ReLU(inplace=True)
    return nn.Sequential(parts)


def kaiming_init(module: nn.Module) -> None:
    """Kaiming-normal weights (fan in) in every convolution below ``module``, as published."""
    for child in module.modules():
        if isinstance(child, nn.Conv2d):
            nn.init.kaiming_normal_(child.weight)
            if child.bias is not None:
                nn.init.zeros_(child.bias)
