from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sor_ppa.data.fixation import points as module
from sor_ppa.data.fixation.points import fixation_points, points_inside
from sor_ppa.errors import DataError
from tests.data.fixation.mat_writers import write_cat2000, write_dut_omron, write_salicon

SIZE = {"height": 6, "width": 8, "file_name": "a.png"}


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([], []),
        ([[0, 0], [7, 5]], [[0, 0], [7, 5]]),
        ([[3.9, 2.1], [3.9, 2.1]], [[3, 2], [3, 2]]),  # truncated, repetitions kept
        ([[-0.5, 0], [8, 0], [0, 6], [1, 1]], [[1, 1]]),
        ([[np.nan, 1], [np.inf, 1], [2, 2]], [[2, 2]]),
    ],
)
def test_points_in_memory(points: list, expected: list) -> None:
    found = fixation_points({**SIZE, "fixations": np.array(points, float).reshape(-1, 2)})
    assert found.dtype == np.int64 and found.shape == (len(expected), 2)
    assert found.tolist() == expected
    assert points_inside(np.array(points, float).reshape(-1, 2), (6, 8)).tolist() == expected


def test_points_beside_the_picture_are_warned_of_once_a_folder(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_warned", set())
    for _ in range(2):
        fixation_points({**SIZE, "fixations": np.array([[9.0, 1], [1, 1]])})
    assert [r.message for r in caplog.records if "1 of 2 fixations" in r.message]
    assert len(caplog.records) == 1


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_picture_of_points(tmp_path: Path, suffix: str) -> None:
    grey = np.zeros((48, 64), np.uint8)
    grey[10, 20] = grey[30, 41] = 255
    path = tmp_path / f"points{suffix}"
    Image.fromarray(grey).save(path, quality=100)
    found = fixation_points({"file_name": "a.png", "fixation_file_name": str(path)})
    assert found.tolist() == [[20, 10], [41, 30]]


def test_a_picture_of_points_of_another_size(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "p.png")
    record = {**SIZE, "fixation_file_name": str(tmp_path / "p.png")}
    with pytest.raises(DataError, match=r"p.png: is 4 x 4 \(height x width\), its picture 6 x 8"):
        fixation_points(record)


POINTS = [[2, 1], [7, 5], [2, 1]]


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda path: write_salicon(path, [POINTS[:2], [], POINTS[2:]]), POINTS),
        (lambda path: write_cat2000(path, POINTS, (6, 8)), [[2, 1], [7, 5]]),
        (lambda path: write_dut_omron(path, POINTS, (6, 8)), POINTS),
    ],
    ids=["salicon", "cat2000", "dut_omron"],
)
def test_matlab_files(tmp_path: Path, write: Any, expected: list) -> None:
    write(tmp_path / "a.mat")
    found = fixation_points({**SIZE, "fixation_file_name": str(tmp_path / "a.mat")})
    assert found.tolist() == expected


def test_neither_points_nor_file() -> None:
    with pytest.raises(DataError, match="a.png: has no fixations"):
        fixation_points(SIZE)
