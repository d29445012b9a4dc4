"""Counts that several processes agree on, so that losses do not depend on how many there are."""

from __future__ import annotations

import torch
import torch.distributed as dist
from detectron2.utils import comm
from torch import Tensor


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of a number over all processes (the number itself with one process).

    With each process's sum of losses divided by the mean count, the mean over processes (which
    is what gradient averaging takes) is the loss of the whole batch.

    Args:
        value: any shape; the same shape on every process.

    Returns:
        the same shape, without gradient.
    """
    value = value.detach().to(torch.float32)
    if comm.get_world_size() == 1:
        return value
    value = value.clone()
    dist.all_reduce(value)
    return value / comm.get_world_size()


def shared_count(count: Tensor, minimum: float = 1.0) -> Tensor:
    """Mean count over processes, at least ``minimum / world size``: a divisor for a sum of losses.

    The floor applies to the whole batch: with no object anywhere the divisor is still positive.
    """
    return mean_over_processes(count).clamp(min=minimum / comm.get_world_size())
