"""tools/train_unsupervised.py as users run it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sor_ppa.unsupervised.own_sets import OwnSet
from tests.unsupervised import runs

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import train_unsupervised as tool  # noqa: E402


def _request(*words: str) -> Any:
    return tool.make_request(tool.parse_args(["--output", "out", *words]))


@pytest.mark.parametrize(
    "words, config, train, test",
    [
        ([], "a2s/unsupervised-rgb.yaml", [], []),
        (["--modality", "joint"], "a2s/unsupervised-joint.yaml", [], []),
        (["--images", "a"], "a2s/unsupervised-rgb.yaml", [OwnSet("own_rgb", "rgb", "a")], []),
        (
            ["--modality", "rgbd", "--images", "a", "--depth", "b", "--masks", "c"]
            + ["--test-images", "d", "--test-depth", "e", "--test-masks", "f"],
            "a2s/unsupervised-rgbd.yaml",
            [OwnSet("own_rgbd", "rgbd", "a", "b", "c")],
            [OwnSet("own_test_rgbd", "rgbd", "d", "e", "f")],
        ),
        (
            ["--modality", "video", "--images", "a", "--config-file", "mine.yaml"],
            "mine.yaml",
            [OwnSet("own_video", "video", "a")],
            [],
        ),
        (
            ["--modality", "joint", "--set", "rgb", "a", "--set", "rgbt", "b", "c"]
            + ["--set", "rgb", "d", "--test-set", "rgbt", "e", "f", "masks=g"],
            "a2s/unsupervised-joint.yaml",
            [
                OwnSet("own_rgb", "rgb", "a"),
                OwnSet("own_rgbt", "rgbt", "b", "c"),
                OwnSet("own_rgb_2", "rgb", "d"),
            ],
            [OwnSet("own_test_rgbt", "rgbt", "e", "f", "g")],
        ),
    ],
)
def test_command_lines(
    words: list[str], config: str, train: list[OwnSet], test: list[OwnSet]
) -> None:
    request = _request(*words)
    assert request.config_file == config
    assert request.train == tuple(train) and request.test == tuple(test)
    assert request.output == Path.cwd() / "out" and request.test_names is None


def test_options_come_last() -> None:
    request = _request("--test", "ecssd", "--weights", "w", "--opts", "SEED", "1", "A.B", "--c")
    assert request.opts == ("SEED", "1", "A.B", "--c")
    assert request.test_names == ("ecssd",) and request.weights == "w"


@pytest.mark.parametrize(
    "words, message",
    [
        (["--opts", "SEED"], "pairs"),
        (["--workers", "-1"], "--workers"),
        (["--depth", "a"], "--depth goes with --images"),
        (["--test-masks", "a"], "--test-masks goes with --test-images"),
        (["--images", "a", "--depth", "b"], "--depth does not go with --modality rgb"),
        (["--modality", "rgbd", "--images", "a"], "needs a folder of depth"),
        (["--modality", "joint", "--images", "a"], "--set TASK IMAGES"),
        (["--test-images", "a"], "need masks"),
        (["--config-file", "b", "--images", "a"], "--modality: say what"),
        (["--set", "rgb"], "TASK IMAGES"),
        (["--images", "nowhere"], "nowhere"),
        (["--modality", "rgbd", "--set", "rgb", "a"], "is given as rgb"),
        (["--config-file", "nothing.yaml"], "No config 'nothing.yaml'"),
    ],
)
def test_mistakes_end_with_status_2(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool.main(["--output", str(tmp_path / "out"), *words]) == 2
    assert message in capsys.readouterr().err


def test_interruption(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupt(*_: Any, **__: Any) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(tool, "train_unsupervised", interrupt)
    assert tool.main(["--output", str(tmp_path / "out")]) == 130


@pytest.mark.slow
def test_as_a_program(repository: Path, child_environment: dict[str, str], tmp_path: Path) -> None:
    """Stage 1 in two processes, the rest in one."""
    own = runs.pictures(tmp_path / "data", count=2)
    config = runs.write_config(tmp_path, "a2s-rgb-tiny", "a2s/cornet-rgb-tiny.yaml")
    command = [
        sys.executable, str(repository / "tools" / "train_unsupervised.py"),
        "--modality", "rgb", "--config-file", config, "--output", str(tmp_path / "run"),
        "--images", own.images, "--masks", own.masks, "--workers", "0",
    ]  # fmt: skip

    def run(*more: str) -> str:
        done = subprocess.run(
            [*command, *more, "--opts", *runs.TINY, "SOLVER.EPOCHS", "1"],
            env=child_environment, capture_output=True, text=True, timeout=900,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "World size: 2" in run("--only", "stage1", "--num-processes", "2")
    out = run("--resume")
    assert "stage 1: finished already" in out and "| own_rgb_scored | stage 2 |" in out
    rows = json.loads((tmp_path / "run" / "results.json").read_text())["rows"]
    assert [row["method"] for row in rows] == ["stage 1", "pseudo labels", "stage 2"]
