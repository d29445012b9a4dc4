"""Training of saliency without labels: learning by heart, resuming, two processes, epochs."""

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
from sor_ppa.engine.hooks import EpochHook
from tests.engine import unlabelled
from tests.engine.test_a2s_training import in_double
from tests.engine.test_trainer import At, KilledError
from tests.engine.together import needs_fork, train_together

MakeCfg = Callable[..., CfgNode]
TINY = ("INPUT.DENSE.TRAIN_SIZE", (64, 64), "MODEL.A2S.SIZE_STEPS", (-32, 32))


@pytest.fixture(scope="session")
def ellipses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """16 pictures of 128 x 128 with masks and depth maps."""
    return unlabelled.make_pictures(tmp_path_factory.mktemp("ellipses"))


@pytest.fixture()
def make_cfg(ellipses: Path, tmp_path: Path) -> MakeCfg:
    """(config, name of the run, KEY, VALUE, ...) -> config of a run in its own folder."""
    return lambda name, run, *changes: unlabelled.make_cfg(name, ellipses, tmp_path / run, *changes)


def iou(predict: Predictor, root: Path) -> float:
    """Mean over the pictures, both maps cut at a half."""
    found = []
    for path in sorted((root / "images").iterdir()):
        mask = read_grey(root / "masks" / path.name) > 127
        saliency = predict(read_image(path))["saliency"].numpy() > 0.5
        found.append((mask & saliency).sum() / (mask | saliency).sum())
    return float(np.mean(found))


@pytest.mark.slow
def test_cornet_learns_16_pictures_by_heart_in_20_steps(make_cfg: MakeCfg, ellipses: Path) -> None:
    """As published, but for the size, from a random encoder."""
    trainer = Trainer(make_cfg("a2s/cornet-rgb.yaml", "run", "SOLVER.CHECKPOINT_PERIOD", 100))
    assert trainer.max_iter == 20
    before = iou(Predictor(trainer.cfg, model=trainer.model), ellipses)
    trainer.model.train()
    trainer.train()
    after = iou(Predictor(trainer.cfg, model=trainer.model), ellipses)
    assert before < 0.5 and after > 0.85


# ---- resuming


def _state(trainer: Trainer) -> dict[str, torch.Tensor]:
    """Weights, buffers and momentum."""
    found = dict(trainer.model.state_dict())
    for index, state in trainer.optimizer.state_dict()["state"].items():
        found.update({f"{index}.{key}": v for key, v in state.items() if v is not None})
    return found


def _kill(trainer: Any) -> None:
    raise KilledError


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("a2s/a2s-rgb-tiny.yaml", ()),
        (
            "a2s/a2s-rgb-tiny.yaml",
            ("MODEL.A2S.FROZEN_EPOCHS", 2, "INPUT.DENSE.MODALITIES", ("depth",)),
        ),
        pytest.param("a2s/cornet-rgb-tiny.yaml", (), marks=pytest.mark.slow),
    ],
)
def test_a_killed_and_resumed_run_ends_bit_for_bit_equal(
    make_cfg: MakeCfg, name: str, changes: tuple[object, ...]
) -> None:
    changes = (*TINY, *changes, "SOLVER.IMS_PER_BATCH", 8, "SOLVER.EPOCHS", 3)
    whole = Trainer(make_cfg(name, "whole", *changes))
    whole.train()
    broken = Trainer(make_cfg(name, "broken", *changes))
    broken.register_hooks([At(4, _kill)])  # the checkpoint is from iteration 3
    with pytest.raises(KilledError):
        broken.train()
    resumed = Trainer(make_cfg(name, "broken", *changes))
    resumed.resume_or_load(resume=True)
    assert resumed.start_iter == 4 and resumed.max_iter == 6
    resumed.train()
    states = _state(whole), _state(resumed)
    assert states[0].keys() == states[1].keys()
    for key, value in states[0].items():
        assert torch.equal(value, states[1][key]), key
    rates = [[group["lr"] for group in t.optimizer.param_groups] for t in (whole, resumed)]
    assert rates[0] == rates[1]


