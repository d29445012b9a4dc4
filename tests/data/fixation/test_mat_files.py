from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from sor_ppa.data.fixation.mat_files import read_mat_points, read_mat_set
from sor_ppa.errors import ConfigError, DataError
from tests.data.fixation.mat_writers import write_osie, write_pascal

PICTURES: list = [[], [[0, 1]], [[3, 4], [5.5, 6], [3, 4]]]


def test_osie(tmp_path: Path) -> None:
    subjects = [[points, [[7, 8]]] for points in PICTURES]
    write_osie(tmp_path / "fixations.mat", subjects)
    found = read_mat_set(tmp_path / "fixations.mat")
    assert [each.tolist() for each in found] == [[*points, [7, 8]] for points in PICTURES]


def test_osie_of_one_picture_and_one_subject(tmp_path: Path) -> None:
    write_osie(tmp_path / "fixations.mat", [[[[1, 2]]]])
    assert [each.tolist() for each in read_mat_set(tmp_path / "fixations.mat")] == [[[1, 2]]]


def test_pascal(tmp_path: Path) -> None:
    write_pascal(tmp_path / "pascalFix.mat", PICTURES)
    found = read_mat_set(tmp_path / "pascalFix.mat")
    assert [each.tolist() for each in found] == PICTURES


def test_without_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pascal(tmp_path / "pascalFix.mat", PICTURES)
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "h5py":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pascalFix.mat .* pip install 'sor_ppa\[hdf5\]'"):
        read_mat_set(tmp_path / "pascalFix.mat")


@pytest.mark.parametrize("read", [read_mat_points, read_mat_set])
@pytest.mark.parametrize(
    "content", [b"", b"no matlab", b"MATLAB 5.0 MAT-file" + b" " * 105 + b"\0\1IM" + b"\x0e\0\0\0x"]
)
def test_damaged_files(tmp_path: Path, read: Any, content: bytes) -> None:
    (tmp_path / "a.mat").write_bytes(content)
    with pytest.raises(DataError, match="a.mat"):
        read(tmp_path / "a.mat")


@pytest.mark.parametrize("read", [read_mat_points, read_mat_set])
def test_missing_files(tmp_path: Path, read: Any) -> None:
    with pytest.raises(DataError, match="a.mat: cannot be read"):
        read(tmp_path / "a.mat")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"x": 1}, "has x, and none of fixLocs, s, gaze"),
        ({"s": np.zeros((3, 2))}, "'s' is not as published: expected columns x, y and key"),
        ({"gaze": np.zeros(3)}, "'gaze' is not as published"),
    ],
)
def test_other_variables(tmp_path: Path, content: dict, words: str) -> None:
    savemat(tmp_path / "a.mat", content)
    with pytest.raises(DataError, match=words):
        read_mat_points(tmp_path / "a.mat")


def test_a_set_of_another_form(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"x": 1})
    with pytest.raises(DataError, match="no variable 'fixations'"):
        read_mat_set(tmp_path / "a.mat")
    savemat(tmp_path / "a.mat", {"fixations": np.zeros((2, 2))})
    with pytest.raises(DataError, match="'fixations' is not as published"):
        read_mat_set(tmp_path / "a.mat")
