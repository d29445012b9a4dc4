"""Optimisers and learning-rate schedules beyond detectron2's, on every detectron2."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
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
# What the encoders of networks with published names are called: of pictures, of modalities.
_ENCODERS = ("encoder.", "t_net.")


def build_optimizer(cfg: CfgNode, model: nn.Module) -> Optimizer:
    """The optimiser that SOLVER.OPTIMIZER names, with SOLVER.CLIP_GRADIENTS.

    Learning rates are SOLVER.BASE_LR, times SOLVER.BACKBONE_MULTIPLIER for backbones and encoders
    (:func:`is_backbone`), times BIAS_LR_FACTOR for biases. "SGD" with multiplier 1 is detectron2's
    own optimiser. Frozen parameters are left out. Weight decay is WEIGHT_DECAY; of norms
    WEIGHT_DECAY_NORM, of biases WEIGHT_DECAY_BIAS (default: WEIGHT_DECAY).

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
    backbone = {id(p) for name, p in model.named_parameters() if is_backbone(name)}
    for parameter, settings in _default_settings(cfg, model):
        if id(parameter) in backbone:
            settings["lr"] *= cfg.SOLVER.BACKBONE_MULTIPLIER
        groups.setdefault(tuple(sorted(settings.items())), []).append(parameter)
    return [{"params": parameters, **dict(key)} for key, parameters in groups.items()]


def is_backbone(name: str) -> bool:
    """Whether a parameter of this name is learnt at SOLVER.BACKBONE_MULTIPLIER times the rate."""
    return "backbone" in name or name.startswith(_ENCODERS)


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
    """The schedule of SOLVER.LR_SCHEDULER_NAME: one of ours, or one of detectron2's.

    Ours are "WarmupPolyLR" (:func:`warmup_poly_lr`) and "LinearDecayLR"
    (:func:`linear_decay_lr`).

    Raises:
        ConfigError: an unknown name.
    """
    solver = cfg.SOLVER
    if solver.LR_SCHEDULER_NAME in _SCHEDULES:
        schedule, keys = _SCHEDULES[solver.LR_SCHEDULER_NAME]
        settings = {name: solver[key] for name, key in keys.items()}
        return FormulaLR(optimizer, schedule, **settings)
    try:
        return _detectron2_lr_scheduler(cfg, optimizer)
    except ValueError as error:
        if "Unknown LR scheduler" not in str(error):
            raise
        raise ConfigError(
            f"SOLVER.LR_SCHEDULER_NAME is {solver.LR_SCHEDULER_NAME!r}; expected "
            f"{', '.join(_SCHEDULES)}, WarmupMultiStepLR or WarmupCosineLR."
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


def linear_decay_lr(rate: float, iteration: int, *, max_iter: int, end: float) -> float:
    """The learning rate of one iteration: rate (end + (1 - end) (1 - (t + 1) / T)).

    Zhou et al., CVPR 2023: from just below the base rate straight to ``end`` times it, which the
    last iteration has.

    Args:
        rate: base learning rate.
        iteration: t, from 0.
        max_iter: T; from there on the rate stays.
        end: share of ``rate``.
    """
    left = max(0.0, 1 - (iteration + 1) / max_iter)
    return rate * (end + (1 - end) * left)


# Schedules by name: the formula, and the keys of SOLVER that its arguments come from.
_SCHEDULES: Mapping[str, tuple[Callable[..., float], Mapping[str, str]]] = {
    "WarmupPolyLR": (
        warmup_poly_lr,
        {
            "max_iter": "MAX_ITER",
            "warmup_iters": "WARMUP_ITERS",
            "warmup_factor": "WARMUP_FACTOR",
            "power": "POLY_LR_POWER",
            "end": "POLY_LR_END",
        },
    ),
    "LinearDecayLR": (linear_decay_lr, {"max_iter": "MAX_ITER", "end": "LINEAR_LR_END"}),
}


class FormulaLR(_LRScheduler):
    """A formula of rate and iteration for every group of an optimiser, from its own base rate.

    Args:
        optimizer: its present rates are the base rates.
        formula: (base rate, iteration, **settings) -> rate.
        settings: keyword arguments of the formula.
    """

    def __init__(
        self, optimizer: Optimizer, formula: Callable[..., float], **settings: Any
    ) -> None:
        # Misspelt settings shall fail here, not in the first step.
        inspect.signature(formula).bind(0.0, 0, **settings)
        self.formula = formula
        self.settings = settings
        super().__init__(optimizer)

    def get_lr(self) -> list[Any]:
        """Rates of the groups at iteration ``last_epoch``."""
        rates: list[Any] = self.base_lrs
        return [self.formula(rate, self.last_epoch, **self.settings) for rate in rates]

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