def test_the_second_size_is_drawn_anew_in_each_step(
    make_cfg: MakeCfg, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests above could not fail if it were always the same."""
    trainer: Any = Trainer(make_cfg("a2s/a2s-rgb-tiny.yaml", "run", *TINY))
    seen: list[int] = []
    forward = trainer.model.encoder.forward
    monkeypatch.setattr(
        trainer.model.encoder, "forward", lambda x: (seen.append(x.shape[-1]), forward(x))[1]
    )
    trainer.train()
    assert seen[::2] == [64] * 20 and set(seen[1::2]) == {32, 96}


# ---- several kinds of data together


def test_one_batch_of_pictures_with_depth_flow_thermal_and_nothing(
    make_cfg: MakeCfg, ellipses: Path
) -> None:
    image, depth = str(ellipses / "images"), str(ellipses / "depth")
    sets = (
        ("plain", image, ""),
        ("with_depth", image, "", f"depth={depth}"),
        ("with_thermal", image, "", f"thermal={depth}"),
        ("film", image, "", "video"),  # its flow is computed
    )
    cfg = make_cfg(
        "a2s/a2s-joint.yaml", "run", *TINY, "DATASETS.EXTRA", sets, "DATASETS.TRAIN",
        tuple(name for name, *_ in sets), "SOLVER.IMS_PER_BATCH", 16, "SOLVER.EPOCHS", 0,
        "SOLVER.MAX_ITER", 2, "MODEL.BACKBONE.NAME", "build_mnv2_backbone",
    )  # fmt: skip
    batch = next(iter(Trainer.build_train_loader(cfg)))
    kinds = []
    for item in batch:
        assert item["modality"].shape == (9, 64, 64) and "saliency" not in item
        has = [part.any().item() for part in item["modality"].reshape(3, 3, 64, 64)]
        is_film = "video_id" in item
        assert has == ["depth_file_name" in item, is_film, "thermal_file_name" in item]
        kinds.append(tuple(has))
    assert len(set(kinds)) == 4
    trainer = Trainer(cfg)
    trainer.train()
    losses = {k: v[0] for k, v in trainer.storage.latest().items() if k.startswith("loss")}
    assert set(losses) == {"loss_csd", "loss_btm", "loss_consistency"}
    assert all(map(np.isfinite, losses.values())) and losses["loss_btm"] > 0


# ---- epochs


@pytest.mark.parametrize(
    ("epochs", "length", "wanted"),
    [
        (1, 1, [1]),
        (2, 4, [1, 1, 2, 2]),
        (3, 6, [1, 1, 2, 2, 3, 3]),
        (4, 2, [1, 3]),
        (20, 5, [1, 5, 9, 13, 17]),
    ],
)
def test_epochs_are_equal_parts_of_a_run(epochs: int, length: int, wanted: list[int]) -> None:
    class Net(torch.nn.Module):
        def set_epoch(self, epoch: int, epochs: int) -> None:
            seen.append((epoch, epochs))

    class Run:
        model, max_iter, iter = Net(), length, 0

    seen: list[tuple[int, int]] = []
    hook = EpochHook(epochs)
    hook.trainer = Run()
    for Run.iter in range(length):
        hook.before_step()
    assert seen == [(epoch, epochs) for epoch in wanted]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        (("SOLVER.EPOCHS", 2, "SOLVER.IMS_PER_BATCH", 8), [(1, 2), (1, 2), (2, 2), (2, 2)]),
        (("SOLVER.EPOCHS", 0, "SOLVER.MAX_ITER", 4), [(1, 20), (6, 20), (11, 20), (16, 20)]),
    ],
)
def test_a_network_is_told_its_epoch_before_every_step(
    make_cfg: MakeCfg, changes: tuple[object, ...], wanted: list[tuple[int, int]]
) -> None:
    trainer: Any = Trainer(make_cfg("a2s/a2s-rgb-tiny.yaml", "run", *TINY, *changes))
    seen = []
    hook = At(-1, _kill)
    hook.before_step = lambda: seen.append(  # type: ignore[method-assign]
        (trainer.model.epoch, trainer.model.epochs)
    )
    trainer.register_hooks([hook])
    trainer.train()
    assert seen == wanted


def test_networks_without_epochs_are_left_alone(make_cfg: MakeCfg) -> None:
    trainer = Trainer(make_cfg("a2s/cornet-rgb-tiny.yaml", "run", *TINY))
    assert not any(isinstance(hook, EpochHook) for hook in trainer._hooks)


# ---- processes


class DoubleTrainer(Trainer):
    """Trains in float64."""

    @classmethod
    def build_model(cls, cfg: CfgNode) -> torch.nn.Module:
        return in_double(super().build_model(cfg))


@needs_fork
@pytest.mark.parametrize(
    ("name", "changes", "tolerance"),
    [
        # The encoder is frozen in the first epoch of two.
        ("a2s/a2s-rgb-tiny.yaml", ("MODEL.A2S.FROZEN_EPOCHS", 1, "SOLVER.EPOCHS", 2), 1e-9),
        ("a2s/a2s-rgb-tiny.yaml", ("INPUT.DENSE.MODALITIES", ("depth",)), 1e-9),
        # Its first gradients are large (700): the order of the pictures alone makes 2e-8.
        pytest.param(
            "a2s/midnet-rgbd.yaml",
            ("MODEL.BACKBONE.NAME", "build_mnv2_backbone", "SOLVER.IMS_PER_BATCH", 4),
            1e-6,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_two_processes_train_like_one(
    make_cfg: MakeCfg, name: str, changes: tuple[object, ...], tolerance: float
) -> None:
    """Losses to the digits that logs have, weights and running statistics, in float64."""
    short = (
        "SOLVER.IMS_PER_BATCH", 8, "SOLVER.EPOCHS", 0, "SOLVER.MAX_ITER", 2,
        "SOLVER.CHECKPOINT_PERIOD", 100,
    )  # fmt: skip
    cfgs = {count: make_cfg(name, f"run{count}", *TINY, *short, *changes) for count in (1, 2)}
    (one, weights), (two, others) = train_together(cfgs, DoubleTrainer)
    assert len(one) == len(two) == 2 * max(cfgs[1].SOLVER.EPOCHS, 1)
    for a, b in zip(one, two, strict=True):
        assert a == pytest.approx(b, rel=1e-6)
    assert weights.keys() == others.keys()
    for key, value in weights.items():
        torch.testing.assert_close(value, others[key], rtol=tolerance, atol=tolerance)
