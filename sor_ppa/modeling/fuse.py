"""A copy of a network made for fast inference: norms folded into convolutions, channels last.

The numbers stay within float32 rounding (1e-5 of a map's maximum on a picture). A
fused copy has other parameter names and shapes than its source: never save it as a checkpoint,
and never train it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from detectron2.layers import FrozenBatchNorm2d
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.models.resnet import Bottleneck
from torchvision.ops import DeformConv2d

from sor_ppa.modeling.backbone.res2net import Bottle2neck, Res2Net50
from sor_ppa.modeling.backbone.resnet import ResNet50Maps
from sor_ppa.modeling.onednn import use_onednn

_FOLDABLE_CONVS = (nn.Conv2d, DeformConv2d)


def fuse_for_inference(model: nn.Module, *, channels_last: bool = True) -> nn.Module:
    """Deep copy of ``model`` in eval mode with its fixed norms folded into the convolutions.

    A norm is folded when it follows its convolution directly in an ``nn.Sequential``, is the
    ``norm`` of a detectron2 ``Conv2d``, or a pair of a Res2Net or ResNet-50. All others
    (GroupNorm, LayerNorm, ...) stay as they are. On the CPU oneDNN runs what is left.

    Args:
        model: any network; it is not changed.
        channels_last: also store 4-dimensional weights channels last (faster on CPU).

    Returns:
        The copy, without gradients.
    """
    fused = copy.deepcopy(model).eval().requires_grad_(False)
    for container, conv_name, norm_name in list(_sequential_pairs(fused)):
        _fold(getattr(container, conv_name), getattr(container, norm_name))
        setattr(container, norm_name, nn.Identity())
    for module in fused.modules():
        if isinstance(module, nn.Conv2d) and _is_fixed_norm(getattr(module, "norm", None)):
            _fold(module, module.norm)
            module.register_module("norm", None)
    for conv_path, norm_path in list(_named_pairs(fused)):
        norm = fused.get_submodule(norm_path)
        if _is_fixed_norm(norm):
            _fold(fused.get_submodule(conv_path), norm)
            fused.set_submodule(norm_path, nn.Identity())
    use_onednn(fused)
    if not channels_last:
        return fused
    if hasattr(fused, "channels_last"):
        setattr(fused, "channels_last", True)  # noqa: B010 - no module for the type checker
    return fused.to(memory_format=torch.channels_last)


# Networks whose forward applies a norm, held as another child, right behind a convolution.
_NAMED_PAIRS: dict[type[nn.Module], tuple[tuple[str, str], ...]] = {
    Bottle2neck: (
        ("conv1", "bn1"),
        *((f"convs.{i}", f"bns.{i}") for i in range(3)),
        ("conv3", "bn3"),
    ),
    Res2Net50: (("conv1.6", "bn1"),),
    Bottleneck: (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3")),
    ResNet50Maps: (("conv1", "bn1"),),
}


def _named_pairs(model: nn.Module) -> Iterator[tuple[str, str]]:
    """Paths of the convolution and the norm of every pair that is known by its names."""
    for path, module in model.named_modules():
        for pair in _NAMED_PAIRS.get(type(module), ()):
            conv, norm = (f"{path}.{name}".lstrip(".") for name in pair)
            yield conv, norm


def _sequential_pairs(model: nn.Module) -> Iterator[tuple[nn.Sequential, str, str]]:
    """(container, convolution's name, norm's name) for every foldable pair."""
    for container in model.modules():
        if not isinstance(container, nn.Sequential):
            continue
        for (conv_name, conv), (norm_name, norm) in pairwise(container.named_children()):
            if _is_bare_conv(conv) and _is_fixed_norm(norm):
                yield container, conv_name, norm_name


def _is_bare_conv(module: nn.Module) -> bool:
    """Whether nothing stands between the module's convolution and what follows it."""
    own_parts = (getattr(module, "norm", None), getattr(module, "activation", None))
    return isinstance(module, _FOLDABLE_CONVS) and own_parts == (None, None)


def _is_fixed_norm(module: nn.Module | None) -> bool:
    """Whether the module is, in eval mode, a fixed factor and shift of every channel."""
    if isinstance(module, _BatchNorm):
        return module.affine and module.track_running_stats
    return isinstance(module, FrozenBatchNorm2d)


@torch.no_grad()
def _fold(conv: Any, norm: Any) -> None:
    """Makes ``conv`` compute norm(conv(x)); in float64, so that it costs one rounding only.

    Both are duck-typed: ``weight`` and ``bias``; the norm also ``running_*`` and ``eps``.
    """
    factor = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()  # (C_out,)
    shift = norm.bias.double() - norm.running_mean.double() * factor
    if conv.bias is not None:
        shift = shift + conv.bias.double() * factor
    weight = conv.weight.double() * factor[:, None, None, None]
    conv.weight = nn.Parameter(weight.to(conv.weight.dtype), requires_grad=False)
    conv.bias = nn.Parameter(shift.to(conv.weight.dtype), requires_grad=False)
