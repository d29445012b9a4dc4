"""The benchmark of saliency without labels compares what it says, in time and in numbers."""

from __future__ import annotations

import importlib
from argparse import Namespace
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

from sor_ppa.errors import ConfigError


@pytest.fixture(autouse=True)
def tools(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(repository / "tools"))


def module(name: str = "unsupervised") -> ModuleType:
    return importlib.import_module(f"benchmarks.{name}")


def options(**changes: Any) -> Namespace:
    values = {
        "size": [64, 64], "repeat": 1, "threads": 1, "device": "cpu", "fused": True, "quick": True,
        "only": None, "batch_size": 2, "workers": 1, "images": None, "count": 2,
    }  # fmt: skip
    return Namespace(**{**values, **changes})


@pytest.mark.parametrize(
    ("name", "sizes", "at_most"),
    [("A2S", "-26 +26", 0.5), pytest.param("MIDNet", "64x64", 0.8, marks=pytest.mark.slow)],
)
def test_steps(name: str, sizes: str, at_most: float) -> None:
    row = module().steps(name, options())
    assert (row["step"], row["sizes"], row["batch"]) == (name, sizes, 2)
    assert row["plain CPU ms"] > row["ours CPU ms"] > 0
    assert row["at most"] == at_most
    assert float(row["loss differs"]) <= float(row["allowed"]) == 1e-5
    assert 0 < float(row["gradient differs"]) < 1e-10
    assert 1e-10 < float(row["in float32"]) < 1e-3


def test_a_difference_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    from sor_ppa.modeling.meta_arch.a2s import A2S

    monkeypatch.setattr(A2S, "_matching", lambda self, saliency, stack: saliency.mean())
    row = module().steps("A2S", options())
    assert float(row["loss differs"]) > 1e-2
    assert float(row["gradient differs"]) > 1e-2


def test_inference() -> None:
    rows = module().inference(options(fused=False))
    assert [row["network"] for row in rows] == ["A2S", "CoRNet", "MIDNet"]
    assert all(row["images/s"] > 0 and row["size"] == "64x64" for row in rows)


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (None, [("A2S",), ("MIDNet",), "inference", "crf"]),
        (["crf"], ["crf"]),
        (["steps"], [("A2S",), ("MIDNet",)]),
    ],
)
def test_parts(
    monkeypatch: pytest.MonkeyPatch, only: list[str] | None, expected: list[Any]
) -> None:
    monkeypatch.setattr(module(), "steps", lambda name, args: (name,))
    for part in ("inference", "crf"):
        monkeypatch.setattr(module(), part, lambda args, part=part: [part])
    assert module().run(options(only=only)) == expected


@pytest.mark.slow
def test_crf_counts_pictures_a_second() -> None:
    pytest.importorskip("scipy")
    rows = module("unsupervised_crf").crf(options())
    assert [(row["CRF"], row["at least"]) for row in rows] == [("compiled", 8), ("scipy", 3)]
    ours = rows[1]
    assert ours["pictures"] == 2
    assert ours["images/CPU s"] > 0
    assert ours["x processes"] == ours["images/CPU s"]


def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(jobs: Any, backend: str, workers: int) -> tuple[float, float]:
        if backend == "compiled":
            raise ConfigError("pip install it")
        return len(jobs) / 4, len(jobs) / 3

    monkeypatch.setattr(module("unsupervised_crf"), "measure", measure)
    compiled, ours = module("unsupervised_crf").crf(options(workers=2))
    assert list(compiled) == list(ours)
    assert compiled["images/s"] == "not installed"
    assert (ours["images/s"], ours["images/CPU s"], ours["x processes"]) == (4, 3, 6)


def test_scenes() -> None:
    make_scene = module("unsupervised_crf").make_scene
    scene = make_scene(60, 80, 3)
    assert scene.shape == (60, 80, 3)
    assert scene.dtype == np.uint8
    np.testing.assert_array_equal(scene, make_scene(60, 80, 3))
    assert (scene != make_scene(60, 80, 4)).any()


def test_own_photos(tmp_path: Path) -> None:
    for index in range(3):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((10, 20, 3), index, np.uint8))
    jobs = module("unsupervised_crf").make_jobs(tmp_path, 2, (16, 24))
    assert [int(image.max()) for image, _ in jobs] == [0, 1]
    for image, guess in jobs:
        assert image.shape == (16, 24, 3)
        assert guess.shape == (16, 24)
        assert guess.dtype == bool
