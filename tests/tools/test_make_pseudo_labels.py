"""The tool that labels training sets: its command line, and what Ctrl-C and a kill leave behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.pseudo_labels.labeller import options, write_pictures

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

import make_pseudo_labels

pytestmark = pytest.mark.usefixtures("forget_data_sets")

NAME = "tool_set"
COUNT = 24


@pytest.fixture()
def arguments(tmp_path: Path) -> list[str]:
    """A command line but for its options: an empty config file, and all in KEY VALUE pairs."""
    config = tmp_path / "config.yaml"
    config.write_text("VERSION: 2\n")
    sets = [(NAME, str(tmp_path / "pictures"), "")]
    return [
        "--config-file", str(config), "--root", str(tmp_path / "out"), "--quiet",
        *options(sets=sets),
    ]  # fmt: skip


def with_options(arguments: list[str], *further: str) -> list[str]:
    """Options stand before the pairs."""
    return [*arguments[:5], *further, *arguments[5:]]


def labels_in(tmp_path: Path) -> list[Path]:
    # What is being written has a name that starts with a dot.
    return sorted((tmp_path / "out" / "rgb" / NAME).glob("[!.]*.png"))


def test_labels_and_table(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(tmp_path / "pictures", 3)
    further = ["--workers", "0", "--batch-size", "2", "--sheet", str(tmp_path / "sheet.jpg")]
    assert make_pseudo_labels.main(with_options(arguments, *further, "--datasets", f"{NAME},")) == 0
    assert [path.name for path in labels_in(tmp_path)] == ["0.png", "1.png", "2.png"]
    assert (tmp_path / "sheet.jpg").is_file()
    row = capsys.readouterr().out.splitlines()[-1]
    assert [cell.strip() for cell in row.strip("|").split("|")][:4] == [NAME, "3", "3", "0"]


def test_scores_are_shown(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(write_pictures(tmp_path / "pictures", 2))
    Path(tmp_path / "masks").mkdir()
    for number in range(2):
        grey = Image.open(tmp_path / "pictures" / f"{number}.png").convert("L")
        grey.point(lambda level: 255 * (level > 120)).save(tmp_path / "masks" / f"{number}.png")
    sets = (("scored", folder, str(tmp_path / "masks")),)
    pairs = ["DATASETS.EXTRA", repr(sets), "DATASETS.TRAIN", "('scored',)"]
    command = with_options(arguments, "--workers", "0", "--score")
    assert make_pseudo_labels.main([*command, *pairs]) == 0
    head, _, row = capsys.readouterr().out.splitlines()[-3:]
    cells = dict(zip(*([c.strip() for c in line.split("|")] for line in (head, row)), strict=True))
    assert float(cells["MAE"]) < 0.1 and float(cells["adpFm"]) > 0.8


def test_left_out_pictures_change_the_status(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(tmp_path / "pictures", 3)
    (tmp_path / "pictures" / "1.png").write_bytes(b"no picture")
    assert make_pseudo_labels.main(with_options(arguments, "--workers", "0")) == 1
    assert [path.name for path in labels_in(tmp_path)] == ["0.png", "2.png"]
    assert make_pseudo_labels.main(with_options(arguments, "--workers", "0", "--strict")) == 2
    assert "1.png: not a picture" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("further", "text"),
    [
        (["--datasets", "no_such_set"], "error: Data set 'no_such_set' is not registered"),
        (["--workers", "-1"], "error: the number of workers"),
    ],
)
def test_errors(
    tmp_path: Path,
    arguments: list[str],
    further: list[str],
    text: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_pictures(tmp_path / "pictures", 1)
    assert make_pseudo_labels.main(with_options(arguments, *further)) == 2
    assert text in capsys.readouterr().err


def start(
    tmp_path: Path, arguments: list[str], environment: dict[str, str]
) -> subprocess.Popen[str]:
    """Starts the tool with two workers on pictures that take their time; returns in the middle."""
    further = ["--workers", "2", "--loader-workers", "1", "--batch-size", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.pseudo_labels.labeller", *with_options(arguments, *further)],
        env={**environment, "LABELLER_PAUSE": "0.3"},
        cwd=Path(__file__).parents[2],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell that runs the tests in the background has SIGINT ignored in all its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and len(labels_in(tmp_path)) < 3 and process.poll() is None:
        time.sleep(0.02)
    return process


def group_is_gone(group: int) -> bool:
    """Whether all processes of a session have ended, within some seconds."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)]
)
def test_stopped_in_the_middle(
    tmp_path: Path, arguments: list[str], child_environment: dict[str, str], number: signal.Signals
) -> None:
    write_pictures(tmp_path / "pictures", COUNT)
    process = start(tmp_path, arguments, child_environment)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does: to all processes
    else:
        process.kill()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -number), errors
    assert "Traceback" not in errors
    assert group_is_gone(process.pid)
    before = {path: path.stat().st_mtime_ns for path in labels_in(tmp_path)}
    assert 3 <= len(before) < COUNT
    ledger = json.loads((tmp_path / "out" / "rgb" / NAME / "labels.json").read_text())
    assert not ledger["complete"]
    assert make_pseudo_labels.main(with_options(arguments, "--workers", "0")) == 0
    assert len(labels_in(tmp_path)) == COUNT
    assert {path: path.stat().st_mtime_ns for path in before} == before
    ledger = json.loads((tmp_path / "out" / "rgb" / NAME / "labels.json").read_text())
    assert ledger["complete"] and ledger["made_by_last_run"] == COUNT - len(before)
