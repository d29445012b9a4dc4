"""Many files at once."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from sor_ppa.data.files import (
    all_by_stem,
    files_by_stem,
    header_sizes,
    in_threads,
    joined,
    missing_files,
    natural_key,
)
from sor_ppa.errors import ImageError
from tests.data.pictures import save


@pytest.mark.parametrize("count", [0, 1, 63, 64, 1000])
def test_in_threads_keeps_the_order(count: int) -> None:
    assert in_threads(lambda n: n * n, range(count)) == [n * n for n in range(count)]


def test_missing_files(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("a", "sub/b"):
        (tmp_path / name).write_text("x")
    names = ["a", "A", "sub/b", "sub/c", "gone/d", "nul\0/e"]
    paths = [os.path.join(tmp_path, name) for name in names]
    assert missing_files([]) == []
    assert missing_files(paths) == [not os.path.exists(p) if "\0" not in p else True for p in paths]


def test_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_text("x")
    assert missing_files(["a", "b"]) == [False, True]


def test_header_sizes(tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{n}.png") for n in range(70)]
    for n, path in enumerate(paths):
        save(Path(path), np.zeros((n + 1, 2 * n + 1), np.uint8))
    Path(paths[3]).write_text("not a picture")
    sizes = header_sizes(paths)
    assert isinstance(sizes[3], ImageError) and paths[3] in str(sizes[3])
    del sizes[3]
    assert sizes == [(n + 1, 2 * n + 1) for n in range(70) if n != 3]
    assert header_sizes([]) == []


def test_files_by_stem(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.c.PNG", "._a.png", "notes.txt", "a.png", ".DS_Store", "d"):
        (tmp_path / name).write_text("x")
    found = files_by_stem(tmp_path)
    assert {stem: Path(path).name for stem, path in found.items()} == {
        "a": "a.jpg",
        "b.c": "b.c.PNG",
    }
    assert Path(files_by_stem(tmp_path, (".png",))["a"]).name == "a.png"
    assert files_by_stem(tmp_path / "gone") == {}


def test_joined(tmp_path: Path) -> None:
    assert joined("root", "sub/a.jpg") == os.path.join("root", "sub/a.jpg")
    assert joined("root", str(tmp_path / "a.jpg")) == str(tmp_path / "a.jpg")
    assert joined("~", "a.jpg") == os.path.join(os.path.expanduser("~"), "a.jpg")


@pytest.mark.parametrize(
    "wanted",
    [
        [],
        ["2", "10", "011"],
        ["a2", "A10", "a10", "b1"],
        ["img9.png", "img10.JPG", "IMG11.jpg"],
        ["1-2-3", "1-2-10", "1-10-1"],
        ["", "0", "a", "²", "٣"],
    ],
)
def test_natural_order(wanted: list[str]) -> None:
    for start in (wanted, wanted[::-1], sorted(wanted)):
        found = sorted(start, key=natural_key)
        if wanted[:1] == [""]:  # digits of other scripts: any order, but always the same
            assert found == sorted(wanted, key=natural_key)
        else:
            assert found == wanted


def test_all_by_stem(tmp_path: Path) -> None:
    for name in ("b/1.png", "b/c/1.jpg", "1.png", "1.JPG", "x.txt", ".hidden/2.png", "b/._1.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    top = str(tmp_path)
    found = all_by_stem(top)
    assert {
        stem: [os.path.relpath(path, top) for path in paths] for stem, paths in found.items()
    } == {
        "1": ["1.JPG", "1.png"],
        "b/1": ["b/1.png"],
        "b/c/1": ["b/c/1.jpg"],
    }
    assert set(all_by_stem(top, recursive=False)) == {"1"}
    assert set(all_by_stem(top, (".jpg",))) == {"1", "b/c/1"}
    assert set(all_by_stem(top, skipped=[os.path.join(top, "b", "c")])) == {"1", "b/1"}
    assert all_by_stem(str(tmp_path / "none")) == {}
