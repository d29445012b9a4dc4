"""The reader on any bytes: an array or an ImageError, nothing else."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sor_ppa.data.image_io import image_size, read_grey, read_image
from sor_ppa.errors import ImageError
from tests.data.fault_files import encoded

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
