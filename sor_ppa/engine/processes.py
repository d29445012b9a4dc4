"""What makes several processes train like one: averaged gradients, shared batch statistics."""

from __future__ import annotations

import logging
from typing import Any

import torch
import torch.distributed as dist
from detectron2.utils import comm
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

logger = logging.getLogger(__name__)


def wrap_for_processes(model: nn.Module, *, sync_bn: bool = True) -> nn.Module:
    """DistributedDataParallel when there are several processes, on CPU and GPU alike.

    Args:
        model: the same on every process; its batch norms are replaced in place.
        sync_bn: batch norms take mean and variance over the batches of all processes, so that two
            processes with half a batch each train like one. False: each process its own, and the
            running statistics are those of the first process (faster, and another training).

    Returns:
        the wrapped model; ``model`` itself if there is one process only.
    """
    if comm.get_world_size() == 1:
        return model
    if sync_bn and has_batch_norms(model):
        share_statistics(model)
        logger.info("Batch norms share their statistics among %d processes.", comm.get_world_size())
    on_gpu = next(model.parameters()).is_cuda
    # It hands the first process's buffers to all before each pass, unless told otherwise.
    return DistributedDataParallel(
        model,
        device_ids=[comm.get_local_rank()] if on_gpu else None,
        # What such a network leaves out of an epoch gets no gradient; looking for it costs time.
        find_unused_parameters=hasattr(model, "set_epoch"),
    )


def unwrapped(model: nn.Module) -> nn.Module:
    """The network inside what :func:`wrap_for_processes` made of it."""
    return model.module if isinstance(model, DistributedDataParallel) else model


def has_batch_norms(model: nn.Module) -> bool:
    """Whether a batch norm of the model is in training mode (frozen ones are of another class)."""
    return any(isinstance(module, _BatchNorm) and module.training for module in model.modules())


def share_statistics(model: nn.Module) -> None:
    """Replaces batch norms inside a model by ones that work on the batches of all processes.

    Parameters, buffers and their names stay. On GPUs the norms become PyTorch's.
    """
    if next(model.parameters()).is_cuda:
        nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return
    for module in model.modules():
        if type(module) in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
            module.__class__ = SharedBatchNorm


def share_buffers(model: nn.Module) -> None:
    """Gives every process the buffers (running statistics) of the first."""
    if comm.get_world_size() > 1:
        for buffer in model.buffers():
            dist.broadcast(buffer, 0)


class SharedBatchNorm(nn.BatchNorm2d):
    """What PyTorch's SyncBatchNorm, which refuses the CPU, is on GPUs; for any number of axes."""

    def _check_input_dim(self, input: Tensor) -> None:
        pass

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) -> the same shape and type; processes may have different N."""
        if not self.training or comm.get_world_size() == 1:
            return super().forward(input)
        x = input.to(torch.promote_types(input.dtype, torch.float32))
        mean, var, count = _statistics(x)
        self._track(mean.detach(), var.detach(), count)
        scale = torch.rsqrt(var + self.eps)  # (C,)
        if self.weight is not None:
            scale = scale * self.weight
        shift = -mean * scale if self.bias is None else self.bias - mean * scale
        shape = (1, -1) + (1,) * (x.dim() - 2)
        return torch.addcmul(shift.view(shape), x, scale.view(shape)).to(input.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, var: Tensor, count: Tensor) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None  # comes and goes with the running mean
        self.num_batches_tracked.add_(1)
        factor = self.momentum
        if factor is None:  # a plain mean of all batches
            factor = 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), factor)
        unbiased = var * (count / (count - 1).clamp(min=1))
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), factor)


def _statistics(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (C,), biased variance (C,) and count (1,) over all processes' (N, C, ...).

    Each process's squares are taken about its own mean (Chan et al., 1979): the difference of a
    mean of squares and a square of a mean would lose digits.
    """
    axes = [axis for axis in range(x.dim()) if axis != 1]
    own_var, own_mean = torch.var_mean(x, axes, correction=0)
    own_count = x.new_tensor([x.numel() / x.shape[1]])
    sums = _SumOverProcesses.apply(torch.cat([own_count, own_count * own_mean]))
    count = sums[:1].detach()
    mean = sums[1:] / count
    squares = own_count * (own_var + (own_mean - mean).square())
    return mean, _SumOverProcesses.apply(squares) / count, count


class _SumOverProcesses(torch.autograd.Function):
    """Sum of a tensor over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total
