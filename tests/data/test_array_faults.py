"""Arrays that are no pictures, and writing that fails: numbers 28 to 32 of the table of faults.

The numbers before are in ``test_reader_faults.py``.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sor_ppa.data.image_io import check_image_array, read_image, write_image
from sor_ppa.errors import ImageError
from tests.data.fault_files import RGB
from tests.data.pictures import save

GOOD = np.zeros((4, 5, 3), np.uint8)
ARRAYS: list[tuple[object, str]] = [
    (np.zeros((0, 0, 3), np.uint8), r"got uint8 \(0, 0, 3\)"),
    (None, "got a NoneType"),
    ([[[0, 0, 0]]], "got a list"),
    (GOOD.astype(np.float32), "got float32.*scale it to 0..255"),
    (np.full((4, 5, 3), np.nan), "without NaN"),
    (np.full((4, 5, 3), np.inf), "without NaN or infinity"),
    (GOOD.astype(np.int64), "got int64"),
    (GOOD[:, :, 0], r"got uint8 \(4, 5\)"),
    (np.zeros((4, 5, 4), np.uint8), r"got uint8 \(4, 5, 4\)"),
    (GOOD.transpose(2, 0, 1), "move the channels to the end"),
    (GOOD[None], r"got uint8 \(1, 4, 5, 3\)"),
]


@pytest.mark.parametrize(("array", "message"), ARRAYS)
def test_28_arrays_that_are_no_pictures(array: object, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        check_image_array(array, name="frame 7")


@pytest.mark.parametrize("view", [np.s_[::-1], np.s_[:, ::-1], np.s_[::2, 1:], np.s_[:, :, ::-1]])
def test_28_arrays_of_any_strides(view: tuple[slice, ...]) -> None:
    found = check_image_array(RGB[view])
    assert found.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(found, RGB[view])


@pytest.mark.parametrize("number", [28, 30])  # no space left on device, read-only file system
def test_31_nothing_is_left_where_writing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    save(tmp_path / "old.png", RGB)
    before = (tmp_path / "old.png").read_bytes()

    def fail(self: Image.Image, path: Path, **_: object) -> None:
        path.write_bytes(b"the first bytes of a picture")
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Image.Image, "save", fail)
    for name in ("old.png", "new.png"):
        with pytest.raises(ImageError, match=f"{name}: cannot be written: .*{os.strerror(number)}"):
            write_image(tmp_path / name, RGB)
    assert os.listdir(tmp_path) == ["old.png"]
    assert (tmp_path / "old.png").read_bytes() == before


@pytest.mark.parametrize("name", ["ü ñ 图.png", "-a.png", "with space.png", "x" * 250 + ".png"])
def test_32_any_name(tmp_path: Path, name: str) -> None:
    write_image(tmp_path / name, RGB)
    np.testing.assert_array_equal(read_image(tmp_path / name), RGB)
    assert os.listdir(tmp_path) == [name]
