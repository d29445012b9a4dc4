"""The benchmark runs, compares what it says, and its tables have the columns that bars need."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch


@pytest.fixture()
def tools(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(repository / "tools"))


def module(name: str) -> ModuleType:
    return importlib.import_module(f"benchmarks.{name}")


def options(**changes: Any) -> Namespace:
    values = {
        "size": None, "repeat": 1, "threads": 1, "device": "cpu", "fused": True, "onnx": False,
        "quick": True, "pictures": 3, "only": None, "networks": [], "config_file": None,
        "batch_size": 1, "workers": 1, "images": None, "count": None,
    }  # fmt: skip
    return Namespace(**{**values, **changes})


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture()
def run(repository: Path, child_environment: dict[str, str]) -> Run:
    def call(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(repository / "tools" / "benchmark.py"), *words]
        return subprocess.run(command, capture_output=True, text=True, env=child_environment)

    return call


@pytest.mark.slow
def test_ranking(run: Run, tmp_path: Path) -> None:
    done = run(
        "--task", "ranking", "--config-file", "sor/tiny.yaml", "--repeat", "1",
        "--size", "64", "96", "--objects", "2", "--json", str(tmp_path / "rows.json"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [row["variant"] for row in rows] == ["plain", "fused"]
    assert all(row["size"] == "64x96" and row["images/s"] > 0 for row in rows)
    assert "sor/tiny.yaml" in done.stdout


def test_an_unknown_task(run: Run) -> None:
    done = run("--task", "tea")
    assert done.returncode == 2
    assert "dense" in done.stderr


@pytest.mark.parametrize(
    ("task", "known"), [("dense", "speed, memory, folder"), ("ranking", "none")]
)
def test_an_unknown_part(run: Run, task: str, known: str) -> None:
    done = run("--task", task, "--only", "crf")
    assert done.returncode == 2
    assert f"--only crf: the parts of --task {task} are: {known}" in done.stderr


def test_every_task_can_run(repository: Path, tools: None) -> None:
    tasks = importlib.import_module("benchmark").TASKS
    assert {"ranking", "dense", "loading", "unsupervised"} <= set(tasks)
    assert all(callable(module(task).run) for task in tasks)


def test_variants_take_turns(tools: None) -> None:
    calls: list[str] = []
    variants = {name: (lambda name=name: calls.append(name)) for name in "ab"}
    times = module("machine").interleaved(variants, repeat=3, warm_up=1)
    assert calls == ["a", "b"] * 4
    assert set(times) == {"a", "b"}
    assert all(value >= 0 for medians in times.values() for value in medians.values())


def test_slow_work_takes_longer(tools: None) -> None:
    small, large = torch.ones(8, 8), torch.ones(700, 700)
    variants = {"small": lambda: small @ small, "large": lambda: large @ large}
    times = module("machine").interleaved(variants, repeat=5)
    assert times["large"]["cpu"] > times["small"]["cpu"]
    assert times["large"]["wall"] > times["small"]["wall"]


def _peak(mebibytes: int) -> float:
    held = torch.ones(mebibytes << 18)
    return module("machine").peak_memory_mib("cpu") + 0 * float(held[0])


def test_memory_is_that_of_the_process(tools: None) -> None:
    in_own_process = module("machine").in_own_process
    little, much = in_own_process(_peak, 1), in_own_process(_peak, 400)
    assert 350 < much - little < 450


def test_dense_speed(tools: None) -> None:
    rows = module("dense").speed("res2net50", options(size=[64, 96]))
    assert [row["variant"] for row in rows] == ["plain", "eager, fused"]
    plain, ours = rows
    assert plain["wall / plain"] == plain["CPU / plain"] == 1
    assert float(ours["max difference"]) <= float(ours["allowed"]) == 1e-5
    assert ours["at most"] == 0.75


def test_a_difference_would_be_seen(tools: None, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = module("plain").pair

    def spoiled(name: str) -> tuple[Any, Any]:
        plain, product = pair(name)
        product.decoder.conv5.conv.weight.data.mul_(1.2)
        return plain, product

    monkeypatch.setattr(module("plain"), "pair", spoiled)
    rows = module("dense").speed("res2net50", options(size=[64, 96]))
    assert float(rows[1]["max difference"]) > 1e-3


def test_parts(tools: None, monkeypatch: pytest.MonkeyPatch) -> None:
    dense = module("dense")
    for part in ("speed", "memory"):
        monkeypatch.setattr(dense, part, lambda name, args, part=part: [(part, name)])
    monkeypatch.setattr(dense, "folder", lambda args: ["folder"])
    both = options(networks=["a", "b"])
    assert dense.run(both) == [
        ("speed", "a"), ("memory", "a"), ("speed", "b"), ("memory", "b"), "folder",
    ]  # fmt: skip
    assert dense.run(options(networks=["a"], only=["memory"])) == [("memory", "a")]
    assert dense.run(options(networks=["a"], only=["folder"])) == ["folder"]


def test_no_checkout(tools: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module("plain"), "ROOT", tmp_path)
    with pytest.raises(SystemExit, match="plain network.*run it in a checkout"):
        module("plain").networks()


def test_photos(tools: None, tmp_path: Path) -> None:
    from sor_ppa.data.image_io import image_size

    module("dense_folder").make_photos(tmp_path / "photos", 5)
    photos = sorted((tmp_path / "photos").iterdir())
    assert [image_size(photo) for photo in photos[:3]] == [(300, 400), (400, 300), (267, 400)]
    assert len(photos) == 5
    assert all(10_000 < photo.stat().st_size < 100_000 for photo in photos)


@pytest.mark.slow
def test_folder(tools: None) -> None:
    rows = module("dense_folder").folder(options())
    assert rows[0]["pictures"] == 40
    assert rows[0]["folder images/s"] > 0
    assert rows[0]["folder / network"] > 0


@pytest.mark.slow
def test_dense_memory(tools: None) -> None:
    plain, ours = module("dense").memory("res2net50", options())
    assert plain["peak / plain"] == 1
    assert ours["peak / plain"] <= ours["at most"]
    assert ours["of it loaded"] < ours["peak MiB"]
