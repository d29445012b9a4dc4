from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.fixture()
def tool(repository: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(repository / "tools"))
    return importlib.import_module("export_onnx")


def test_a_config_of_another_system(
    tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x.onnx"
    assert tool.main(["--config-file", "sor/tiny.yaml", "--output", str(out)]) == 2
    assert "has no ONNX export" in capsys.readouterr().err
    assert not out.exists()


def test_no_such_config(
    tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool.main(["--config-file", "sor/none.yaml", "--output", str(tmp_path / "x")]) == 2
    assert "none.yaml" in capsys.readouterr().err


def test_a_difference_is_an_error(
    tool: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(tool, "_export", lambda args: 2e-4)
    words = ["--config-file", "inspyrenet/tiny.yaml", "--output", str(tmp_path / "x")]
    assert tool.main(words) == 1
    assert "do not use it" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("size", [[], ["--size", "64", "96"]])
def test_the_small_network(
    tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], size: list[str]
) -> None:
    out = tmp_path / "below" / "tiny.onnx"
    assert tool.main(["--config-file", "inspyrenet/tiny.yaml", "--output", str(out), *size]) == 0
    printed = capsys.readouterr().out
    assert ("64 x 96" if size else "any multiples of 32") in printed
    assert "Largest difference from PyTorch" in printed
