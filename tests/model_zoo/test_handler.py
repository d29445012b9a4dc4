"""Tests of the ``sor_ppa://`` prefix in detectron2's file opener."""

from __future__ import annotations

from pathlib import Path

import pytest
from detectron2.utils.file_io import PathManager

from sor_ppa.errors import ConfigError
from sor_ppa.model_zoo import files, register_handler


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(files, "_PACKAGE", tmp_path)
    (tmp_path / "weights" / "sor").mkdir(parents=True)
    path = tmp_path / "weights" / "sor" / "tiny.md"
    path.write_text("größe\n", encoding="utf-8")
    return path


def test_paths_are_real_files(weights: Path) -> None:
    assert PathManager.get_local_path("sor_ppa://weights/sor/tiny.md") == str(weights)


def test_text_and_bytes(weights: Path) -> None:
    with PathManager.open("sor_ppa://weights/sor/tiny.md") as file:
        assert file.read() == "größe\n"
    with PathManager.open("sor_ppa://weights/sor/tiny.md", "rb") as file:
        assert file.read() == "größe\n".encode()


@pytest.mark.parametrize("mode", ["w", "wb", "a", "r+", "xb"])
def test_writing_is_refused(weights: Path, mode: str) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        PathManager.open("sor_ppa://weights/sor/tiny.md", mode)
    assert weights.read_text(encoding="utf-8") == "größe\n"


def test_questions(weights: Path) -> None:
    assert PathManager.exists("sor_ppa://weights/sor/tiny.md")
    assert PathManager.isfile("sor_ppa://weights/sor/tiny.md")
    assert PathManager.isdir("sor_ppa://weights/sor")
    assert not PathManager.exists("sor_ppa://weights/sor/big.md")
    assert PathManager.ls("sor_ppa://weights/sor") == ["tiny.md"]


def test_registering_again_is_harmless(weights: Path) -> None:
    register_handler()
    register_handler()
    assert PathManager.isfile("sor_ppa://weights/sor/tiny.md")
