"""A training step of the product against the same step of a slow, obvious network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

Losses = dict[str, Tensor]


def gradients(network: nn.Module, losses: Losses) -> dict[str, Tensor]:
    """Gradients of the sum of the losses, by name of the parameter; nothing is left in them."""
    names, parameters = zip(*network.named_parameters(), strict=True)
    wanted = [parameter for parameter in parameters if parameter.requires_grad]
    found = iter(torch.autograd.grad(sum(losses.values()), wanted, allow_unused=True))
    all_of_them = (next(found) if p.requires_grad else None for p in parameters)
    return {n: g for n, g in zip(names, all_of_them, strict=True) if g is not None}


def largest_difference(ours: Losses, theirs: Losses) -> float:
    """Of tensors of the same names: relative to each tensor's norm, the largest.

    What is 0 but for rounding (a bias before a batch norm) is left out.
    """
    assert ours
    largest = max(float(value.norm()) for value in theirs.values())
    ratios = [
        float((value - theirs[name]).norm() / theirs[name].norm())
        for name, value in ours.items()
        if theirs[name].norm() > 1e-6 * largest
    ]
    assert len(ratios) > len(ours) / 2
    return max(ratios)


def detached(losses: Losses) -> Losses:
    """The losses as plain numbers."""
    return {name: loss.detach() for name, loss in losses.items()}
