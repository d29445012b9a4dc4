from __future__ import annotations

import importlib.util
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision

from sor_ppa.checkpoint import read_safetensors

Tool = Callable[[list[str]], int]


@pytest.fixture()
def tool(repository: Path) -> Tool:
    path = repository / "tools" / "convert_checkpoint.py"
    spec = importlib.util.spec_from_file_location("convert_checkpoint", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def test_converts_an_imagenet_backbone_for_a_config(
    tool: Tool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(torchvision.models.mobilenet_v2().state_dict(), tmp_path / "m.pth")
    out = tmp_path / "out.safetensors"
    assert tool([str(tmp_path / "m.pth"), str(out), "--half", "--config", "sor/tiny.yaml"]) == 0
    printed = capsys.readouterr().out
    assert "an ImageNet MobileNetV2" in printed
    assert "dropped: no such layer here" in printed
    payload = read_safetensors(str(out))
    assert payload["__metadata__"]["config"] == "sor/tiny.yaml"
    assert len(payload["model"]) == 255
    assert sorted(os.listdir(tmp_path)) == ["m.pth", "out.safetensors"]


def test_a_pickle_is_refused_in_one_line(
    tool: Tool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "w.pkl").write_bytes(pickle.dumps({"model": {}, "__author__": "x"}))
    assert tool([str(tmp_path / "w.pkl"), str(tmp_path / "o.safetensors")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("CheckpointError: ") and "--allow-pickle" in error
    assert error.count("\n") == 1
    assert os.listdir(tmp_path) == ["w.pkl"]
