"""Training of dense saliency: learning by heart, resuming, two processes, mixed precision."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from detectron2.config import CfgNode

from sor_ppa.data.image_io import read_grey, read_image
from sor_ppa.engine import Predictor, Trainer
from sor_ppa.engine.loaders import TrainLoader
from sor_ppa.engine.solver import warmup_poly_lr
from tests.engine import dense
from tests.engine.test_trainer import At, KilledError
from tests.engine.together import needs_fork, train_together

MakeCfg = Callable[..., CfgNode]


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Eight pictures with masks."""
    return dense.make_pictures(tmp_path_factory.mktemp("dense"))


@pytest.fixture()
def dense_cfg(pictures: tuple[str, str], tmp_path: Path) -> MakeCfg:
    """(name of the run, KEY, VALUE, ...) -> config of a run in its own folder."""
    return lambda run, *changes: dense.make_cfg(pictures, tmp_path / run, *changes)


@pytest.mark.slow
def test_eight_pictures_are_learnt_by_heart(dense_cfg: MakeCfg, pictures: tuple[str, str]) -> None:
    cfg = dense_cfg(
        "run", *dense.STILL, "SOLVER.IMS_PER_BATCH", "8", "SOLVER.MAX_ITER", "120",
        "SOLVER.WARMUP_ITERS", "10", "SOLVER.BASE_LR", "0.003", "SOLVER.BACKBONE_MULTIPLIER", "1.0",
    )  # fmt: skip
    trainer = Trainer(cfg)
    trainer.train()
    predict = Predictor(cfg, model=trainer.model)
    errors = []
    for image in sorted(Path(pictures[0]).iterdir()):
        mask = read_grey(Path(pictures[1]) / image.name) / 255
        saliency = predict(read_image(image))["saliency"].numpy()
        assert saliency.shape == mask.shape
        errors.append(np.abs(saliency - mask).mean())
    assert np.mean(errors) < 0.02


# ---- resuming


def _state(trainer: Trainer) -> dict[str, torch.Tensor]:
    """Weights, buffers and Adam's moments."""
    found = dict(trainer.model.state_dict())
    for index, state in trainer.optimizer.state_dict()["state"].items():
        found.update({f"{index}.{key}": value for key, value in state.items()})
    return found


@pytest.mark.parametrize("amp", ["False", pytest.param("True", marks=pytest.mark.slow)])
def test_a_killed_and_resumed_run_ends_bit_for_bit_equal(dense_cfg: MakeCfg, amp: str) -> None:
    changes = ("SOLVER.AMP.ENABLED", amp)
    whole = Trainer(dense_cfg("whole", *changes))
    whole.train()

    def kill(trainer: Any) -> None:
        raise KilledError

    broken = Trainer(dense_cfg("broken", *changes))
    broken.register_hooks([At(2, kill)])  # the checkpoint is from iteration 1
    with pytest.raises(KilledError):
        broken.train()
    resumed = Trainer(dense_cfg("broken", *changes))
    resumed.resume_or_load(resume=True)
    assert resumed.start_iter == 2
    assert {"exp_avg", "exp_avg_sq"} <= set(next(iter(resumed.optimizer.state.values())))
    resumed.train()
    states = _state(whole), _state(resumed)
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
    assert whole.optimizer.param_groups[0]["lr"] == resumed.optimizer.param_groups[0]["lr"]


def test_mixed_precision_trains(dense_cfg: MakeCfg) -> None:
    trainer = Trainer(dense_cfg("run", "SOLVER.AMP.ENABLED", "True"))
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    trainer.train()
    losses = {k: float(np.ravel(v)[0]) for k, v in trainer.storage.latest().items() if "loss" in k}
    assert losses and all(map(np.isfinite, losses.values()))
    after = dict(trainer.model.named_parameters())
    assert all(p.dtype == torch.float32 for p in after.values())
    moved = [name for name, value in before.items() if not torch.equal(value, after[name])]
    assert len(moved) > 0.9 * len(before)


# ---- the config's schedule


def test_epochs_and_rates(dense_cfg: MakeCfg) -> None:
    """Two epochs of 8 // 3 iterations; each group's rate is the formula's at every iteration."""
    cfg = dense_cfg("run", "SOLVER.EPOCHS", "2", "SOLVER.IMS_PER_BATCH", "3")
    trainer = Trainer(cfg)
    assert trainer.max_iter == trainer.cfg.SOLVER.MAX_ITER == 4
    settings = {"max_iter": 4, "warmup_iters": 2, "warmup_factor": 0.1, "power": 0.9, "end": 1e-7}
    bases = [group["initial_lr"] for group in trainer.optimizer.param_groups]
    assert sorted(set(bases)) == pytest.approx([0.0002, 0.001])
    seen = []
    hook = At(-1, lambda trainer: None)
    hook.before_step = lambda: seen.append(  # type: ignore[method-assign]
        [group["lr"] for group in hook.trainer.optimizer.param_groups]
    )
    trainer.register_hooks([hook])
    trainer.train()
    assert seen == [[warmup_poly_lr(base, t, **settings) for base in bases] for t in range(4)]


def test_loaders_need_no_sizes(dense_cfg: MakeCfg) -> None:
    """Sets with masks do not know heights and widths before they are read."""
    for grouping in ("False", "True"):
        loader = Trainer.build_train_loader(
            dense_cfg("run", "DATALOADER.ASPECT_RATIO_GROUPING", grouping)
        )
        assert "height" not in loader.dicts[0]
        batch = next(iter(loader))
        assert [item["saliency"].shape for item in batch] == [(1, 64, 64)] * 4


# ---- processes


class DoubleTrainer(Trainer):
    """Trains in float64."""

    @classmethod
    def build_model(cls, cfg: CfgNode) -> torch.nn.Module:
        return super().build_model(cfg).double()

    @classmethod
    def build_train_loader(cls, cfg: CfgNode) -> TrainLoader:
        loader = super().build_train_loader(cfg)
        mapper = loader.mapper

        def double(record: dict[str, Any]) -> dict[str, Any]:
            sample = mapper(record)
            return {**sample, "saliency": sample["saliency"].double()}

        loader.mapper = double
        return loader


@needs_fork
def test_two_processes_train_like_one(dense_cfg: MakeCfg) -> None:
    """Losses to the 7 digits that logs have, weights and running statistics to 1e-9, in float64.

    In float32 the two begin alike as well, but batch statistics over maps of 2 x 2 blow rounding
    up tenfold and more with every step. And plain gradient descent, because Adam would make a
    whole step out of a gradient that is nothing but rounding.
    """
    changes = ("SOLVER.OPTIMIZER", "SGD", "SOLVER.BASE_LR", "0.01")
    cfgs = {count: dense_cfg(f"run{count}", *changes) for count in (1, 2)}
    (one, weights), (two, others) = train_together(cfgs, DoubleTrainer)
    assert len(one) == len(two) == 4
    for a, b in zip(one, two, strict=True):
        assert a == pytest.approx(b, rel=1e-6)
    assert weights.keys() == others.keys()
    for name, value in weights.items():
        torch.testing.assert_close(value, others[name], rtol=1e-9, atol=1e-9, msg=name)
