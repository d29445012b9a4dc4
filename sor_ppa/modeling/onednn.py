"""Convolutions and linear layers by oneDNN on the CPU.

PyTorch gives linear layers, and small convolutions when it has one thread, to the BLAS it was built
with. That is usually MKL, which runs at half of the speed on CPUs that are not Intel's; oneDNN is
fast on all of them. Same numbers up to rounding.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor, nn


class OneDNNConv2d(nn.Conv2d):
    """``nn.Conv2d``, run by oneDNN whatever the number of threads."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if not _fits(input):
            return super()._conv_forward(input, weight, bias)
        padding: Any = self.padding  # numbers: see use_onednn
        return torch.mkldnn_convolution(
            input, weight, bias, padding, self.stride, self.dilation, self.groups
        )


class OneDNNLinear(nn.Linear):
    """``nn.Linear``, run by oneDNN."""

    def forward(self, input: Tensor) -> Tensor:
        """(..., D_in) -> (..., D_out)."""
        if not _fits(input):
            return super().forward(input)
        return _linear_op()(input, self.weight, self.bias, "none", [], "")


def use_onednn(model: nn.Module) -> None:
    """Lets oneDNN run the plain convolutions and linear layers of ``model``, in place.

    They stay what they are (``isinstance``, names, weights); on a GPU, in another precision than
    float32, with gradients or where PyTorch has no oneDNN they also run as before.
    """
    for module in model.modules():
        if type(module) is nn.Conv2d and module.padding_mode == "zeros":
            if not isinstance(module.padding, str):
                module.__class__ = OneDNNConv2d
        elif type(module) is nn.Linear and _linear_op() is not None:
            module.__class__ = OneDNNLinear


def _fits(x: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and not (x.requires_grad and torch.is_grad_enabled())
        and torch.backends.mkldnn.is_available()
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


@functools.cache
def _linear_op() -> Any:
    """PyTorch's own oneDNN linear layer, which torch.compile uses; None where there is none."""
    try:
        operator: Any = torch.ops.mkldnn._linear_pointwise
        one = torch.ones(1, 1)
        operator(one, one, None, "none", [], "")
    except (AttributeError, TypeError, RuntimeError):  # not built in, or another signature
        return None
    return operator
