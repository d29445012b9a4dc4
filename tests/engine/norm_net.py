"""A small network with batch norms, and two steps of it on a part of six pictures."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def make_net() -> nn.Module:
    """Norms with and without weights, with a running and with a plain mean, in float64."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 2, 1),
        nn.BatchNorm2d(2, affine=False, momentum=None),
        nn.Conv2d(2, 2, 1),
        nn.BatchNorm2d(2, track_running_stats=False),
    ).double()


def run_steps(net: nn.Module, part: slice, processes: int) -> dict[str, Any]:
    """Two steps of gradient descent; the mean over processes of the losses is that of all six."""
    generator = torch.Generator().manual_seed(1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(2):
        images = 3 + 2 * torch.randn(6, 3, 7, 6, generator=generator, dtype=torch.float64)
        target = torch.randn(6, 2, 5, 4, generator=generator, dtype=torch.float64)
        output = net(images[part])
        loss = (output - target[part]).abs().pow(3).sum() * processes / target.numel()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    inner = net.module if hasattr(net, "module") else net
    return {
        "output": output.detach(),
        "gradients": {name: p.grad.clone() for name, p in inner.named_parameters()},
        "state": {name: value.clone() for name, value in inner.state_dict().items()},
    }
