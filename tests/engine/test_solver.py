"""Optimisers, learning rates by group, the warm-up and poly schedule, epochs."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from detectron2.config import CfgNode
from detectron2.solver import build_optimizer as detectron2_optimizer
from torch import nn

from sor_ppa.config import get_cfg
from sor_ppa.engine.solver import (
    FormulaLR,
    build_lr_scheduler,
    build_optimizer,
    is_backbone,
    linear_decay_lr,
    parameter_groups,
    warmup_poly_lr,
    with_epochs,
)
from sor_ppa.errors import ConfigError

# As published: lr0 1e-4, 60 epochs of 10,553 // 6 iterations.
PUBLISHED = {
    "max_iter": 60 * 1758,
    "warmup_iters": 12000,
    "warmup_factor": 0.1,
    "power": 0.9,
    "end": 1e-7,
}


class Net(nn.Module):
    """A backbone and a head, with norms, biases, a tied and a frozen weight."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1))
        self.backbone[2].weight.requires_grad_(False)
        self.head = nn.Linear(2, 1)
        self.tied = self.head


def make_cfg(*changes: object) -> CfgNode:
    cfg = get_cfg()
    cfg.merge_from_list(list(changes))
    return cfg


# ---- schedule


@pytest.mark.parametrize(
    ("iteration", "wanted"),
    [
        (0, 1e-5),  # 0.1 of the base rate
        (6000, 5.5e-5),
        # Shortly before the end of the warm-up the decay is the lower one.
        (11999, (1e-4 - 1e-7) * (1 - 11999 / 105480) ** 0.9 + 1e-7),
        (12000, (1e-4 - 1e-7) * (1 - 12000 / 105480) ** 0.9 + 1e-7),
        (52740, (1e-4 - 1e-7) * 0.5**0.9 + 1e-7),
        (105479, (1e-4 - 1e-7) * (1 / 105480) ** 0.9 + 1e-7),
        (105480, 1e-7),
        (105481, 1e-7),
    ],
)
def test_published_schedule(iteration: int, wanted: float) -> None:
    found = warmup_poly_lr(1e-4, iteration, **PUBLISHED)
    assert found == pytest.approx(wanted, rel=1e-9)


def test_the_smaller_of_warm_up_and_decay_is_taken() -> None:
    """Where the two cross the rate has its maximum; it stays below both everywhere."""
    rates = [warmup_poly_lr(1e-4, t, **PUBLISHED) for t in range(12001)]
    top = rates.index(max(rates))
    assert 10500 < top < 11500
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


@pytest.mark.parametrize(
    ("settings", "iteration", "wanted"),
    [
        ({"warmup_iters": 0}, 0, 1.0),
        ({"warmup_iters": 0, "power": 1.0, "end": 0.0}, 50, 0.5),
        ({"warmup_iters": 10, "warmup_factor": 0.0}, 0, 0.0),
        ({"warmup_iters": 10, "warmup_factor": 1.0, "power": 0.0}, 3, 1.0),
        ({"warmup_iters": 1000, "power": 1.0, "end": 0.0}, 90, 0.1),  # longer than the run
        ({"warmup_iters": 0, "max_iter": 1}, 1, 0.25),
    ],
)
def test_odd_settings(settings: dict[str, float], iteration: int, wanted: float) -> None:
    usual = {"max_iter": 100, "warmup_iters": 10, "warmup_factor": 0.1, "power": 0.9, "end": 0.25}
    assert warmup_poly_lr(1.0, iteration, **{**usual, **settings}) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("iteration", "length", "end", "wanted"),
    [
        (0, 1, 0.2, 0.2),  # the only iteration is the last one
        (0, 4, 0.2, 0.8),
        (1, 4, 0.2, 0.6),
        (3, 4, 0.2, 0.2),
        (4, 4, 0.2, 0.2),
        (99, 4, 0.2, 0.2),
        (1, 4, 1.0, 1.0),
        (3, 4, 0.0, 0.0),
    ],
)
def test_linear_decay(iteration: int, length: int, end: float, wanted: float) -> None:
    found = linear_decay_lr(0.5, iteration, max_iter=length, end=end)
    assert found == pytest.approx(0.5 * wanted, abs=1e-15)


