"""The program that blurs points once."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from sor_ppa.data.fixation.maps import points_to_map
from sor_ppa.data.image_io import read_grey
from tests.data.fixation.gaze_sets import SIZE_HW, write_gaze_set
from tests.data.scripts import script

pytestmark = pytest.mark.usefixtures("forget_data_sets")


@pytest.fixture(scope="module")
def module(repository: Path) -> ModuleType:
    return script(repository, "prepare_fixation_maps")


def options(tmp_path: Path, *more: str) -> list[str]:
    words = ("mine", str(tmp_path / "set" / "image"), "", *more, "sigma=3")
    where = ["--dataset", "mine", "--output", str(tmp_path / "maps"), "--quiet"]
    return [*where, "--extra", repr((words,))]


def test_maps_and_going_on(tmp_path: Path, module: ModuleType, capsys: Any) -> None:
    points = write_gaze_set(tmp_path / "set")
    arguments = options(tmp_path, f"points={tmp_path / 'set' / 'fixations.json'}")
    assert module.main(arguments) == 0
    assert "3 of 3 maps" in capsys.readouterr().out
    for stem, each in points.items():
        expected = np.rint(points_to_map(each, SIZE_HW, 3))
        np.testing.assert_array_equal(read_grey(tmp_path / "maps" / f"{stem}.png"), expected)
    kept = tmp_path / "maps" / "p0.png"
    before = kept.stat().st_mtime_ns
    (tmp_path / "maps" / "p1.png").unlink()
    assert module.main(arguments) == 0
    assert kept.stat().st_mtime_ns == before and (tmp_path / "maps" / "p1.png").is_file()


@pytest.mark.parametrize("strict", [False, True])
def test_a_picture_that_cannot_be_used(
    tmp_path: Path, module: ModuleType, capsys: Any, strict: bool
) -> None:
    write_gaze_set(tmp_path / "set")
    (tmp_path / "set" / "fixation" / "p0.png").write_bytes(b"none")
    arguments = options(tmp_path, f"fixation={tmp_path / 'set' / 'fixation'}")
    assert module.main([*arguments, *(["--strict"] if strict else [])]) == (2 if strict else 1)
    assert "p0.png" in capsys.readouterr().err
    assert (tmp_path / "maps" / "p1.png").is_file() != strict


@pytest.mark.parametrize(
    ("change", "words"),
    [(["--dataset", "none"], "'none' is not known"), (["--extra", "("], "expected a tuple")],
)
def test_arguments_that_cannot_work(
    tmp_path: Path, module: ModuleType, capsys: Any, change: list[str], words: str
) -> None:
    write_gaze_set(tmp_path / "set")
    assert module.main([*options(tmp_path, f"points={json.dumps('x')}"), *change]) == 2
    assert words in capsys.readouterr().err
