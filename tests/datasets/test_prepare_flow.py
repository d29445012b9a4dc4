"""The program that makes flow pictures."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from detectron2.data import DatasetCatalog

from sor_ppa.data.image_io import read_image, write_image
from tests.data.scripts import script
from tests.data.test_flow_folder import write_frames


@pytest.fixture(scope="module")
def program(repository: Path) -> ModuleType:
    return script(repository, "prepare_flow")


def run(program: ModuleType, *arguments: object) -> int:
    return program.main([*map(str, arguments), "--quiet"])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "either --frames FOLDER or --dataset NAME"),
        (("--frames", "a", "--dataset", "b"), "either"),
        (("--frames", "a"), "needs --output"),
        (("--frames", "a", "--output", "b"), "a: no such folder"),
        (("--dataset", "ecssd"), "'ecssd' is no video set; these are: segv2, "),
        (("--dataset", "never_heard_of"), "is no video set"),
        (("--dataset", "SegV2"), "vsod/SegV2/JPEGImages"),
    ],
)
def test_faulty_arguments(
    program: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    text: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    assert run(program, *arguments) == 2
    assert text in capsys.readouterr().err


def test_a_folder_of_frames_with_a_sheet(
    program: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_frames(tmp_path / "i", "a", "b")
    arguments = ("--frames", tmp_path / "i", "--output", tmp_path / "f", "--format", "png")
    assert run(program, *arguments, "--sheet", tmp_path / "sheet.png") == 0
    assert "6 flow pictures made, 0 were there, 0 problem(s)" in capsys.readouterr().out
    assert sorted(os.listdir(tmp_path / "f/b")) == ["10.png", "11.png", "9.png"]
    sheet = read_image(tmp_path / "sheet.png")
    flow = read_image(tmp_path / "f/a/9.png")
    common = np.unique(flow.reshape(-1, 3), axis=0, return_counts=True)
    assert (sheet == common[0][common[1].argmax()]).all(axis=2).any()
    assert run(program, *arguments) == 0
    assert "0 flow pictures made, 6 were there" in capsys.readouterr().out


def test_faults_are_told_at_the_end(
    program: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_frames(tmp_path / "i", "", count=3)
    (tmp_path / "i/11.png").write_bytes(b"nothing")
    arguments = ("--frames", tmp_path / "i", "--output", tmp_path / "f")
    assert run(program, *arguments, "--sheet", tmp_path / "s.png") == 1
    shown = capsys.readouterr()
    assert "1 flow pictures made, 0 were there, 2 problem(s)" in shown.out
    assert shown.err.count("problem: ") == 2 and "11.png" in shown.err
    assert (tmp_path / "s.png").is_file()
    (tmp_path / "f/9.jpg").unlink()
    (tmp_path / "i/9.png").write_bytes(b"nothing")
    assert run(program, *arguments) == 2


@pytest.mark.parametrize("layout", ["vsod/DAVIS-TE/{}", "DAVIS/{}/480p"])
def test_a_set_finds_what_was_made_for_it(
    program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    write_frames(tmp_path / layout.format("JPEGImages"), "bear", "cow")
    for name in ("bear/9", "bear/11", "cow/10"):
        mask = np.zeros((40, 48), np.uint8)
        write_image(tmp_path / layout.format("Annotations") / f"{name}.png", mask)
    if "480p" in layout:
        (tmp_path / "DAVIS/ImageSets/480p").mkdir(parents=True)
        (tmp_path / "DAVIS/ImageSets/480p/val.txt").write_text("bear\ncow\n")
    assert [i.get("next_file_name") is None for i in DatasetCatalog.get("davis16_test")] == [
        *(False, True, False)
    ]
    assert run(program, "--dataset", "DAVIS-TE") == 0
    optical = tmp_path / layout.format("optical")
    assert [item["flow_file_name"] for item in DatasetCatalog.get("davis16_test")] == [
        str(optical / f"{name}.jpg") for name in ("bear/9", "bear/11", "cow/10")
    ]


def test_a_folder_for_every_video(
    program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    write_frames(tmp_path / "FBMS/Testset", "cats", count=2)
    mask = np.zeros((40, 48), np.uint8)
    write_image(tmp_path / "FBMS/Testset/cats/GroundTruth/9.png", mask)
    assert run(program, "--dataset", "FBMS", "--sheet", tmp_path / "s.png") == 0
    (item,) = DatasetCatalog.get("fbms")
    assert item["flow_file_name"] == str(tmp_path / "FBMS/Testset/cats/optical/9.jpg")