@pytest.mark.parametrize(("epoch", "step"), [(1, 1), (1, 100), (10, 50), (20, 100)])
def test_linear_decay_is_the_published_one(epoch: int, step: int) -> None:
    """Written with epochs of N steps, both counted from 1."""
    epochs, steps = 20, 100
    factor = 0.2 + 0.8 * (1 - (step + (epoch - 1) * steps) / (epochs * steps))
    iteration = (epoch - 1) * steps + step - 1
    found = linear_decay_lr(0.1, iteration, max_iter=epochs * steps, end=0.2)
    assert found == pytest.approx(0.1 * factor, rel=1e-14)


def test_every_group_has_its_own_rate() -> None:
    weights = [nn.Parameter(torch.ones(1)) for _ in range(2)]
    groups = [{"params": [weights[0]], "lr": 1e-5}, {"params": [weights[1]], "lr": 1e-4}]
    optimizer = torch.optim.Adam(groups)
    settings = {**PUBLISHED, "max_iter": 20, "warmup_iters": 5}
    scheduler = FormulaLR(optimizer, warmup_poly_lr, **settings)
    for iteration in range(22):
        for group, rate in zip(optimizer.param_groups, (1e-5, 1e-4), strict=True):
            assert group["lr"] == warmup_poly_lr(rate, iteration, **settings)
        optimizer.step()
        scheduler.step()


def test_a_resumed_schedule_goes_on_and_obeys_the_new_length() -> None:
    def fresh(length: int) -> FormulaLR:
        optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1)
        settings = {**PUBLISHED, "max_iter": length, "warmup_iters": 3}
        return FormulaLR(optimizer, warmup_poly_lr, **settings)

    first = fresh(20)
    for _ in range(7):
        first.optimizer.step()
        first.step()
    state = first.state_dict()
    assert set(state) == {"base_lrs", "last_epoch"}
    resumed, longer = fresh(20), fresh(40)
    for scheduler in (resumed, longer):
        scheduler.load_state_dict(copy.deepcopy(state))
        scheduler.optimizer.step()
        scheduler.step()
    first.optimizer.step()
    first.step()
    assert resumed.get_last_lr() == first.get_last_lr()
    assert longer.get_last_lr()[0] > first.get_last_lr()[0]


def test_misspelt_settings_fail_at_once() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1)
    with pytest.raises(TypeError, match="powr"):
        FormulaLR(optimizer, warmup_poly_lr, **{**PUBLISHED, "powr": 1})


def test_schedule_of_a_config() -> None:
    cfg = make_cfg(
        "SOLVER.LR_SCHEDULER_NAME", "WarmupPolyLR", "SOLVER.MAX_ITER", 50,
        "SOLVER.WARMUP_ITERS", 10, "SOLVER.WARMUP_FACTOR", 0.5, "SOLVER.BASE_LR", 0.2,
        "SOLVER.POLY_LR_POWER", 2.0, "SOLVER.POLY_LR_END", 0.1,
    )  # fmt: skip
    optimizer = build_optimizer(cfg, Net())
    scheduler = build_lr_scheduler(cfg, optimizer)
    rates = []
    for _ in range(50):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    assert rates[0] == pytest.approx(0.1)  # half of the base rate
    assert rates[25] == pytest.approx(0.1 * 0.25 + 0.1)


def test_linear_decay_of_a_config() -> None:
    """Each group from its own base rate; T is MAX_ITER."""
    cfg = make_cfg(
        "SOLVER.LR_SCHEDULER_NAME", "LinearDecayLR", "SOLVER.MAX_ITER", 4, "SOLVER.BASE_LR", 1.0,
        "SOLVER.LINEAR_LR_END", 0.5, "SOLVER.BACKBONE_MULTIPLIER", 0.01,
    )  # fmt: skip
    optimizer = build_optimizer(cfg, Net())
    scheduler = build_lr_scheduler(cfg, optimizer)
    rates = []
    for _ in range(4):
        rates.append(sorted(set(scheduler.get_last_lr())))
        optimizer.step()
        scheduler.step()
    wanted = [0.875, 0.75, 0.625, 0.5]
    assert rates == [[pytest.approx(0.01 * f), pytest.approx(f)] for f in wanted]


