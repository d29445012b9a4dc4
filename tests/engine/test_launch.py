from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sor_ppa.engine.launch import launch
from sor_ppa.engine.setup import argument_parser
from sor_ppa.errors import ConfigError

SCRIPT = Path(__file__).with_name("launch_script.py")
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture()
def start(child_environment: dict[str, str]) -> Start:
    """Starts the script with two processes."""

    def run(mode: str, *args: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "ignore", str(SCRIPT), mode, "--num-processes", "2", *args]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, env=child_environment, **pipes)  # type: ignore[call-overload]

    return run


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--num-processes", "-1"], "must be positive"),
        (["--num-machines", "0"], "must be positive"),
        (["--num-processes", "1", "--num-machines", "2"], "--dist-url tcp://HOST:PORT"),
    ],
)
def test_options_that_make_no_sense(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        launch(lambda args: pytest.fail("ran"), argument_parser().parse_args(options))
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_more_gpus_than_there_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(SystemExit):
        launch(print, argument_parser().parse_args(["--num-gpus", "3"]))
    assert "--num-gpus 3, but this machine has 2" in capsys.readouterr().err


def test_several_gpus_asked_for_and_none_there(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    ran = []
    launch(lambda args: ran.append(1), argument_parser().parse_args(["--num-gpus", "2"]))
    assert ran == [1]
    assert "use --num-processes" in caplog.text


def test_one_process_runs_right_here() -> None:
    ran = []
    launch(lambda args: ran.append(os.getpid()), argument_parser().parse_args([]))
    assert ran == [os.getpid()]


def test_an_error_that_the_user_can_cure_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def main(args: object) -> None:
        raise ConfigError("set this to that")

    with pytest.raises(SystemExit) as caught:
        launch(main, argument_parser().parse_args([]))
    assert caught.value.code == 2
    assert capsys.readouterr().err == "ConfigError: set this to that\n"


def test_ctrl_c_outside_training_ends_with_130() -> None:
    def main(args: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as caught:
        launch(main, argument_parser().parse_args([]))
    assert caught.value.code == 130


@pytest.mark.slow
def test_two_processes_talk_to_each_other(start: Start) -> None:
    out, err = start("share").communicate(timeout=300)
    assert "sum 3 world 2 local 0 2" in out, err


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "status"), [("fail", 2), ("vanish", 7)])
def test_the_failure_of_one_process_ends_all_soon(start: Start, mode: str, status: int) -> None:
    process = start(mode)
    _, err = process.communicate(timeout=300)  # the others would sleep for 600 s
    assert process.returncode == status
    assert mode == "vanish" or "the last process does not like this" in err


@pytest.mark.slow
def test_when_the_parent_is_killed_its_processes_end(start: Start) -> None:
    process = start("wait")
    assert process.stdout is not None
    pids = [int(process.stdout.readline().split()[1]) for _ in range(2)]
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 60
    while any(map(_exists, pids)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(_exists, pids))


def _exists(pid: int) -> bool:
    """Whether a process runs (a zombie that nobody has collected does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
