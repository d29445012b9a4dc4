"""The reader: every form of a picture gives the same pixels."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sor_ppa.data.image_io import check_image_array, image_size, read_grey, read_image
from sor_ppa.errors import ImageError
from tests.data.pictures import HEIGHT, WIDTH, cmyk_jpeg, exif, png, save, smooth_rgb, turned

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


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_modes_equal_the_same_picture_in_rgb(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(RGB).convert(mode)
    image.save(tmp_path / "a.png")
    wanted = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(rgb_of(tmp_path / "a.png") - wanted).max() <= 1


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparency_is_laid_on_white(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(RGB).convert(mode)
    alpha = np.broadcast_to(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, WIDTH))
    image.putalpha(Image.fromarray(np.ascontiguousarray(alpha)))
    image.save(tmp_path / "a.png")
    share = alpha[:, :, None] / 255
    wanted = np.asarray(Image.fromarray(RGB).convert(mode[:-1]).convert("RGB")) * share
    wanted = wanted + 255 * (1 - share)
    found = rgb_of(tmp_path / "a.png")
    assert np.abs(found - wanted).max() <= 1
    assert (found[:, 0] == 255).all()  # wholly transparent: no trace of the hidden colour


def test_palette_with_transparency_is_laid_on_white(tmp_path: Path) -> None:
    image = Image.fromarray(RGB).quantize(8)
    image.save(tmp_path / "a.png", transparency=3)
    wanted = np.asarray(image.convert("RGB")).copy()
    wanted[np.asarray(image) == 3] = 255
    np.testing.assert_array_equal(rgb_of(tmp_path / "a.png"), wanted)


def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    wide = np.arange(HEIGHT * WIDTH, dtype=np.uint16).reshape(HEIGHT, WIDTH) * 68
    save(tmp_path / "a.png", wide)
    save(tmp_path / "a.tif", wide)
    for name in ("a.png", "a.tif"):
        grey = read_grey(tmp_path / name)
        assert np.abs(grey - wide / 257.0).max() <= 0.5
        np.testing.assert_array_equal(rgb_of(tmp_path / name)[:, :, 1], grey)


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


@pytest.mark.parametrize("kind", ["adobe", "plain", "ycck"])
def test_cmyk_jpeg_keeps_its_colours(tmp_path: Path, kind: str) -> None:
    path = cmyk_jpeg(tmp_path / "a.jpg", RGB, kind=kind)
    with Image.open(path) as image:
        assert image.mode == "CMYK"
        assert ("adobe" in image.info) == (kind != "plain")
    assert np.abs(rgb_of(path) - RGB).max() <= 3


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


def test_broken_exif_is_passed_over_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = save(tmp_path / "a.jpg", RGB, exif=b"Exif\0\0not a TIFF header")
    with caplog.at_level(logging.WARNING):
        assert read_image(path).shape == RGB.shape
    assert "broken EXIF" in caplog.text and "a.jpg" in caplog.text
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


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".tif"])
def test_first_frame_of_an_animation_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, suffix: str
) -> None:
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "blue", "lime")]
    path = tmp_path / f"a{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with caplog.at_level(logging.WARNING):
        found = rgb_of(path)
    assert np.abs(found - [255, 0, 0]).max() <= 3
    assert "several frames" in caplog.text


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 9), (9, 1), (2, 2), (127, 331), (16, 4000)])
def test_any_size(tmp_path: Path, size_hw: tuple[int, int]) -> None:
    path = save(tmp_path / "a.png", np.zeros((*size_hw, 3), np.uint8))
    assert read_image(path).shape == (*size_hw, 3)
    assert read_grey(path).shape == size_hw
    assert image_size(path) == size_hw


def test_colour_profile_is_no_obstacle(tmp_path: Path) -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    np.testing.assert_array_equal(rgb_of(save(tmp_path / "a.png", RGB, icc_profile=profile)), RGB)


@pytest.mark.parametrize("name", ["ü ñ 图.png", "-a.png", "with space.png", "x" * 250 + ".png"])
def test_any_name(tmp_path: Path, name: str) -> None:
    np.testing.assert_array_equal(rgb_of(save(tmp_path / name, RGB)), RGB)


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


GOOD = np.zeros((4, 5, 3), np.uint8)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((0, 0, 3), np.uint8), r"got uint8 \(0, 0, 3\)"),
        (None, "got a NoneType"),
        ([[[0, 0, 0]]], "got a list"),
        (GOOD.astype(np.float32), "got float32.*scale it to 0..255"),
        (np.full((4, 5, 3), np.nan), "without NaN"),
        (GOOD.astype(np.int64), "got int64"),
        (GOOD[:, :, 0], r"got uint8 \(4, 5\)"),
        (np.zeros((4, 5, 4), np.uint8), r"got uint8 \(4, 5, 4\)"),
        (GOOD.transpose(2, 0, 1), "move the channels to the end"),
        (GOOD[None], r"got uint8 \(1, 4, 5, 3\)"),
    ],
)
def test_arrays_that_are_no_pictures(array: object, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        check_image_array(array, name="frame 7")


@pytest.mark.parametrize("view", [np.s_[::-1], np.s_[:, ::-1], np.s_[::2, 1:], np.s_[:, :, ::-1]])
def test_arrays_of_any_strides_are_accepted(view: tuple[slice, ...]) -> None:
    found = check_image_array(RGB[view])
    assert found.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(found, RGB[view])
