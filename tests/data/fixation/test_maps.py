from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from sor_ppa.data.fixation.maps import DEFAULT_SIGMA, fixation_map, points_to_map, stretched_map
from sor_ppa.errors import DataError


def test_no_points_no_map() -> None:
    assert points_to_map(np.zeros((0, 2), int), (5, 6), 2).tolist() == [[0.0] * 6] * 5


def test_repetitions_count_once_and_the_map_is_stretched() -> None:
    once = points_to_map(np.array([[3, 4], [20, 9]]), (30, 40), 3)
    twice = points_to_map(np.array([[3, 4], [20, 9], [3, 4]]), (30, 40), 3)
    np.testing.assert_array_equal(once, twice)
    binary = np.zeros((30, 40))
    binary[4, 3] = binary[9, 20] = 1
    blurred = gaussian_filter(binary, 3)
    expected = 255 * (blurred - blurred.min()) / (blurred.max() - blurred.min())
    np.testing.assert_allclose(once, expected, atol=1e-3)
    assert once.dtype == np.float32 and once.min() == 0 and once.max() == pytest.approx(255)


def test_a_flat_map_becomes_nothing() -> None:
    assert stretched_map(np.full((2, 2), 9.0)).max() == 0


def test_the_released_map_comes_first(tmp_path: Path) -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(grey).save(tmp_path / "m.png")
    record = {"file_name": "a.png", "saliency_file_name": str(tmp_path / "m.png")}
    found = fixation_map({**record, "fixations": np.zeros((1, 2))})
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, grey)


@pytest.mark.parametrize("sigma", [None, 2.0])
def test_a_map_out_of_points(tmp_path: Path, sigma: float | None) -> None:
    Image.fromarray(np.zeros((30, 40), np.uint8)).save(tmp_path / "a.png")
    record = {"file_name": str(tmp_path / "a.png"), "fixations": np.array([[3.0, 4.0]])}
    record |= {"fixation_sigma": sigma} if sigma else {}
    expected = points_to_map(np.array([[3, 4]]), (30, 40), sigma or DEFAULT_SIGMA)
    np.testing.assert_array_equal(fixation_map(record), expected)
    np.testing.assert_array_equal(fixation_map({**record, "height": 30, "width": 40}), expected)


def test_nothing_to_make_a_map_from() -> None:
    with pytest.raises(DataError, match="a.png: has no fixation map"):
        fixation_map({"file_name": "a.png"})
