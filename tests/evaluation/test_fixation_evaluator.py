"""The evaluator, its files, and that the tool gives the same numbers from those files."""

from __future__ import annotations

import csv
import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sor_ppa.config import get_cfg
from sor_ppa.data.fixation.sets import register_fixation_set
from sor_ppa.errors import ConfigError, DataError
from sor_ppa.evaluation import build_evaluator
from sor_ppa.evaluation.fixation_evaluator import FixationEvaluator
from tests.data.fixation.gaze_sets import SIZE_HW, write_gaze_set

pytestmark = pytest.mark.usefixtures("forget_data_sets")


@pytest.fixture
def gaze_set(tmp_path: Path) -> Path:
    write_gaze_set(tmp_path / "set", 4)
    register_fixation_set(
        "gaze", tmp_path / "set" / "image", points=str(tmp_path / "set" / "fixations.json"),
        saliency=str(tmp_path / "set" / "saliency"),
    )  # fmt: skip
    return tmp_path / "set"


def outputs(size_hw: tuple[int, int] = SIZE_HW) -> list[tuple[dict, dict]]:
    rng = torch.Generator().manual_seed(0)
    maps = [torch.rand(*size_hw, generator=rng) for _ in range(4)]
    return [({"image_id": f"p{i}"}, {"fixation": m}) for i, m in enumerate(maps)]


def evaluated(evaluator: FixationEvaluator, pairs: list) -> dict[str, float]:
    for inputs, output in pairs:
        evaluator.process([inputs], [output])
    return evaluator.evaluate()["fixation"]


def test_any_number_of_processes_and_any_order_give_the_same(gaze_set: Path) -> None:
    plain = evaluated(FixationEvaluator("gaze"), outputs())
    assert plain["images"] == 4 and 0 < plain["AUC"] < 1
    assert evaluated(FixationEvaluator("gaze"), outputs()[::-1]) == plain
    assert evaluated(FixationEvaluator("gaze", workers=2), outputs()) == plain
    twice = FixationEvaluator("gaze")
    assert evaluated(twice, [*outputs(), *outputs()]) == plain
    twice.reset()
    assert evaluated(twice, outputs()) == plain


def test_files(gaze_set: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    cfg = get_cfg()
    cfg.TEST.FIXATION.METRICS = ("NSS", "CC")
    found = evaluated(build_evaluator(cfg, "gaze", str(folder)), outputs())  # type: ignore[arg-type]
    assert list(found) == ["NSS", "CC", "images"]
    document = json.loads((folder / "metrics.json").read_text())
    assert document["runs"][0]["fixation"] == found
    assert document["rules"] == {
        "flavour": "tuebingen",
        "metrics": ["NSS", "CC"],
        "sigma": 24.0,
        "seed": 0,
    }
    rows = list(csv.DictReader((folder / "per_image.csv").open()))
    assert [row["image_id"] for row in rows] == ["p0", "p1", "p2", "p3"]
    assert np.mean([float(row["NSS"]) for row in rows]) == pytest.approx(found["NSS"])
    assert "NSS" in (folder / "metrics.md").read_text()
    assert sorted(p.name for p in folder.glob("*.png")) == ["p0.png", "p1.png", "p2.png", "p3.png"]


def test_maps_of_another_size_are_brought_to_the_images(gaze_set: Path) -> None:
    for flavour in ("tuebingen", "mit"):
        found = evaluated(FixationEvaluator("gaze", flavour=flavour), outputs((24, 32)))
        assert all(np.isfinite(value) for value in found.values())


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ({}, "fixation must be a tensor"),
        ({"fixation": torch.zeros(3)}, r"must be a tensor \(H, W\), got \(3,\)"),
        ({"fixation": torch.full((2, 2), torch.nan)}, "NaN or infinity"),
    ],
)
def test_outputs_that_are_no_map(gaze_set: Path, output: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        FixationEvaluator("gaze").process([{"image_id": "p0"}], [output])


def test_an_image_of_another_set(gaze_set: Path) -> None:
    with pytest.raises(DataError, match="'x' is not in gaze"):
        FixationEvaluator("gaze").process([{"image_id": "x"}], [{"fixation": torch.zeros(2, 2)}])
    with pytest.raises(ConfigError, match="flavour 'x'"):
        FixationEvaluator("gaze", flavour="x")


# ---- the tool


@pytest.fixture
def evaluate(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(repository / "tools"))
    return importlib.import_module("evaluate").main


def options(gaze_set: Path) -> list[str]:
    points = f"points={gaze_set / 'fixations.json'}"
    words = ("mine", str(gaze_set / "image"), "", points, f"saliency={gaze_set / 'saliency'}")
    return ["--task", "fixation", "--dataset", "mine", "--extra", repr((words,)), "--workers", "0"]


def test_the_tool_scores_saved_maps_and_baselines(
    gaze_set: Path, tmp_path: Path, evaluate: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = evaluated(FixationEvaluator("gaze", output_dir=str(tmp_path / "maps")), outputs())
    where = tmp_path / "scores"
    methods = ["--pred", str(tmp_path / "maps"), "--pred", "centre", "--pred", "mean:mine"]
    assert evaluate([*options(gaze_set), *methods, "--output", str(where)]) == 0
    assert "| mean:mine" in capsys.readouterr().out
    maps, centre, mean = json.loads((where / "metrics.json").read_text())["runs"]
    for name in ("NSS", "AUC", "CC", "SIM", "KLD", "IG"):
        assert maps["fixation"][name] == pytest.approx(plain[name], abs=2e-4), name
    assert mean["fixation"]["NSS"] > centre["fixation"]["NSS"]  # here it saw the set itself


def test_missing_and_superfluous_maps(
    gaze_set: Path, tmp_path: Path, evaluate: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    maps = tmp_path / "maps"
    evaluated(FixationEvaluator("gaze", output_dir=str(maps)), outputs())
    for name in ("metrics.json", "metrics.csv", "metrics.md", "per_image.csv", "p1.png"):
        (maps / name).unlink()
    (maps / "p0.png").rename(maps / "other.png")
    assert evaluate([*options(gaze_set), "--pred", str(maps)]) == 2
    said = capsys.readouterr().err
    assert "no map named p0.*" in said and "no map named p1.*" in said
    assert evaluate([*options(gaze_set), "--pred", str(maps), "--allow-missing"]) == 1
    assert "2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["--pred", "nowhere"], "no such folder, and neither 'centre'"),
        (["--pred", "centre", "--dataset", "nothing"], "'nothing' is not known"),
        (["--pred", "centre", "--extra", "("], "expected a tuple of tuples"),
        (["--pred", "centre", "--sigma", "0"], "--sigma above 0"),
        (["--pred", "centre", "--metrics", "EMD"], "EMD unknown"),
    ],
)
def test_arguments_that_cannot_work(
    gaze_set: Path,
    evaluate: Any,
    capsys: pytest.CaptureFixture[str],
    changes: list[str],
    words: str,
) -> None:
    assert evaluate([*options(gaze_set), *changes]) == 2
    assert words in capsys.readouterr().err
