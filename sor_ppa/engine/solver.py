"""Optimisers and learning-rate schedules beyond detectron2's, on every detectron2."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.solver import build_lr_scheduler as _detectron2_lr_scheduler
from detectron2.solver import build_optimizer as _detectron2_optimizer
from detectron2.solver.build import get_default_optimizer_params, maybe_add_gradient_clipping
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import _LRScheduler

from sor_ppa.errors import ConfigError

logger = logging.getLogger(__name__)

_OPTIMIZERS: Mapping[str, type[Optimizer]] = {
    "SGD": torch.optim.SGD,
    "Adam": torch.optim.Adam,
    "AdamW": torch.optim.AdamW,
}


def build_optimizer(cfg: CfgNode, model: nn.Module) -> Optimizer:
    """The optimiser that SOLVER.OPTIMIZER names, with SOLVER.CLIP_GRADIENTS.

    Learning rates are SOLVER.BASE_LR, times SOLVER.BACKBONE_MULTIPLIER for parameters whose name
    contains "backbone", times BIAS_LR_FACTOR for biases. "SGD" with multiplier 1 is detectron2's
    own optimiser. Frozen parameters are left out.

    Raises:
        ConfigError: an unknown name, or a multiplier that is not positive.
    """
    solver = cfg.SOLVER
    if solver.OPTIMIZER not in _OPTIMIZERS:
        raise ConfigError(
            f"SOLVER.OPTIMIZER is {solver.OPTIMIZER!r}; expected {', '.join(_OPTIMIZERS)}."
        )
    if not solver.BACKBONE_MULTIPLIER > 0:
        raise ConfigError(
            f"SOLVER.BACKBONE_MULTIPLIER is {solver.BACKBONE_MULTIPLIER}: it must be above 0; "
            "MODEL.BACKBONE.FREEZE_AT freezes."
        )
    if solver.OPTIMIZER == "SGD" and solver.BACKBONE_MULTIPLIER == 1.0:
        return _detectron2_optimizer(cfg, model)
    settings: dict[str, Any] = {"lr": solver.BASE_LR, "weight_decay": solver.WEIGHT_DECAY}
    if solver.OPTIMIZER == "SGD":
        settings.update(momentum=solver.MOMENTUM, nesterov=solver.NESTEROV)
    optimizer = _OPTIMIZERS[solver.OPTIMIZER](parameter_groups(cfg, model), **settings)
    return maybe_add_gradient_clipping(cfg, optimizer)


def parameter_groups(cfg: CfgNode, model: nn.Module) -> list[dict[str, Any]]:
    """Trainable parameters in groups of equal settings, in order of first appearance.

    Returns:
        dicts with ``params``, ``lr`` and, where it differs, ``weight_decay``.
    """
    groups: dict[tuple[tuple[str, float], ...], list[nn.Parameter]] = {}
    backbone = {id(p) for name, p in model.named_parameters() if "backbone" in name}
    for parameter, settings in _default_settings(cfg, model):
        if id(parameter) in backbone:
            settings["lr"] *= cfg.SOLVER.BACKBONE_MULTIPLIER
        groups.setdefault(tuple(sorted(settings.items())), []).append(parameter)
    return [{"params": parameters, **dict(key)} for key, parameters in groups.items()]


def _default_settings(
    cfg: CfgNode, model: nn.Module
) -> Iterator[tuple[nn.Parameter, dict[str, float]]]:
    """detectron2's settings of every trainable parameter, one by one on every version."""
    solver = cfg.SOLVER
    for group in get_default_optimizer_params(
        model,
        base_lr=solver.BASE_LR,
        weight_decay=solver.WEIGHT_DECAY,
        weight_decay_norm=solver.WEIGHT_DECAY_NORM,
        bias_lr_factor=solver.BIAS_LR_FACTOR,
        weight_decay_bias=solver.WEIGHT_DECAY_BIAS,
    ):
        for parameter in group["params"]:
            yield parameter, {key: value for key, value in group.items() if key != "params"}


