from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from detectron2.config import CfgNode
from detectron2.engine import HookBase

from sor_ppa.engine.step import NonFiniteError, resolve_precision
from sor_ppa.engine.trainer import Trainer
from sor_ppa.errors import CheckpointError, ConfigError, SaliencyError

MakeCfg = Callable[..., CfgNode]


def _train(cfg: CfgNode, *, resume: bool = False, hook: HookBase | None = None) -> Trainer:
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=resume)
    if hook:
        trainer.register_hooks([hook])
    trainer.train()
    return trainer


def _assert_same(a: Trainer, b: Trainer) -> None:
    """Weights, buffers and momentum, bit for bit."""
    for name, value in a.model.state_dict().items():
        assert torch.equal(value, b.model.state_dict()[name]), name
    state_a, state_b = a.optimizer.state_dict(), b.optimizer.state_dict()
    assert state_a["param_groups"] == state_b["param_groups"]
    for index, state in state_a["state"].items():
        assert torch.equal(state["momentum_buffer"], state_b["state"][index]["momentum_buffer"])


class At(HookBase):
    """Does something after one iteration."""

    def __init__(self, iteration: int, act: Callable[[Any], None]) -> None:
        self.iteration = iteration
        self.act = act

    def after_step(self) -> None:
        if self.trainer.iter == self.iteration:
            self.act(self.trainer)


class KilledError(Exception):
    """What a test ends a run with."""


def _kill(trainer: Any) -> None:
    raise KilledError


# ---- resuming


@pytest.mark.parametrize(
    "changes",
    [
        (),
        ("DATALOADER.NUM_WORKERS", "2"),
        ("SEED", "-1"),
        ("SOLVER.AMP.ENABLED", "True"),
        ("DATALOADER.ASPECT_RATIO_GROUPING", "False"),
        ("TEST.EVAL_PERIOD", "2", "DATASETS.TEST", "('stub_set',)"),
    ],
    ids=lambda changes: " ".join(changes) or "plain",
)
def test_a_killed_and_resumed_run_ends_bit_for_bit_equal(
    stub_cfg: MakeCfg, changes: tuple[str, ...]
) -> None:
    whole = _train(stub_cfg("whole", *changes))
    if "-1" in changes:  # the drawn seed must come out of the checkpoint
        changes = (*changes, "SEED", str(whole.run_seed))
    with pytest.raises(KilledError):
        _train(stub_cfg("broken", *changes), hook=At(4, _kill))
    if "SEED" in changes:
        changes = (*changes, "SEED", "-1")
    resumed = Trainer(stub_cfg("broken", *changes))
    resumed.resume_or_load(resume=True)
    assert resumed.start_iter == 3  # the period is 3, the kill came after 5
    resumed.train()
    assert resumed.iter == 6
    assert resumed.run_seed == whole.run_seed
    _assert_same(whole, resumed)


def test_the_number_of_workers_does_not_matter(stub_cfg: MakeCfg) -> None:
    _assert_same(_train(stub_cfg("none")), _train(stub_cfg("three", "DATALOADER.NUM_WORKERS", "3")))


def test_other_seeds_give_other_weights(stub_cfg: MakeCfg) -> None:
    """The tests above could not fail if randomness did not matter."""
    a, b = _train(stub_cfg("a")), _train(stub_cfg("b", "SEED", "6"))
    assert not torch.equal(a.model.head.weight, b.model.head.weight)


