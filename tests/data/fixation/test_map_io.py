from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sor_ppa.data.fixation.map_io import read_map, write_map
from sor_ppa.errors import SaliencyError


def test_sixteen_bits_there_and_back(tmp_path: Path) -> None:
    fixation = np.random.default_rng(0).random((5, 7)).astype(np.float32)
    write_map(tmp_path / "m.png", fixation)
    np.testing.assert_allclose(read_map(tmp_path / "m.png"), fixation, atol=0.51 / 65535)


def test_eight_bits_and_arrays(tmp_path: Path) -> None:
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3) * 51
    Image.fromarray(grey).save(tmp_path / "m.png")
    np.testing.assert_allclose(read_map(tmp_path / "m.png"), grey / 255, atol=1e-7)
    np.save(tmp_path / "m.npy", grey * 2.0)
    np.testing.assert_array_equal(read_map(tmp_path / "m.npy"), grey * 2.0)


@pytest.mark.parametrize("array", [np.zeros(3), np.full((2, 2), np.nan), np.array([["a"]])])
def test_arrays_that_are_no_map(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "m.npy", array)
    with pytest.raises(SaliencyError, match="m.npy: expected finite numbers"):
        read_map(tmp_path / "m.npy")


@pytest.mark.parametrize("name", ["m.png", "m.npy"])
def test_damaged_and_missing_files(tmp_path: Path, name: str) -> None:
    with pytest.raises(SaliencyError, match=name):
        read_map(tmp_path / name)
    (tmp_path / name).write_bytes(b"no map")
    with pytest.raises(SaliencyError, match=name):
        read_map(tmp_path / name)