@pytest.mark.parametrize("name", ["WarmupMultiStepLR", "WarmupCosineLR"])
def test_detectron2s_schedules_still_work(name: str) -> None:
    cfg = make_cfg("SOLVER.LR_SCHEDULER_NAME", name, "SOLVER.STEPS", (30,), "SOLVER.MAX_ITER", 40)
    scheduler = build_lr_scheduler(cfg, build_optimizer(cfg, Net()))
    assert scheduler.get_last_lr()[0] == pytest.approx(0.001 * cfg.SOLVER.WARMUP_FACTOR)


def test_an_unknown_schedule_is_named() -> None:
    cfg = make_cfg("SOLVER.LR_SCHEDULER_NAME", "PolyLR")
    with pytest.raises(ConfigError, match="'PolyLR'.*WarmupPolyLR, LinearDecayLR"):
        build_lr_scheduler(cfg, build_optimizer(cfg, Net()))


# ---- optimisers


def settings_by_name(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, tuple]:
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        names[id(parameter)]: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }


def test_sgd_is_detectron2s_own() -> None:
    cfg, model = make_cfg("SOLVER.BIAS_LR_FACTOR", 2.0), Net()
    ours, theirs = build_optimizer(cfg, model), detectron2_optimizer(cfg, model)
    assert type(ours) is torch.optim.SGD
    assert ours.state_dict() == theirs.state_dict()
    assert settings_by_name(ours, model) == settings_by_name(theirs, model)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("SGD", torch.optim.SGD), ("Adam", torch.optim.Adam), ("AdamW", torch.optim.AdamW)],
)
def test_the_backbones_rate(name: str, kind: type) -> None:
    cfg = make_cfg(
        "SOLVER.OPTIMIZER", name, "SOLVER.BASE_LR", 1e-4, "SOLVER.BACKBONE_MULTIPLIER", 0.1,
        "SOLVER.WEIGHT_DECAY", 0.01, "SOLVER.WEIGHT_DECAY_NORM", 0.0,
    )  # fmt: skip
    model = Net()
    optimizer = build_optimizer(cfg, model)
    assert type(optimizer) is kind
    low = pytest.approx(1e-5)
    assert settings_by_name(optimizer, model) == {
        "backbone.0.weight": (low, 0.01),
        "backbone.0.bias": (low, 0.01),
        "backbone.1.weight": (low, 0.0),
        "backbone.1.bias": (low, 0.0),
        "backbone.2.bias": (low, 0.01),  # backbone.2.weight is frozen
        "head.weight": (1e-4, 0.01),
        "head.bias": (1e-4, 0.01),
    }
    assert len(optimizer.param_groups) == 3


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("", False),
        ("decoder.ad2.weight", False),
        ("decoder.encoder.weight", False),
        ("encoder_of_mine.weight", False),
        ("trans_t.0.0.weight", False),
        ("encoder.conv1.weight", True),
        ("t_net.layer1.0.bn1.bias", True),
        ("backbone.bottom_up.stem.weight", True),
        ("net.backbone.conv.weight", True),
    ],
)
def test_what_is_a_backbone(name: str, wanted: bool) -> None:
    assert is_backbone(name) is wanted


@pytest.mark.parametrize("norms", [0.0, 5e-4])
def test_encoders_have_their_rate_and_everything_its_decay(norms: float) -> None:
    """WEIGHT_DECAY_NORM equal to WEIGHT_DECAY: one decay for all, norms and biases included."""
    model = nn.Module()
    model.encoder = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))
    model.t_net = nn.Conv2d(3, 2, 1)
    model.decoder = nn.Sequential(nn.Conv2d(2, 2, 1), nn.GroupNorm(1, 2))
    cfg = make_cfg(
        "SOLVER.BASE_LR", 0.1, "SOLVER.BACKBONE_MULTIPLIER", 0.01, "SOLVER.WEIGHT_DECAY", 5e-4,
        "SOLVER.WEIGHT_DECAY_NORM", norms,
    )  # fmt: skip
    found = settings_by_name(build_optimizer(cfg, model), model)
    low = pytest.approx(0.001)
    assert found == {
        "encoder.0.weight": (low, 5e-4),
        "encoder.0.bias": (low, 5e-4),
        "encoder.1.weight": (low, norms),
        "encoder.1.bias": (low, norms),
        "t_net.weight": (low, 5e-4),
        "t_net.bias": (low, 5e-4),
        "decoder.0.weight": (0.1, 5e-4),
        "decoder.0.bias": (0.1, 5e-4),
        "decoder.1.weight": (0.1, norms),
        "decoder.1.bias": (0.1, norms),
    }


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_biases_decay_like_weights_unless_told_otherwise(name: str) -> None:
    """detectron2 0.5 has a rate of decay of their own by default, later ones have not."""
    changes = ("SOLVER.OPTIMIZER", name, "SOLVER.WEIGHT_DECAY", 0.0)
    for more, wanted in (((), 0.0), (("SOLVER.WEIGHT_DECAY_BIAS", 0.5), 0.5)):
        model = Net()
        found = settings_by_name(build_optimizer(make_cfg(*changes, *more), model), model)
        assert found["head.bias"] == (0.001, wanted) and found["head.weight"] == (0.001, 0.0)


