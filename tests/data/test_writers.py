"""Atomic writing: the whole file or none."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sor_ppa.data.image_io import read_grey, read_image
from sor_ppa.data.writers import atomic_path, write_image, write_json
from sor_ppa.errors import ImageError, SaliencyError
from tests.data.pictures import smooth_rgb

BGR = smooth_rgb()[:, :, ::-1]
GREY = BGR[:, :, 0]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.txt"
    with atomic_path(path) as temporary:
        temporary.write_text("content")
        assert not path.exists()
        assert temporary.parent == path.parent and temporary.suffix == ".txt"
    assert path.read_text() == "content"
    assert names(path.parent) == ["a.txt"]


def test_old_file_stays_after_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="disk"), atomic_path(path) as temporary:
        temporary.write_text("half of the n")
        raise RuntimeError("disk full")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_old_file_is_replaced(tmp_path: Path) -> None:
    for text in ("old", "new"):
        with atomic_path(tmp_path / "a.txt") as temporary:
            temporary.write_text(text)
    assert (tmp_path / "a.txt").read_text() == "new"


def test_ordinary_permissions(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a") as temporary:
        temporary.write_text("x")
    (tmp_path / "b").write_text("x")
    modes = {stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in "ab"}
    assert len(modes) == 1


@pytest.mark.parametrize("name", ["a.png", "sub/ü 图.PNG", "x" * 251 + ".png"])
@pytest.mark.parametrize("array", [GREY, BGR, BGR[::-1, ::-1]])
def test_png_comes_back_equal(tmp_path: Path, name: str, array: np.ndarray) -> None:
    write_image(tmp_path / name, array)
    read = read_grey if array.ndim == 2 else read_image
    np.testing.assert_array_equal(read(tmp_path / name), array)


def test_jpeg_comes_back_nearly_equal(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg", BGR)
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - BGR).mean() < 2


def test_transparency_is_written(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.dstack([BGR, np.zeros_like(GREY)]))
    assert (read_image(tmp_path / "a.png") == 255).all()


def test_bool_mask_is_written_as_0_and_255(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", GREY > 99)
    np.testing.assert_array_equal(read_grey(tmp_path / "a.png"), np.where(GREY > 99, 255, 0))


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("a.png", np.zeros((0, 0), np.uint8), r"got uint8 \(0, 0\)"),
        ("a.gif", GREY, "not '.gif'"),
        ("a", GREY, "not ''"),
        ("a.png", GREY.astype(float), "got float64"),
        ("a.png", BGR[None], "got uint8"),
        ("a.png", BGR[:, :, :2], "got uint8"),
        ("a.png", [[1]], "got a list"),
        ("a.jpg", np.dstack([BGR, GREY]), "JPEG has no transparency"),
    ],
)
def test_what_cannot_be_written(tmp_path: Path, name: str, array: Any, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        write_image(tmp_path / name, array)
    assert names(tmp_path) == []


def test_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sor_ppa.data.writers.os.fsync", full)
    with pytest.raises(ImageError, match="No space left on device"):
        write_image(tmp_path / "a.png", GREY)
    with pytest.raises(SaliencyError, match="No space left on device"):
        write_json(tmp_path / "a.json", {})
    assert names(tmp_path) == []


def test_path_through_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ImageError, match="cannot be written"):
        write_image(tmp_path / "file" / "a.png", GREY)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ({}, {}),
        ([1, 2.5, "ü", None, True], [1, 2.5, "ü", None, True]),
        (
            {"a": np.float32(0.5), "b": np.int64(3), "c": np.bool_(True)},
            {"a": 0.5, "b": 3, "c": True},
        ),
        ({"a": np.arange(3), "p": Path("x") / "y"}, {"a": [0, 1, 2], "p": os.path.join("x", "y")}),
        ({"a": [float("nan"), {"b": float("inf")}]}, {"a": [None, {"b": None}]}),
        ((np.float64("nan"), np.array([1.0, np.inf])), [None, [1.0, None]]),
        ({"a": float("nan"), "b": np.array([np.nan])}, {"a": None, "b": [None]}),
    ],
)
def test_json_values(tmp_path: Path, value: Any, wanted: Any) -> None:
    write_json(tmp_path / "a.json", value)
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == wanted


def test_json_that_cannot_be(tmp_path: Path) -> None:
    loop: list[Any] = []
    loop.append(loop)
    for value in (object(), {"a": {1, 2}}, loop):
        with pytest.raises(SaliencyError, match="cannot be written"):
            write_json(tmp_path / "a.json", value)
    assert names(tmp_path) == []
