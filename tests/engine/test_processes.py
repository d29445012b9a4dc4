"""Runs as real processes: killed with -9, ended with signals, and two in place of one."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sor_ppa.engine.trainer import Trainer
from tests.engine import stub
from tests.engine.test_launch import SCRIPT
from tests.synthetic import RankedCoco

# Without noise and with pictures of one size (padding is not neutral) the number of processes must
# not show.
STEADY = ("MODEL.SOR.TRANSFORMER.DROPOUT", "0.0", "INPUT.MIN_SIZE_TRAIN", "(64,)")

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture()
def start(child_environment: dict[str, str], mixed_coco: RankedCoco, tmp_path: Path) -> Start:
    """(folder, *arguments) -> a training in it."""

    def run(folder: str, *args: str, pause: float = 0.0) -> subprocess.Popen[str]:
        flags = [a for a in args if a.startswith("--")]
        changes = [a for a in args if not a.startswith("--")]
        values = [*stub.options(mixed_coco), "OUTPUT_DIR", str(tmp_path / folder), *changes]
        command = [sys.executable, "-W", "ignore", str(SCRIPT), "train", *flags, *values]
        env = {**child_environment, "PAUSE": str(pause)}
        log = open(tmp_path / f"{folder}.log", "a")  # noqa: SIM115
        return subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT, text=True)

    return run


def _losses(folder: Path) -> dict[int, dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "losses.jsonl").read_text().splitlines()]
    return {line.pop("iteration"): line for line in lines}


def _final(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "model_final.pth", weights_only=True)


def _assert_same(a: dict[str, Any], b: dict[str, Any]) -> None:
    for name, value in a["model"].items():
        assert torch.equal(value, b["model"][name]), name
    momentum = [x["trainer"]["_trainer"]["optimizer"]["state"] for x in (a, b)]
    for index, state in momentum[0].items():
        assert torch.equal(state["momentum_buffer"], momentum[1][index]["momentum_buffer"])


def _wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 600
    while not path.exists():
        assert process.poll() is None and time.monotonic() < deadline, "no checkpoint was written"
        time.sleep(0.02)


def test_two_processes_give_the_losses_of_one(start: Start, tmp_path: Path) -> None:
    runs = [start("one", *STEADY), start("two", "--num-processes=2", *STEADY)]
    assert [run.wait(timeout=600) for run in runs] == [0, 0], (tmp_path / "two.log").read_text()
    one, two = _losses(tmp_path / "one"), _losses(tmp_path / "two")
    assert list(one) == list(two) == list(range(6))
    for iteration, losses in one.items():
        assert losses == pytest.approx(two[iteration], rel=1e-5, abs=1e-7)
    weights = _final(tmp_path / "one")["model"], _final(tmp_path / "two")["model"]
    for name, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][name], rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
@pytest.mark.slow
def test_kill_9_in_the_middle_of_a_run(start: Start, tmp_path: Path) -> None:
    length = ("SOLVER.MAX_ITER", "200", "SOLVER.CHECKPOINT_PERIOD", "7")
    whole = start("whole", *length)
    broken = start("broken", *length, pause=0.01)
    _wait_for(tmp_path / "broken" / "model_0000020.pth", broken)
    os.kill(broken.pid, signal.SIGKILL)
    assert broken.wait() == -signal.SIGKILL
    assert not (tmp_path / "broken" / "model_final.pth").exists()
    resumed = start("broken", "--resume", *length)
    assert [run.wait(timeout=600) for run in (whole, resumed)] == [0, 0]
    # The kill may have come after a checkpoint and before the note of its losses.
    losses = _losses(tmp_path / "whole"), _losses(tmp_path / "broken")
    assert losses[0].items() >= losses[1].items() and len(losses[1]) >= 199
    _assert_same(_final(tmp_path / "whole"), _final(tmp_path / "broken"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_kill_9_twenty_times_at_any_moment(stub_cfg: Callable[..., Any], tmp_path: Path) -> None:
    """A run that saves after every step and is killed again and again still ends the same."""
    changes = ("SOLVER.MAX_ITER", "70", "SOLVER.CHECKPOINT_PERIOD", "1")
    rng = random.Random(0)
    _in_child(stub_cfg("whole", *changes), None)
    for kill in range(20):
        waited_for = tmp_path / "broken" / f"model_{3 * kill:07d}.pth"
        _in_child(stub_cfg("broken", *changes), waited_for, rng.uniform(0.0, 0.02))
    _in_child(stub_cfg("broken", *changes), None)
    _assert_same(_final(tmp_path / "whole"), _final(tmp_path / "broken"))
    assert not list((tmp_path / "broken").glob(".*.part"))


def _in_child(cfg: Any, waited_for: Path | None, delay: float = 0.0) -> None:
    """Resumes a training in a forked process; kills it ``delay`` seconds after a file is there."""
    child = os.fork()
    if child == 0:
        trainer = Trainer(cfg)
        trainer.resume_or_load(resume=True)
        trainer.train()
        os._exit(0)
    if waited_for is not None:
        while not waited_for.exists():
            time.sleep(0.001)
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    assert waited_for is not None or status == 0


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_write_a_checkpoint(
    start: Start, tmp_path: Path, processes: int, number: int, status: int
) -> None:
    changes = ("SOLVER.MAX_ITER", "2000", "SOLVER.CHECKPOINT_PERIOD", "10")
    workers = ("DATALOADER.NUM_WORKERS", "1")
    run = start("run", f"--num-processes={processes}", *changes, *workers, pause=0.05)
    _wait_for(tmp_path / "run" / "model_0000009.pth", run)
    os.kill(run.pid, number)
    assert run.wait(timeout=120) == status, (tmp_path / "run.log").read_text()
    last = max((tmp_path / "run").glob("model_*.pth")).stem
    assert list(_losses(tmp_path / "run"))[-1] in (int(last[6:]), int(last[6:]) - 1)
