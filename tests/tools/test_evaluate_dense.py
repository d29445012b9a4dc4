from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sor_ppa.data.image_io import read_grey, write_image
from sor_ppa.evaluation.dense import PROTOCOLS
from tests.evaluation import dense_sets
from tests.evaluation.dense_sets import COUNT, names, registered_dense

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import evaluate  # noqa: E402


@pytest.fixture()
def root(tmp_path: Path) -> Path:
    dense_sets.write_set(tmp_path)
    return tmp_path


def _run(root: Path, *more: str, pred: str | None = None) -> int:
    arguments = ["--task", "dense", "--pred", pred or str(root / "maps")]
    return evaluate.main([*arguments, "--gt", str(root / "masks"), "--workers", "0", *more])


def _document(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "metrics.json").read_text())


@pytest.mark.parametrize("which", ["maps", "masks", "neither"])
def test_empty_folders(root: Path, which: str, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "nothing").mkdir()
    pred = str(root / "nothing") if which == "maps" else None
    gt = ["--gt", str(root / "nothing")] if which == "masks" else []
    if which == "neither":
        pred = str(root / "nowhere")
    assert _run(root, *gt, pred=pred) == 2
    assert "error:" in capsys.readouterr().err


def test_all_protocols(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = root / "out"
    assert _run(root, "--protocol", "all", "--output", str(output)) == 0
    document = _document(output)
    assert [run["protocol"]["name"] for run in document["runs"]] == list(PROTOCOLS)
    assert all(run["sod"]["images"] == COUNT for run in document["runs"])
    assert len(document["runs"][0]["curves"]["precision"]) == 256
    table = capsys.readouterr().out
    assert table.startswith("| method | protocol | Sm | MAE |") and "| maps | a2s |" in table
    assert (output / "metrics.md").read_text() in table
    rows = list(csv.DictReader((output / "per_image.csv").open()))
    assert len(rows) == 3 * COUNT and {row["image"] for row in rows} == set(names())
    with (output / "metrics.csv").open() as file:
        first = next(csv.DictReader(file))
    assert float(first["Sm"]) == document["runs"][0]["sod"]["Sm"]
    for kind in ("pr", "f"):
        for protocol in PROTOCOLS:
            assert np.ptp(read_grey(output / f"{kind}_{protocol}.png")) > 100


@pytest.mark.parametrize("names_", [["pysod", "a2s"], ["pysod,a2s"], ["pysod,", "a2s", "pysod"]])
def test_both_protocols_in_one_table(
    root: Path, names_: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(root, "--protocol", *names_, "--no-plots", "--output", str(root / "out")) == 0
    heads, _, *rows = capsys.readouterr().out.split("\n\n")[0].splitlines()
    assert len(rows) == 2 and "| Dis |" in heads and "| avgEm |" in heads
    runs = _document(root / "out")["runs"]
    assert [run["protocol"]["name"] for run in runs] == ["pysod", "a2s"]
    assert runs[1]["sod"]["binIoU"] > 0 and "binIoU" in runs[0]["sod"]


def test_as_the_evaluator_scored_them(root: Path) -> None:
    """Saved maps scored later give the numbers of the run that saved them."""
    with registered_dense("dense_cli", dense_sets.dataset_dicts(root)):
        out = root / "run"
        results = dense_sets.evaluate("dense_cli", list(range(COUNT)), output_dir=str(out))
        assert _run(root, "--output", str(root / "later"), pred=str(out)) == 0
        arguments = ["--task", "dense", "--pred", str(out), "--dataset", "dense_cli"]
        assert evaluate.main([*arguments, "--workers", "0", "--output", str(root / "b")]) == 0
    for folder in ("later", "b"):
        assert _document(root / folder)["runs"][0]["sod"] == results["sod"]


def test_any_number_of_workers(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sor_ppa.evaluation.dense_folders._CHUNK", 2)
    written = []
    for workers in ("0", "2", "3"):
        folder = root / workers
        assert _run(root, "--workers", workers, "--no-plots", "--output", str(folder)) == 0
        files = sorted(folder.iterdir())
        assert len(files) == 4
        written.append([path.read_bytes() for path in files])
    assert written[0] == written[1] == written[2]


def test_several_methods(root: Path) -> None:
    for index, name in enumerate(names()):
        write_image(root / "perfect" / f"{name}.png", dense_sets.pair(index)[1])
    output = root / "out"
    more = ["--pred", f"oracle={root / 'perfect'}", "--metrics", "sm", "maxFm"]
    assert _run(root, *more, "--output", str(output), pred=f"ours={root / 'maps'}") == 0
    runs = _document(output)["runs"]
    assert [run["method"] for run in runs] == ["ours", "oracle"]
    assert runs[1]["sod"]["maxFm"] == 1 and "MAE" not in runs[1]["sod"]
    assert runs[0]["sod"]["Sm"] < runs[1]["sod"]["Sm"] <= 1


def test_same_name_twice(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(root, "--pred", str(root / "maps")) == 2
    assert "NAME=FOLDER" in capsys.readouterr().err


def test_missing_and_extra_maps(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "maps" / "picture_1.png").rename(root / "maps" / "stranger.png")
    assert _run(root) == 2
    assert "no map for picture_1" in capsys.readouterr().err
    output = root / "out"
    assert _run(root, "--allow-missing", "--output", str(output)) == 1
    document = _document(output)
    assert document["left_out"]["missing"] == ["maps: no map for picture_1"]
    assert document["left_out"]["extra"] == ["maps: stranger has no mask"]
    assert document["runs"][0]["sod"]["images"] == COUNT - 1


@pytest.mark.parametrize("where", ["maps", "masks"])
@pytest.mark.parametrize("workers", ["0", "2"])
def test_damaged_files(
    root: Path, where: str, workers: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / where / "picture_3.png").write_bytes(b"no picture")
    assert _run(root, "--workers", workers) == 2
    assert "picture_3.png" in capsys.readouterr().err
    assert _run(root, "--workers", workers, "--allow-missing", "--output", str(root / "out")) == 1
    assert _document(root / "out")["runs"][0]["sod"]["images"] == COUNT - 1


def test_another_size(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_image(root / "maps" / "picture_1.png", np.zeros((9, 10), np.uint8))
    assert _run(root) == 2
    assert "9 x 10 (H x W), its mask 31 x 40" in capsys.readouterr().err
    assert _run(root, "--resize") == 0
    assert _run(root, "--protocol", "a2s") == 0  # does so as published
    assert _run(root, "--protocol", "a2s", "pysod") == 2


def test_masks_beside_pictures(root: Path) -> None:
    """In one folder the PNG is the mask, the JPEG of that stem the picture."""
    for index, name in enumerate(names()):
        write_image(root / "masks" / f"{name}.jpg", dense_sets.pair(index)[0])
    assert _run(root, "--output", str(root / "out")) == 0
    assert _document(root / "out")["runs"][0]["sod"]["images"] == COUNT


def test_oracle(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("py_sod_metrics")
    assert _run(root, "--oracle", "3") == 0
    table = capsys.readouterr().out.split("Largest differences")[1]
    assert "| maps     |        3 |" in table


def test_oracle_finds_a_difference(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("py_sod_metrics")
    monkeypatch.setattr("sor_ppa.evaluation.sod.weighted._DECAY", np.ones(1 << 16))
    assert _run(root, "--oracle") == 1
    assert "more than rounding explains" in caplog.text


@pytest.mark.parametrize(
    "more, message",
    [
        (["--workers", "-1"], "--workers"),
        (["--oracle", "-1"], "--oracle"),
        (["--metrics", "auc"], "'auc'"),
        (["--protocol", "pysod,best"], "'best'"),
    ],
)
def test_user_errors(
    root: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(root, *more) == 2
    assert message in capsys.readouterr().err


def test_unknown_data_set(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--task", "dense", "--pred", "x", "--dataset", "nothing_like_it"]
    assert evaluate.main(arguments) == 2
    assert "duts" in capsys.readouterr().err


def test_as_a_program(root: Path, repository: Path, child_environment: dict[str, str]) -> None:
    command = [sys.executable, str(repository / "tools" / "evaluate.py"), "--task", "dense"]
    command += ["--pred", str(root / "maps"), "--gt", str(root / "masks")]
    done = subprocess.run(
        command, env=child_environment, cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("| method | protocol |")