def build_lr_scheduler(cfg: CfgNode, optimizer: Optimizer) -> _LRScheduler:
    """The schedule that SOLVER.LR_SCHEDULER_NAME names: "WarmupPolyLR", or one of detectron2's.

    Raises:
        ConfigError: an unknown name.
    """
    solver = cfg.SOLVER
    if solver.LR_SCHEDULER_NAME == "WarmupPolyLR":
        return WarmupPolyLR(
            optimizer,
            max_iter=solver.MAX_ITER,
            warmup_iters=solver.WARMUP_ITERS,
            warmup_factor=solver.WARMUP_FACTOR,
            power=solver.POLY_LR_POWER,
            end=solver.POLY_LR_END,
        )
    try:
        return _detectron2_lr_scheduler(cfg, optimizer)
    except ValueError as error:
        if "Unknown LR scheduler" not in str(error):
            raise
        raise ConfigError(
            f"SOLVER.LR_SCHEDULER_NAME is {solver.LR_SCHEDULER_NAME!r}; expected WarmupPolyLR, "
            "WarmupMultiStepLR or WarmupCosineLR."
        ) from error


def warmup_poly_lr(
    rate: float,
    iteration: int,
    *,
    max_iter: int,
    warmup_iters: int,
    warmup_factor: float,
    power: float,
    end: float,
) -> float:
    """The learning rate of one iteration.

    poly(t) = (rate - end) (1 - t / T)^power + end; for t < W the smaller of poly(t) and
    rate (factor (1 - t / W) + t / W).

    Args:
        rate: base learning rate.
        iteration: t, from 0.
        max_iter: T; from there on the rate is ``end``.
        warmup_iters: W; 0 = without warm-up.
        warmup_factor: share of ``rate`` that the warm-up starts from.
        power: exponent of the decay.
        end: rate after the last iteration.
    """
    left = max(0.0, 1 - iteration / max_iter)
    poly = (rate - end) * left**power + end
    if iteration >= warmup_iters:
        return poly
    done = iteration / warmup_iters
    return min(poly, rate * (warmup_factor * (1 - done) + done))


class WarmupPolyLR(_LRScheduler):
    """:func:`warmup_poly_lr` for every group of an optimiser, each from its own base rate.

    Args:
        optimizer: its present rates are the base rates.
        settings: keyword arguments of :func:`warmup_poly_lr`.
    """

    def __init__(self, optimizer: Optimizer, **settings: Any) -> None:
        # Misspelt settings shall fail here, not in the first step.
        inspect.signature(warmup_poly_lr).bind(0.0, 0, **settings)
        self.settings = settings
        super().__init__(optimizer)

    def get_lr(self) -> list[Any]:
        """Rates of the groups at iteration ``last_epoch``."""
        rates: list[Any] = self.base_lrs
        return [warmup_poly_lr(rate, self.last_epoch, **self.settings) for rate in rates]

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs; the settings are the config's, so a longer T is obeyed."""
        return {"base_lrs": self.base_lrs, "last_epoch": self.last_epoch}


def with_epochs(cfg: CfgNode, images: int) -> CfgNode:
    """The config with SOLVER.MAX_ITER from SOLVER.EPOCHS; itself where EPOCHS is 0.

    Args:
        cfg: not changed; the result is frozen if it is.
        images: training pictures of all data sets together. What is left over of an epoch that
            does not fill a batch makes no iteration.

    Raises:
        ConfigError: EPOCHS is negative, or a batch holds more than all pictures.
    """
    epochs, batch = cfg.SOLVER.EPOCHS, cfg.SOLVER.IMS_PER_BATCH
    if epochs == 0:
        return cfg
    if epochs < 0:
        raise ConfigError(f"SOLVER.EPOCHS is {epochs}: it must not be negative.")
    if images < batch:
        raise ConfigError(
            f"SOLVER.EPOCHS needs an epoch of at least one batch, but {images} training pictures "
            f"are fewer than SOLVER.IMS_PER_BATCH {batch}: lower it, or set EPOCHS 0 and MAX_ITER."
        )
    frozen, cfg = cfg.is_frozen(), cfg.clone()
    cfg.defrost()
    cfg.SOLVER.MAX_ITER = epochs * (images // batch)
    logger.info(
        "%d epochs of %d iterations: SOLVER.MAX_ITER is %d.",
        *(epochs, images // batch, cfg.SOLVER.MAX_ITER),
    )
    if frozen:
        cfg.freeze()
    return cfg
