"""How fresh layers start, beyond what fvcore.nn.weight_init offers."""

from __future__ import annotations

from torch import nn


def normal_init(layer: nn.Conv2d | nn.Linear, std: float, bias: float = 0.0) -> None:
    """Weights from N(0, std), every bias ``bias``."""
    nn.init.normal_(layer.weight, std=std)
    _set_bias(layer, bias)


def kaiming_init(layer: nn.Conv2d | nn.Linear) -> None:
    """Kaiming-normal weights (fan out, for ReLU; He et al., ICCV 2015), biases zero."""
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    _set_bias(layer, 0.0)


def _set_bias(layer: nn.Conv2d | nn.Linear, value: float) -> None:
    if layer.bias is not None:
        nn.init.constant_(layer.bias, value)
