"""The reader of masks."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sor_ppa.data import mask_io
from sor_ppa.data.mask_io import mask_values, read_grey_mask, read_mask
from sor_ppa.errors import ConfigError, ImageError

MASK = np.zeros((6, 9), np.uint8)
MASK[1:4, 2:7] = 255


@pytest.fixture(autouse=True)
def warned() -> Iterator[None]:
    mask_io._warned.clear()
    yield
    mask_io._warned.clear()


def saved(path: Path, array: np.ndarray, mode: str | None = None) -> Path:
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path)
    return path


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "LA", "RGBA"])
def test_any_pixel_format(tmp_path: Path, mode: str, caplog: pytest.LogCaptureFixture) -> None:
    path = saved(tmp_path / "a.png", MASK, mode)
    np.testing.assert_array_equal(read_grey_mask(path), MASK)
    np.testing.assert_array_equal(read_mask(path), MASK / np.float32(255))
    assert read_mask(path).dtype == np.float32
    assert not caplog.text


def test_16_bit(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", MASK.astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_grey_mask(path), MASK)


def test_0_and_1_are_stretched_with_one_warning_a_folder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a.png", "b.png"):
        path = saved(tmp_path / name, MASK // 255)
        np.testing.assert_array_equal(read_grey_mask(path), MASK)
    assert caplog.text.count("values 0 and 1") == 1 and "a.png" in caplog.text
    (tmp_path / "sub").mkdir()
    read_grey_mask(saved(tmp_path / "sub" / "c.png", MASK // 255))
    assert caplog.text.count("values 0 and 1") == 2


@pytest.mark.parametrize("grey", [0, 2, 255])
def test_masks_of_one_grey_stay(tmp_path: Path, grey: int) -> None:
    path = saved(tmp_path / "a.png", np.full((3, 4), grey, np.uint8))
    assert (read_grey_mask(path) == grey).all()


def test_palette_of_object_numbers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    image = Image.fromarray(np.array([[0, 1, 2, 3]], np.uint8))
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 0, 0, 0])
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_grey_mask(tmp_path / "a.png"), [[0, 255, 255, 255]])
    assert "palette of colours" in caplog.text


def test_palette_of_greys_means_its_greys(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8))
    image.putpalette([255, 255, 255, 0, 0, 0, 100, 101, 99])
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_grey_mask(tmp_path / "a.png"), [[255, 0, 100]])


def test_unused_colours_of_a_palette_do_not_count(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8))
    image.putpalette([9, 9, 9, 200, 200, 200, 255, 0, 0])
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_grey_mask(tmp_path / "a.png"), [[9, 200]])


def test_jpeg_masks_are_cut(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(MASK).save(path, quality=60)
    assert len(np.unique(read_grey_mask(path))) > 2
    for mode in ("soft", "minmax", "threshold"):
        np.testing.assert_array_equal(read_mask(path, mode=mode), MASK / 255)
    assert caplog.text.count("is a JPEG") == 1
    # Noise of an empty mask.
    Image.fromarray(np.ones((4, 4), np.uint8)).save(tmp_path / "b.jpg")
    assert read_grey_mask(tmp_path / "b.jpg").max() <= 1


@pytest.mark.parametrize("size_hw", [(12, 18), (3, 5), (6, 10), (1, 1)])
def test_other_sizes(
    tmp_path: Path, size_hw: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    soft = np.where(MASK > 0, 180, 20).astype(np.uint8)
    path = saved(tmp_path / "a.png", soft)
    found = read_grey_mask(path, size_hw)
    assert found.shape == size_hw and set(np.unique(found)) <= {20, 180}
    # Nearest: the source pixel in which the centre of the target pixel lies.
    rows = ((np.arange(size_hw[0]) + 0.5) * 6 / size_hw[0]).astype(int)
    columns = ((np.arange(size_hw[1]) + 0.5) * 9 / size_hw[1]).astype(int)
    np.testing.assert_array_equal(found, soft[rows][:, columns])
    read_grey_mask(path, size_hw)
    expected = f"is 6 x 9 (height x width), its picture {size_hw[0]} x {size_hw[1]}"
    assert caplog.text.count(expected) == 1


def test_right_size_is_not_mentioned(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        read_mask(saved(tmp_path / "a.png", MASK), MASK.shape)
    assert "sor_ppa" not in caplog.text


def test_values_of_the_modes() -> None:
    grey = np.array([[50, 127, 128, 150]], np.uint8)
    np.testing.assert_allclose(mask_values(grey), grey / 255, atol=1e-7)
    np.testing.assert_array_equal(mask_values(grey, "threshold"), [[0, 0, 1, 1]])
    np.testing.assert_array_equal(mask_values(grey, "threshold", 128), [[0, 0, 0, 1]])
    np.testing.assert_allclose(mask_values(grey, "minmax"), (grey - 50) / 100, atol=1e-7)
    for value in (0, 51, 255):  # nothing to stretch
        flat = np.full((2, 2), value, np.uint8)
        np.testing.assert_allclose(mask_values(flat, "minmax"), value / 255, atol=1e-7)
    with pytest.raises(ConfigError, match="soft, threshold, minmax, got 'hard'"):
        mask_values(grey, "hard")


def test_union_of_several_files(tmp_path: Path) -> None:
    first = saved(tmp_path / "a.png", MASK)
    second = saved(tmp_path / "b.png", np.ascontiguousarray(MASK[::-1]) // 255)
    np.testing.assert_array_equal(read_grey_mask([first, second]), np.maximum(MASK, MASK[::-1]))
    np.testing.assert_array_equal(read_grey_mask([first]), MASK)


def test_faulty_files(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"nothing")
    for path in (tmp_path / "a.png", tmp_path / "none.png"):
        with pytest.raises(ImageError, match=path.name):
            read_mask(path)
    with pytest.raises(ConfigError, match="got 'x'"):
        read_mask(saved(tmp_path / "b.jpg", MASK), mode="x")
    with pytest.raises(ImageError, match="above the limit of 53"):
        read_mask(saved(tmp_path / "c.png", MASK), max_pixels=53)
