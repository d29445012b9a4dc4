"""The reader on damaged, forged and absurd files: an array or an ImageError, nothing else."""

from __future__ import annotations

import contextlib
import io
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from sor_ppa.data.image_io import image_size, read_grey, read_image
from sor_ppa.errors import ImageError, SaliencyError
from tests.data.pictures import chunk, forged_png, save, smooth_rgb

RGB = smooth_rgb(48, 64)


def encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"this is text, not a picture", "not a picture in a format"),
        (b"<html><body>404 Not Found</body></html>", "not a picture in a format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture in a format"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 40, "pillow-heif"),
        (encoded("JPEG")[:700], "a.jpg"),
        (encoded("PNG")[:-200], "a.jpg"),
        (encoded("PNG")[:30], "a.jpg"),
        (b"\xff\xd8\xff", "a.jpg"),
    ],
)
def test_damaged_files(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    for read in (read_image, read_grey):
        with pytest.raises(ImageError, match=message) as caught:
            read(path)
        assert isinstance(caught.value, SaliencyError)
        assert str(path) in str(caught.value)


def test_flipped_byte_in_a_png_is_noticed(tmp_path: Path) -> None:
    data = bytearray(encoded("PNG"))
    data[len(data) // 2] ^= 0x10
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ImageError):
        read_image(tmp_path / "a.png")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        read_image(tmp_path / "none.jpg")
    with pytest.raises(ImageError, match="is a folder"):
        read_image(tmp_path)
    with pytest.raises(ImageError, match="no such file"):
        image_size(tmp_path / "none.jpg")
    with pytest.raises(ImageError):
        read_image("nul\0byte.jpg")


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png", RGB)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(ImageError, match="Permission denied"):
        read_image(path)


def test_forged_size_is_refused_from_the_header(tmp_path: Path) -> None:
    path = forged_png(tmp_path / "a.png", 60_000, 60_000)
    tracemalloc.start()
    start = time.perf_counter()
    try:
        with pytest.raises(ImageError, match="above the limit of 100000000.*INPUT.MAX_PIXELS"):
            read_image(path)
        assert time.perf_counter() - start < 1
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()
    assert image_size(path) == (60_000, 60_000)


def test_limit_can_be_lowered_and_raised(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", RGB)
    assert read_image(path, max_pixels=48 * 64).shape == RGB.shape
    with pytest.raises(ImageError, match="64 x 48 = 3072 pixels is above the limit of 3071"):
        read_image(path, max_pixels=48 * 64 - 1)


@pytest.mark.slow
def test_huge_honest_picture_is_read_when_allowed(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("L", (20_000, 20_000), 7).save(path, compress_level=1)
    with pytest.raises(ImageError, match="above the limit"):
        read_grey(path)
    limit = Image.MAX_IMAGE_PIXELS
    grey = read_grey(path, max_pixels=500_000_000)
    assert grey.shape == (20_000, 20_000) and (grey[::1000, ::1000] == 7).all()
    assert limit == Image.MAX_IMAGE_PIXELS  # Pillow's global limit is as before


@pytest.mark.parametrize(
    ("array", "name"),
    [(np.full((4, 5), 0.5, np.float32), "floating point"), (np.ones((4, 5), np.int32), "32-bit")],
)
def test_samples_without_a_known_range_are_refused(
    tmp_path: Path, array: np.ndarray, name: str
) -> None:
    path = save(tmp_path / "a.tif", array)
    with pytest.raises(ImageError, match=name) as caught:
        read_grey(path)
    assert "8 or 16 bit" in str(caught.value) and "a.tif" in str(caught.value)


def test_enormous_text_chunk_is_refused(tmp_path: Path) -> None:
    import zlib

    data = encoded("PNG")
    bomb = chunk(b"zTXt", b"k\0\0" + zlib.compress(b"a" * 20_000_000))
    path = tmp_path / "a.png"
    path.write_bytes(data[:33] + bomb + data[33:])
    with contextlib.suppress(ImageError):
        assert read_image(path).shape == RGB.shape


_FUZZ = settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
_LONG = settings(_FUZZ, max_examples=10_000, derandomize=False)


def _array_or_error(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    for read in (read_image, read_grey):
        try:
            assert read(path, max_pixels=1_000_000).dtype == np.uint8
        except ImageError as error:
            assert str(path) in str(error)
    try:
        height, width = image_size(path)
        assert height > 0 and width > 0
    except ImageError:
        pass


_ANY = st.binary(max_size=4096)
_KINDS = st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA", "JPEG2000"])
_HITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8)


def damaged(kind: str, hits: list[tuple[float, int]], cut: float) -> bytes:
    data = bytearray(encoded(kind))
    for place, value in hits:
        # Squared: most hits near the front, where the structure is.
        data[int(place * place * (len(data) - 1))] = value
    return bytes(data[: int(cut * len(data))])


@_FUZZ
@given(data=_ANY)
def test_any_bytes_give_an_array_or_our_error(tmp_path: Path, data: bytes) -> None:
    _array_or_error(tmp_path / "a", data)


@_FUZZ
@given(data=st.builds(damaged, _KINDS, _HITS, st.floats(0.02, 1)))
def test_damaged_pictures_give_an_array_or_our_error(tmp_path: Path, data: bytes) -> None:
    _array_or_error(tmp_path / "a", data)


@pytest.mark.slow
@_LONG
@given(data=st.one_of(_ANY, st.builds(damaged, _KINDS, _HITS, st.floats(0.02, 1))))
def test_ten_thousand_files_give_an_array_or_our_error(tmp_path: Path, data: bytes) -> None:
    start = time.process_time()
    _array_or_error(tmp_path / "a", data)
    assert time.process_time() - start < 2