@pytest.mark.parametrize("part", ["SAMPLE", "STEP"])
def test_each_stream_of_randomness_matters(
    stub_cfg: MakeCfg, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = _train(stub_cfg("a"))
    module = {"SAMPLE": "loaders", "STEP": "step"}[part]
    monkeypatch.setattr(f"sor_ppa.engine.{module}.{part}", 17)
    changed = _train(stub_cfg("b"))
    assert not torch.equal(reference.model.head.weight, changed.model.head.weight)


def test_a_finished_run_stays_as_it_is(stub_cfg: MakeCfg, caplog: pytest.LogCaptureFixture) -> None:
    first = _train(stub_cfg("run"))
    again = _train(stub_cfg("run"), resume=True)
    assert "has all of its 6 iterations already" in caplog.text
    _assert_same(first, again)


def test_without_resume_a_run_starts_over(stub_cfg: MakeCfg) -> None:
    first = _train(stub_cfg("run"))
    again = _train(stub_cfg("run"), resume=False)
    assert again.start_iter == 0
    _assert_same(first, again)


def test_a_checkpoint_of_old_detectron2_resumes_with_one_warning(
    stub_cfg: MakeCfg, caplog: pytest.LogCaptureFixture
) -> None:
    cfg = stub_cfg("run", "SOLVER.MAX_ITER", "3")
    path = Path(_train(cfg).checkpointer.get_checkpoint_file())
    data = torch.load(path, weights_only=True)
    for key in ("_trainer", "run"):
        del data["trainer"][key]
    torch.save(data, path)
    resumed = Trainer(stub_cfg("run"))
    resumed.resume_or_load(resume=True)
    assert resumed.start_iter == 3
    warnings = [r.getMessage() for r in caplog.records if r.name.startswith("sor_ppa")
                and r.levelno == logging.WARNING]  # fmt: skip
    assert len([text for text in warnings if "no state of the optimizer" in text]) == 1
    resumed.train()


def test_other_data_on_resume_is_noticed(
    stub_cfg: MakeCfg, caplog: pytest.LogCaptureFixture
) -> None:
    _train(stub_cfg("run", "SOLVER.MAX_ITER", "3"))
    _train(stub_cfg("run", "SOLVER.IMS_PER_BATCH", "2"), resume=True)
    assert "batch_size 4 -> 2" in caplog.text


def test_another_network_on_resume_is_refused(stub_cfg: MakeCfg) -> None:
    _train(stub_cfg("run", "SOLVER.MAX_ITER", "3"))
    trainer = Trainer(stub_cfg("run", "MODEL.SOR.TRANSFORMER.DROPOUT", "0.0"))
    path = Path(trainer.checkpointer.get_checkpoint_file())
    data = torch.load(path, weights_only=True)
    del data["model"]["head.bias"]
    torch.save(data, path)
    with pytest.raises(CheckpointError, match="head.bias"):
        trainer.resume_or_load(resume=True)


def test_only_the_newest_checkpoints_are_kept(stub_cfg: MakeCfg) -> None:
    trainer = _train(
        stub_cfg("run", "SOLVER.CHECKPOINT_PERIOD", "1", "SOLVER.CHECKPOINT_KEEP", "2")
    )
    names = sorted(p.name for p in Path(trainer.cfg.OUTPUT_DIR).glob("*.pth"))
    assert names == ["model_0000004.pth", "model_0000005.pth", "model_final.pth"]


# ---- things that go wrong


def _spoil(trainer: Any) -> None:
    """From the next forward pass on one loss is NaN."""
    trainer.model.register_forward_hook(
        lambda module, inputs, losses: {**losses, "loss_box": losses["loss_box"] * float("nan")}
    )


def test_a_loss_that_is_not_finite_stops_the_run_and_spares_the_weights(stub_cfg: MakeCfg) -> None:
    cfg = stub_cfg("run")
    trainer = Trainer(cfg)
    trainer.register_hooks([At(3, _spoil)])
    with pytest.raises(NonFiniteError) as caught:
        trainer.train()
    message = str(caught.value)
    assert "iteration 4" in message
    assert "'loss_box': nan" in message and "'loss_rank': " in message
    assert message.count("images [") == 1
    assert all(bool(torch.isfinite(p).all()) for p in trainer.model.parameters())
    assert trainer.checkpointer.get_checkpoint_file().endswith("model_0000002.pth")


def test_a_run_that_fails_at_its_last_step_is_not_evaluated(
    stub_cfg: MakeCfg, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trainer, "test", lambda *args: pytest.fail("evaluated"))
    trainer = Trainer(stub_cfg("run", "DATASETS.TEST", "('stub_set',)"))
    trainer.register_hooks([At(4, _spoil)])
    with pytest.raises(NonFiniteError, match="iteration 5"):
        trainer.train()


def test_nan_gradients_in_mixed_precision_skip_steps_and_then_stop(stub_cfg: MakeCfg) -> None:
    cfg = stub_cfg("run", "SOLVER.AMP.ENABLED", "True", "SOLVER.MAX_ITER", "50")
    trainer = Trainer(cfg)
    weight = trainer.model.head.weight
    weight.register_hook(lambda gradient: gradient * float("nan"))
    before = weight.detach().clone()
    with pytest.raises(NonFiniteError, match="20 iterations in a row, up to iteration 19"):
        trainer.train()
    assert torch.equal(weight, before)


def test_a_worker_that_dies_is_reported(stub_cfg: MakeCfg) -> None:
    trainer = Trainer(stub_cfg("run", "DATALOADER.NUM_WORKERS", "1"))
    trainer.data_loader.mapper = _die
    with pytest.raises(SaliencyError, match=r"worker died at iteration 0 .*NUM_WORKERS"):
        trainer.train()


def _die(dataset_dict: dict[str, Any]) -> None:
    os._exit(9)


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"]
)
def test_a_signal_writes_a_checkpoint_and_the_run_goes_on_exactly(
    stub_cfg: MakeCfg, number: int, status: int
) -> None:
    whole = _train(stub_cfg("whole"))
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    raise_in_step = At(1, lambda trainer: None)
    raise_in_step.before_step = lambda: (  # type: ignore[method-assign]
        os.kill(os.getpid(), number) if raise_in_step.trainer.iter == 1 else None
    )
    with pytest.raises(SystemExit) as caught:
        _train(stub_cfg("run"), hook=raise_in_step)
    assert caught.value.code == status
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    resumed = Trainer(stub_cfg("run"))
    resumed.resume_or_load(resume=True)
    assert resumed.start_iter == 2
    resumed.train()
    _assert_same(whole, resumed)