def test_momentum_is_kept_when_the_backbone_has_its_own_rate() -> None:
    cfg = make_cfg("SOLVER.BACKBONE_MULTIPLIER", 0.5, "SOLVER.NESTEROV", True)
    (group, *_) = build_optimizer(cfg, Net()).param_groups
    assert group["momentum"] == cfg.SOLVER.MOMENTUM and group["nesterov"]


def test_groups_keep_every_trainable_parameter_once() -> None:
    model = Net()
    groups = parameter_groups(make_cfg("SOLVER.BIAS_LR_FACTOR", 2.0), model)
    found = [id(parameter) for group in groups for parameter in group["params"]]
    wanted = [id(p) for p in model.parameters() if p.requires_grad]
    assert sorted(found) == sorted(wanted)
    assert {group["lr"] for group in groups} == {0.001, 0.002}


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
@pytest.mark.parametrize("multiplier", [1.0, 0.1])
def test_gradients_are_clipped(name: str, multiplier: float) -> None:
    cfg = make_cfg(
        "SOLVER.OPTIMIZER", name, "SOLVER.BACKBONE_MULTIPLIER", multiplier,
        "SOLVER.CLIP_GRADIENTS.ENABLED", True, "SOLVER.CLIP_GRADIENTS.CLIP_VALUE", 0.25,
    )  # fmt: skip
    model = Net()
    optimizer = build_optimizer(cfg, model)
    scheduler = build_lr_scheduler(cfg, optimizer)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 7.0)
    optimizer.step()
    scheduler.step()
    assert model.head.weight.grad is not None and model.head.weight.grad.max() == 0.25


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (("SOLVER.OPTIMIZER", "adam"), "SOLVER.OPTIMIZER is 'adam'.*Adam"),
        (("SOLVER.BACKBONE_MULTIPLIER", 0.0), "BACKBONE_MULTIPLIER.*FREEZE_AT"),
        (("SOLVER.BACKBONE_MULTIPLIER", math.nan), "BACKBONE_MULTIPLIER"),
    ],
)
def test_bad_settings(changes: tuple[object, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build_optimizer(make_cfg(*changes), Net())


# ---- epochs


@pytest.mark.parametrize(
    ("epochs", "images", "batch", "wanted"),
    [
        (0, 5, 6, 40000),  # as MAX_ITER says
        (1, 6, 6, 1),
        (1, 11, 6, 1),
        (60, 10553, 6, 105480),
        (60, 10553, 1, 633180),
        (3, 10, 4, 6),
    ],
)
def test_epochs(epochs: int, images: int, batch: int, wanted: int) -> None:
    cfg = make_cfg("SOLVER.EPOCHS", epochs, "SOLVER.IMS_PER_BATCH", batch)
    cfg.freeze()
    changed = with_epochs(cfg, images)
    assert wanted == changed.SOLVER.MAX_ITER and changed.is_frozen()
    assert cfg.SOLVER.MAX_ITER == 40000


@pytest.mark.parametrize(("epochs", "images"), [(-1, 100), (1, 5), (1, 0)])
def test_impossible_epochs(epochs: int, images: int) -> None:
    cfg = make_cfg("SOLVER.EPOCHS", epochs, "SOLVER.IMS_PER_BATCH", 6)
    with pytest.raises(ConfigError, match="SOLVER.EPOCHS"):
        with_epochs(cfg, images)
