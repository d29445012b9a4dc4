"""Bad files for the reader, numbered as in the project's table of faults.

Required: an array that is right, or one ImageError that names the file, value and remedy; never a
half picture, never the end of the process.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from sor_ppa.data import image_io
from sor_ppa.data.image_io import image_size, read_grey, read_image, write_image
from sor_ppa.errors import ImageError, SaliencyError
from tests.data import fault_files as files
from tests.data.fault_files import RGB, encoded
from tests.data.pictures import cmyk_jpeg, exif, png, save, smooth_rgb, turned

HEIC = b"\0\0\0\x18ftypheic" + b"\0" * 40
AVIF = b"\0\0\0\x18ftypavif" + b"\0" * 40
FLOAT = np.full((4, 5), 0.5, np.float32)

# Number and fault: content of the file, what the error must say.
REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "2 zero bytes": (lambda: b"", "the file is empty"),
    "2 text as .jpg": (lambda: b"this is text, not a picture", "not a picture in a format"),
    "2 HTML as .png": (lambda: b"<html><body>404</body></html>", "not a picture in a format"),
    "2 PostScript": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a pic"),
    "3 cut JPEG": (lambda: files.cut("JPEG", 0.6), "[Tt]runcated"),
    "3 JPEG cut near its end": (lambda: files.cut("JPEG", 0.95), "[Tt]runcated"),
    "3 JPEG of three bytes": (lambda: b"\xff\xd8\xff", "a.jpg"),
    "4 cut PNG": (lambda: files.cut("PNG", 0.5), "[Tt]runcated"),
    "4 PNG cut in its header": (lambda: files.cut("PNG", 0.04), "a.jpg"),
    "5 flipped byte": (lambda: files.flipped("PNG", 0.5), "a.jpg"),
    "5 bad checksum": (files.bad_checksum, "checksum of its pixels"),
    "6 text bomb": (lambda: files.text_bomb(b"zTXt"), "too large"),
    "6 international text bomb": (lambda: files.text_bomb(b"iTXt"), "too large"),
    "6 colour profile bomb": (lambda: files.text_bomb(b"iCCP"), "too large"),
    "6 many texts": (files.many_texts, "[Tt]oo much"),
    "25 float TIFF": (lambda: encoded("TIFF", FLOAT), "floating point.*8 or 16 bit"),
    "25 32-bit TIFF": (lambda: encoded("TIFF", FLOAT.astype(np.int32)), "32-bit.*8 or 16 bit"),
    "26 HEIC": (lambda: HEIC, "a.jpg" if "HEIF" in Image.OPEN else "pip install pillow-heif"),
    "26 AVIF": (lambda: AVIF, "a.jpg" if features.check("avif") else "pillow-avif-plugin"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("read", [read_image, read_grey])
def test_refused(tmp_path: Path, read: Callable[..., np.ndarray], case: str) -> None:
    data, message = REFUSED[case]
    path = tmp_path / "a.jpg"
    path.write_bytes(data())
    with pytest.raises(ImageError, match=message) as caught:
        read(path)
    assert isinstance(caught.value, SaliencyError) and str(path) in str(caught.value)


def test_5_no_flipped_byte_gives_other_pixels(tmp_path: Path) -> None:
    data = encoded("PNG", RGB[:6, :8])
    for place in range(data.index(b"IDAT"), len(data) - 12):
        changed = bytearray(data)
        changed[place] ^= 0x04
        (tmp_path / "a.png").write_bytes(changed)
        with pytest.raises(ImageError):
            read_image(tmp_path / "a.png")


def test_1_missing_file_and_folder(tmp_path: Path) -> None:
    for read in (read_image, read_grey, image_size):
        with pytest.raises(ImageError, match="none.jpg: no such file"):
            read(tmp_path / "none.jpg")
        with pytest.raises(ImageError, match="is a folder"):
            read(tmp_path)
        with pytest.raises(ImageError):
            read("nul\0byte.jpg")


def test_1_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png", RGB)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)  # root may read whatever the mode says
    with pytest.raises(ImageError, match="Permission denied"):
        read_image(path)


def _peak_memory() -> int:
    """Most memory of this process since the last reset, bytes; resets it."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    try:
        line = next(line for line in status.read_text().splitlines() if "VmHWM" in line)
        reset.write_text("5")
    except OSError:
        pytest.skip("this system does not tell the peak of memory")
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("kind", files.forged_files())
def test_6_forged_header(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(files.forged_files()[kind])
    _peak_memory()
    before, start = _peak_memory(), time.process_time()
    with pytest.raises(ImageError, match="above the limit of 100000000.*INPUT.MAX_PIXELS"):
        read_image(path)
    assert time.process_time() - start < 1
    assert _peak_memory() - before < 50e6
    side = {"WEBP": 16383}.get(kind, files.FORGED_SIDE)
    assert image_size(path) == (side, side)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_6_text_bomb_takes_no_memory(tmp_path: Path, kind: bytes) -> None:
    (tmp_path / "a.png").write_bytes(files.text_bomb(kind))
    _peak_memory()
    before = _peak_memory()
    with pytest.raises(ImageError):
        read_image(tmp_path / "a.png")
    assert _peak_memory() - before < 50e6


def test_7_limit_names_its_flag_and_can_be_raised(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", RGB)
    with pytest.raises(ImageError) as caught:
        read_image(path, max_pixels=48 * 64 - 1)
    text = str(caught.value)
    assert "64 x 48 = 3072 pixels is above the limit of 3071" in text
    assert "INPUT.MAX_PIXELS" in text and "--max-pixels" in text
    assert read_image(path, max_pixels=48 * 64).shape == RGB.shape


@pytest.mark.slow
def test_7_huge_honest_picture_is_read_when_allowed(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("L", (20_000, 20_000), 7).save(path, compress_level=1)
    with pytest.raises(ImageError, match="above the limit"):
        read_grey(path)
    limit = Image.MAX_IMAGE_PIXELS
    grey = read_grey(path, max_pixels=500_000_000)
    assert grey.shape == (20_000, 20_000) and (grey[::1000, ::1000] == 7).all()
    assert limit == Image.MAX_IMAGE_PIXELS  # Pillow's global limit is as before


SIZES = [(1, 1), (1, 9), (9, 1), (2, 2), (127, 331), (16, 4000)]


@pytest.mark.parametrize("size_hw", SIZES)  # 8, 9, 10
def test_8_any_size(tmp_path: Path, size_hw: tuple[int, int]) -> None:
    path = save(tmp_path / "a.png", np.zeros((*size_hw, 3), np.uint8))
    assert read_image(path).shape == (*size_hw, 3)
    assert read_grey(path).shape == size_hw
    assert image_size(path) == size_hw


def _laid_on_white(image: Image.Image) -> np.ndarray:
    rgba = np.asarray(image.convert("RGBA")).astype(float)
    share = rgba[:, :, 3:] / 255
    return rgba[:, :, :3] * share + 255 * (1 - share)


def _with_alpha(mode: str) -> Image.Image:
    image = Image.fromarray(RGB).convert(mode)
    ramp = np.broadcast_to(np.linspace(0, 255, RGB.shape[1]).astype(np.uint8), RGB.shape[:2])
    image.putalpha(Image.fromarray(np.ascontiguousarray(ramp)))
    return image


def _modes() -> dict[str, tuple[Image.Image, dict[str, object]]]:
    plain = {mode: (Image.fromarray(RGB).convert(mode), {}) for mode in ("L", "1", "P")}
    return {
        "11 grey": plain["L"],
        "12 1-bit": plain["1"],
        "13 LA": (_with_alpha("L"), {}),
        "14 palette": plain["P"],
        "15 palette with transparency": (Image.fromarray(RGB).quantize(8), {"transparency": 3}),
        "16 RGBA": (_with_alpha("RGB"), {}),
    }


@pytest.mark.parametrize("case", _modes())
def test_11_to_16_equal_to_rgb_on_white(tmp_path: Path, case: str) -> None:
    image, options = _modes()[case]
    image.save(tmp_path / "a.png", **options)
    with Image.open(tmp_path / "a.png") as saved:
        wanted = _laid_on_white(saved)
    assert np.abs(read_image(tmp_path / "a.png", format="RGB") - wanted).max() <= 1
    if options:  # the colour that is declared transparent is there, and white
        assert (wanted[np.asarray(image) == 3] == 255).all()


def test_17_16_bit_grey_is_scaled(tmp_path: Path) -> None:
    wide = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 21
    for name in ("a.png", "a.tif"):
        grey = read_grey(save(tmp_path / name, wide))
        assert np.abs(grey - wide / 257.0).max() <= 0.5


def test_18_16_bit_colour_is_scaled(tmp_path: Path) -> None:
    path = png(tmp_path / "a.png", RGB.astype(np.uint16) * 257, colour_type=2)
    assert np.abs(read_image(path, format="RGB").astype(int) - RGB).max() <= 1


INKS = {"19 CMYK": "plain", "20 Adobe, inverted": "adobe", "21 YCCK": "ycck"}


@pytest.mark.parametrize("case", INKS)
def test_19_to_21_inks_keep_their_colours(tmp_path: Path, case: str) -> None:
    rgb = smooth_rgb()
    path = cmyk_jpeg(tmp_path / "a.jpg", rgb, kind=INKS[case])
    with Image.open(path) as image:
        assert image.mode == "CMYK" and ("adobe" in image.info) == (INKS[case] != "plain")
    assert np.abs(read_image(path, format="RGB").astype(int) - rgb).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_22_orientation_is_applied_and_not_written(tmp_path: Path, orientation: int) -> None:
    path = save(tmp_path / "a.png", turned(RGB, orientation), exif=exif(orientation))
    upright = read_image(path)
    np.testing.assert_array_equal(upright[:, :, ::-1], RGB)
    assert image_size(path) == RGB.shape[:2]
    for name in ("map.png", "map.jpg"):
        write_image(tmp_path / name, upright)
        with Image.open(tmp_path / name) as saved:
            assert 0x0112 not in saved.getexif()


READ_WITH_A_WARNING: list[tuple[str, bytes, str]] = [
    ("23 broken EXIF", files.broken_exif(), "broken EXIF"),
    ("24 GIF", files.animation("GIF"), "several frames"),
    ("24 WebP", files.animation("WEBP"), "several frames"),
    ("24 animated PNG", files.animation("PNG"), "several frames"),
    ("25 multi-page TIFF", files.animation("TIFF"), "several frames"),
]


@pytest.mark.parametrize(
    ("data", "warning"),
    [case[1:] for case in READ_WITH_A_WARNING],
    ids=[case[0] for case in READ_WITH_A_WARNING],
)
def test_23_to_25_read_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, data: bytes, warning: str
) -> None:
    (tmp_path / "a").write_bytes(data)
    with caplog.at_level(logging.WARNING):
        found = read_image(tmp_path / "a", format="RGB").astype(int)
    wanted = RGB if found.shape == RGB.shape else np.broadcast_to([255, 0, 0], (6, 8, 3))
    assert found.shape == wanted.shape and np.abs(found - wanted).mean() < 4
    assert caplog.text.count(warning) == 1 and str(tmp_path / "a") in caplog.text


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_26_colour_profile_is_no_obstacle(tmp_path: Path, kind: str) -> None:
    with_profile = encoded(kind, icc_profile=files.colour_profile())
    (tmp_path / "with").write_bytes(with_profile)
    (tmp_path / "without").write_bytes(encoded(kind))
    assert len(with_profile) > len(encoded(kind))
    np.testing.assert_array_equal(read_image(tmp_path / "with"), read_image(tmp_path / "without"))


def test_26_message_where_avif_is_not_built_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.avif").write_bytes(AVIF)
    monkeypatch.setattr(image_io.features, "check", lambda _: False)
    with pytest.raises(ImageError, match="Pillow 11.3 or later, or `pip install pillow-avif"):
        read_image(tmp_path / "a.avif")


@pytest.mark.parametrize("value", [0, 255, 77])
def test_27_constant_pictures(tmp_path: Path, value: int) -> None:
    path = save(tmp_path / "a.png", np.full((5, 7, 3), value, np.uint8))
    assert (read_image(path) == value).all() and (read_grey(path) == value).all()
