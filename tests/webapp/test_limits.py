from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from sor_ppa.data.image_io import write_image
from sor_ppa.errors import ConfigError, ImageError
from sor_ppa.webapp.limits import Limits, read_limited
from tests.data import fault_files, pictures

RGB = pictures.smooth_rgb()


def test_the_page_takes_something() -> None:
    for limits in ({"pixels": 0}, {"megabytes": 0}, {"megabytes": float("nan")}):
        with pytest.raises(ConfigError, match="--max-pixels"):
            Limits(**limits)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright(tmp_path: Path, orientation: int) -> None:
    raw = pictures.turned(RGB, orientation)
    path = pictures.save(tmp_path / "p.png", raw, exif=pictures.exif(orientation))
    image, warnings = read_limited(path, Limits())
    assert warnings == []
    np.testing.assert_array_equal(image, RGB[:, :, ::-1])


@pytest.mark.parametrize(
    ("array", "mode"),
    [
        (np.full((5, 7), 128 * 257, np.uint16), None),
        (np.full((5, 7, 4), (128, 128, 128, 255), np.uint8), "RGBA"),
        (np.full((5, 7, 4), (127, 127, 127, 0), np.uint8), "CMYK"),
    ],
)
def test_every_kind_of_picture(tmp_path: Path, array: np.ndarray, mode: str | None) -> None:
    suffix = ".tif" if mode == "CMYK" else ".png"
    image, _ = read_limited(pictures.save(tmp_path / f"p{suffix}", array, mode), Limits())
    assert image.shape == (5, 7, 3) and np.all(abs(image.astype(int) - 128) <= 1)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"<html>not found</html>", "not a picture"),
        (fault_files.cut("JPEG", 0.5), "cannot be read"),
        (fault_files.bad_checksum(), "cannot be read|damaged|checksum"),
    ],
)
def test_bad_files_are_named_without_their_folder(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "upload.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=said) as caught:
        read_limited(path, Limits())
    assert "upload.png" in str(caught.value) and str(tmp_path) not in str(caught.value)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="^gone.png: no such file$"):
        read_limited(tmp_path / "gone.png", Limits())


def test_too_large(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    write_image(path, np.zeros((20, 30, 3), np.uint8))
    assert read_limited(path, Limits(pixels=600))[0].shape == (20, 30, 3)
    with pytest.raises(ImageError, match=r"^p.png: 30 x 20 = 0.0 million pixels; this page takes"):
        read_limited(path, Limits(pixels=599))
    with pytest.raises(ImageError, match="up to 1e-05 MB and 40 million pixels"):
        read_limited(path, Limits(megabytes=1e-5))
    forged = pictures.forged_png(tmp_path / "bomb.png", 60000, 60000)
    with pytest.raises(ImageError, match="bomb.png: 60000 x 60000 = 3600.0 million pixels"):
        read_limited(forged, Limits())


def test_warnings_of_the_reader_are_handed_on(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    path.write_bytes(fault_files.animation("GIF"))
    _, warnings = read_limited(path, Limits())
    assert warnings == ["a.gif: has several frames; only the first is read"]
    assert not any(type(h).__name__ == "Ear" for h in logging.getLogger("sor_ppa.data").handlers)
