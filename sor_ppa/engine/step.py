"""One training step: load, forward, backward, check, update."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.engine import SimpleTrainer
from detectron2.utils import comm
from detectron2.utils.events import get_event_storage
from torch import Tensor, nn
from torch.optim import Optimizer

from sor_ppa.engine.loaders import TrainLoader
from sor_ppa.engine.randomness import STEP, seed_everything
from sor_ppa.errors import ConfigError, SaliencyError

logger = logging.getLogger(__name__)

# Mixed precision: updates in a row that may be skipped for NaN or infinite gradients.
_MAX_SKIPPED = 20
_PRECISIONS = {"fp16": torch.float16, "bf16": torch.bfloat16}


class NonFiniteError(SaliencyError, FloatingPointError):
    """The loss, or the gradients of many steps in a row, became NaN or infinite."""


class TrainStep(SimpleTrainer):
    """detectron2's SimpleTrainer with seeded steps, mixed precision on any device, and checks.

    Args:
        model: list of model inputs -> dict of scalar losses.
        loader: endless batches.
        optimizer: of the model's parameters.
        seed: seed of the run.
        precision: compute type under autocast; None for float32 throughout. float16 on a GPU
            scales the loss.
    """

    iter: int

    def __init__(
        self,
        model: nn.Module,
        loader: TrainLoader,
        optimizer: Optimizer,
        *,
        seed: int,
        precision: torch.dtype | None = None,
    ) -> None:
        super().__init__(model, loader, optimizer)
        self.seed = seed
        self.precision = precision
        self.device_type = next(model.parameters()).device.type
        scaled = precision == torch.float16 and self.device_type == "cuda"
        self.grad_scaler = torch.amp.GradScaler("cuda") if scaled else None
        # Number of the signal that asked for an end: here, and on any process.
        self.stop_requested = 0
        self.stop_agreed = 0
        self._skipped = 0

    def run_step(self) -> None:
        """Iteration ``self.iter``: everything random in it follows from (seed, iter, process)."""
        start = time.perf_counter()
        batch = next(self._data_loader_iter)
        data_time = time.perf_counter() - start
        seed_everything(self.seed, STEP, self.iter, comm.get_rank())
        with self._autocast():
            losses = self.model(batch)
            total = sum(losses.values())
        self.optimizer.zero_grad()
        (self.grad_scaler.scale(total) if self.grad_scaler else total).backward()
        self._share(losses, data_time, batch)
        self._update()

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self.precision is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device_type, dtype=self.precision)

    def _share(
        self, losses: Mapping[str, Tensor], data_time: float, batch: Sequence[dict[str, Any]]
    ) -> None:
        """Tells all processes this one's losses, and whether it was asked to stop.

        Raises:
            NonFiniteError: on every process, if a loss of any is not finite.
        """
        values = torch.stack([loss.detach().float() for loss in losses.values()]).tolist()
        report = {
            "losses": dict(zip(losses, values)),
            "data_time": data_time,
            "images": [_name(sample) for sample in batch],
            "stop": self.stop_requested,
        }
        reports = comm.all_gather(report)
        self.stop_agreed = max(report["stop"] for report in reports)
        bad = [r for r in reports if not all(map(math.isfinite, r["losses"].values()))]
        if bad:
            raise NonFiniteError(
                f"The loss is not finite at iteration {self.iter}: "
                + "; ".join(f"{r['losses']} for the images {r['images']}" for r in bad)
                + ". Look at these images, or lower SOLVER.BASE_LR."
            )
        if comm.is_main_process():
            _log_scalars(reports)

    def _update(self) -> None:
        if self._step_was_taken():
            self._skipped = 0
            return
        self._skipped += 1
        if self._skipped >= _MAX_SKIPPED:
            raise NonFiniteError(
                f"The gradients were not finite in {self._skipped} iterations in a row, up to "
                f"iteration {self.iter}. Lower SOLVER.BASE_LR, or set SOLVER.AMP.ENABLED False."
            )

    def _step_was_taken(self) -> bool:
        """Updates the weights; in mixed precision not if a gradient is NaN or infinite."""
        if self.grad_scaler:
            before = self.grad_scaler.get_scale()
            self.grad_scaler.step(self.optimizer)
            self.grad_scaler.update()
            return self.grad_scaler.get_scale() >= before
        if self.precision is not None and not _gradients_are_finite(self.optimizer):
            return False
        self.optimizer.step()
        return True

    def state_dict(self) -> dict[str, Any]:
        """Iteration, optimiser, gradient scaler."""
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        return {"iteration": self.iter, **parts}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restores what is there; what is not is left fresh, with one warning."""
        self.iter = state_dict.get("iteration", self.iter)
        missing = [name for name in self._parts() if name not in state_dict]
        for name, part in self._parts().items():
            if name in state_dict:
                part.load_state_dict(state_dict[name])
        if missing:
            logger.warning(
                "The checkpoint has no state of the %s (detectron2 0.5 and 0.6 write none): it "
                "starts afresh, so this run does not continue the old one exactly.",
                " and ".join(missing),
            )

    def _parts(self) -> dict[str, Any]:
        scaler = {"grad_scaler": self.grad_scaler} if self.grad_scaler else {}
        return {"optimizer": self.optimizer, **scaler}


def resolve_precision(cfg: CfgNode) -> torch.dtype | None:
    """The compute type that SOLVER.AMP asks for on this device; None for float32.

    "auto" is float16 on a GPU (as in detectron2) and bfloat16 elsewhere.

    Raises:
        ConfigError: an unknown name, or float16 on the CPU, which cannot train with it.
    """
    if not cfg.SOLVER.AMP.ENABLED:
        return None
    on_gpu = cfg.MODEL.DEVICE.startswith("cuda")
    name = cfg.SOLVER.AMP.PRECISION
    if name == "auto":
        name = "fp16" if on_gpu else "bf16"
    if name not in _PRECISIONS or (name == "fp16" and not on_gpu):
        raise ConfigError(
            f"SOLVER.AMP.PRECISION is {cfg.SOLVER.AMP.PRECISION!r} on {cfg.MODEL.DEVICE!r}; "
            "expected auto, bf16, or (on a GPU) fp16."
        )
    return _PRECISIONS[name]


def _gradients_are_finite(optimizer: Optimizer) -> bool:
    gradients = [p.grad for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
    if not gradients:
        return True
    norms = torch._foreach_norm(gradients)
    return bool(torch.isfinite(torch.stack(norms)).all())


def _log_scalars(reports: Sequence[Mapping[str, Any]]) -> None:
    storage = get_event_storage()
    # The slowest loader is what the step waited for.
    storage.put_scalar("data_time", max(report["data_time"] for report in reports))
    names = reports[0]["losses"]
    means = {n: float(np.mean([report["losses"][n] for report in reports])) for n in names}
    storage.put_scalar("total_loss", sum(means.values()))
    if len(means) > 1:
        storage.put_scalars(**means)


def _name(sample: Mapping[str, Any]) -> Any:
    return sample.get("image_id", sample.get("file_name", "?"))
