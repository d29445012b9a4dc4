"""The reader: every form of a picture gives the same pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sor_ppa.data.image_io import image_size, read_grey, read_image
from sor_ppa.errors import ImageError
from tests.data.pictures import HEIGHT, WIDTH, exif, png, save, smooth_rgb, turned

RGB = smooth_rgb()
GREY = RGB[:, :, 0]


def rgb_of(path: Path) -> np.ndarray:
    return read_image(path, format="RGB").astype(int)


def test_bgr_is_rgb_reversed(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", RGB)
    bgr = read_image(path)
    assert bgr.dtype == np.uint8 and bgr.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(bgr[:, :, ::-1], RGB)
    np.testing.assert_array_equal(read_image(path, format="RGB"), RGB)


def test_unknown_channel_order_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="'BGR' or 'RGB', got 'YUV'"):
        read_image(save(tmp_path / "a.png", RGB), format="YUV")


def test_16_bit_mask_of_0_and_65535_is_0_and_255(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.where(GREY > 99, 65535, 0).astype(np.uint16))
    np.testing.assert_array_equal(read_grey(tmp_path / "a.png"), np.where(GREY > 99, 255, 0))


@pytest.mark.parametrize(("channels", "colour_type"), [(3, 2), (4, 6), (2, 4), (1, 0)])
def test_16_bit_colour_is_scaled(tmp_path: Path, channels: int, colour_type: int) -> None:
    rgb = RGB[:, :, :1] if channels < 3 else RGB
    parts = [rgb.astype(np.uint16) * 257]
    if channels in (2, 4):
        parts.append(np.full((HEIGHT, WIDTH, 1), 65535, dtype=np.uint16))
    path = png(tmp_path / "a.png", np.concatenate(parts, axis=2), colour_type)
    assert np.abs(rgb_of(path) - rgb).max() <= 1


def test_transparent_grey_of_16_bit_becomes_white(tmp_path: Path) -> None:
    wide = GREY.astype(np.uint16) * 257
    save(tmp_path / "a.png", wide, transparency=int(wide[0, 0]))
    found = rgb_of(tmp_path / "a.png")
    assert (found[wide == wide[0, 0]] == 255).all()
    assert (found[wide != wide[0, 0]][:, 0] == GREY[wide != wide[0, 0]]).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_exif_orientation_is_applied(tmp_path: Path, suffix: str, orientation: int) -> None:
    path = tmp_path / f"a{suffix}"
    options = {".jpg": {"quality": 100, "subsampling": 0}, ".webp": {"lossless": True}}
    save(path, turned(RGB, orientation), exif=exif(orientation), **options.get(suffix, {}))
    found = rgb_of(path)
    assert found.shape == RGB.shape
    assert np.abs(found - RGB).mean() < 2
    assert image_size(path) == (HEIGHT, WIDTH)
    grey = read_grey(path)
    assert np.abs(grey.astype(int) - np.asarray(Image.fromarray(RGB).convert("L"))).mean() < 2


def test_orientation_out_of_range_is_passed_over(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", RGB, exif=exif(9))
    assert read_image(path).shape == RGB.shape
    assert image_size(path) == (HEIGHT, WIDTH)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"II*\0",
        b"II*\0\xff\xff\xff",
        b"II*\0\x08\0\0\0\x09\0\x12\x01",
        b"MM\0*" + b"\xff" * 60,
    ],
)
def test_cut_exif_is_passed_over(tmp_path: Path, block: bytes) -> None:
    path = save(tmp_path / "a.jpg", RGB, exif=b"Exif\0\0" + block)
    assert read_image(path).shape == RGB.shape
    assert image_size(path) == (HEIGHT, WIDTH)


def test_wrong_suffix_does_not_matter(tmp_path: Path) -> None:
    save(tmp_path / "a.png", RGB).rename(tmp_path / "a.jpg")
    np.testing.assert_array_equal(rgb_of(tmp_path / "a.jpg"), RGB)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_masks_are_the_same_in_any_mode(tmp_path: Path, mode: str) -> None:
    mask = np.where(GREY > 99, 255, 0).astype(np.uint8)
    save(tmp_path / "a.png", mask, mode)
    np.testing.assert_array_equal(read_grey(tmp_path / "a.png"), mask)


def test_transparent_parts_of_a_mask_are_0(tmp_path: Path) -> None:
    image = Image.new("RGBA", (4, 2), (255, 255, 255, 0))
    image.putpixel((1, 1), (255, 255, 255, 255))
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_grey(tmp_path / "a.png"), [[0, 0, 0, 0], [0, 255, 0, 0]])
