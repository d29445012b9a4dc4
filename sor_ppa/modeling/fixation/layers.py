"""Initialisation of what is learnt from scratch."""

from __future__ import annotations

from torch import nn


def glorot_init(module: nn.Module) -> None:
    """Glorot's uniform kernels and zero biases in all convolutions, as TensorFlow starts them."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