def test_a_signal_during_evaluation_does_not_wait_for_its_end(
    stub_cfg: MakeCfg, monkeypatch: pytest.MonkeyPatch
) -> None:
    def long_evaluation(*args: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        pytest.fail("the evaluation went on")

    monkeypatch.setattr(Trainer, "test", long_evaluation)
    with pytest.raises(SystemExit) as caught:
        _train(stub_cfg("run", "TEST.EVAL_PERIOD", "2", "DATASETS.TEST", "('stub_set',)"))
    assert caught.value.code == 143
    resumed = Trainer(stub_cfg("run"))
    resumed.resume_or_load(resume=True)
    assert resumed.start_iter == 2


# ---- evaluation and best checkpoint


def test_the_best_checkpoint_is_kept_also_across_resumes(
    stub_cfg: MakeCfg, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.3, 0.7, 0.5, float("nan"), 0.6, 0.9])
    monkeypatch.setattr(Trainer, "test", lambda *args: {"ranking": {"SOR": next(scores)}})
    changes = ("TEST.EVAL_PERIOD", "1", "SOLVER.CHECKPOINT_PERIOD", "1")
    changes += ("TEST.BEST_METRIC", "ranking/SOR")

    def best(trainer: Trainer) -> int:
        path = Path(trainer.cfg.OUTPUT_DIR) / "model_best.pth"
        return torch.load(path, weights_only=True)["iteration"]

    with pytest.raises(KilledError):
        _train(stub_cfg("run", *changes), hook=At(3, _kill))
    trainer = Trainer(stub_cfg("run", *changes))
    trainer.resume_or_load(resume=True)
    assert best(trainer) == 1
    trainer.register_hooks(
        [At(4, lambda t: pytest.fail("0.6 is no best") if best(t) != 1 else None)]
    )
    trainer.train()
    assert best(trainer) == 5


def test_an_unknown_best_metric_only_warns(
    stub_cfg: MakeCfg, caplog: pytest.LogCaptureFixture
) -> None:
    _train(stub_cfg("run", "TEST.BEST_METRIC", "no/metric"))
    assert "TEST.BEST_METRIC 'no/metric' has no value" in caplog.text


def test_evaluates_with_the_project_evaluator(stub_cfg: MakeCfg) -> None:
    cfg = stub_cfg("run", "DATASETS.TEST", "('stub_set',)")
    results = Trainer.test(cfg, Trainer.build_model(cfg))
    assert set(results) >= {"ranking", "bbox", "segm"}
    assert results["ranking"]["images"] == 10


def test_no_test_set_gives_no_results(stub_cfg: MakeCfg) -> None:
    cfg = stub_cfg("run")
    assert Trainer.test(cfg, Trainer.build_model(cfg)) == {}
    with pytest.raises(ConfigError, match="1 evaluators for DATASETS.TEST"):
        Trainer.test(cfg, Trainer.build_model(cfg), [None])  # type: ignore[list-item]


# ---- settings


@pytest.mark.parametrize(
    ("enabled", "name", "device", "expected"),
    [
        (False, "fp16", "cpu", None),
        (True, "auto", "cpu", torch.bfloat16),
        (True, "auto", "cuda:1", torch.float16),
        (True, "bf16", "cuda", torch.bfloat16),
        (True, "fp16", "cpu", ConfigError),
        (True, "half", "cuda", ConfigError),
    ],
)
def test_precision(stub_cfg: MakeCfg, enabled: bool, name: str, device: str, expected: Any) -> None:
    cfg = stub_cfg("run")
    cfg.SOLVER.AMP.ENABLED, cfg.SOLVER.AMP.PRECISION, cfg.MODEL.DEVICE = enabled, name, device
    if expected is ConfigError:
        with pytest.raises(ConfigError, match="SOLVER.AMP.PRECISION"):
            resolve_precision(cfg)
    else:
        assert resolve_precision(cfg) == expected


def test_an_unknown_network_is_explained(stub_cfg: MakeCfg) -> None:
    with pytest.raises(ConfigError, match="Nonsense.*imported before"):
        Trainer.build_model(stub_cfg("run", "MODEL.META_ARCHITECTURE", "Nonsense"))


def test_a_bad_best_mode_is_refused(stub_cfg: MakeCfg) -> None:
    with pytest.raises(ConfigError, match="TEST.BEST_MODE"):
        Trainer(stub_cfg("run", "TEST.BEST_METRIC", "a/b", "TEST.BEST_MODE", "highest"))
