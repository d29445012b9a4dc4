"""Folders of flow pictures."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from sor_ppa.data.flow import flow_image, optical_flow
from sor_ppa.data.flow_folder import flow_path, frames_below, write_flow_folder
from sor_ppa.data.image_io import read_image, write_image
from sor_ppa.errors import ConfigError, DataError

HEIGHT, WIDTH = 40, 48


def write_frames(folder: Path, *videos: str, count: int = 3) -> Path:
    """Frames 9, 10, 11 ... of each video: noise that moves to the right."""
    for number, video in enumerate(videos):
        noise = np.random.default_rng(number).integers(0, 255, (10, 20, 3), dtype=np.uint8)
        wide = noise.repeat(4, axis=0).repeat(4, axis=1)  # (40, 80, 3)
        for frame in range(count):
            left = 20 - 2 * frame
            write_image(folder / video / f"{frame + 9}.png", wide[:, left : left + WIDTH])
    return folder


def test_nothing_to_do(tmp_path: Path) -> None:
    seen: list[int] = []
    report = write_flow_folder([], tmp_path / "flow", update=seen.append)
    assert (report.written, report.kept, report.problems) == (0, 0, [])
    assert sum(seen) == 0 and not (tmp_path / "flow").exists()
    with pytest.raises(DataError, match=r"none: no such folder \(image\)"):
        frames_below(tmp_path / "none", tmp_path / "flow")


@pytest.mark.parametrize("workers", [1, 2])
def test_pictures_are_those_of_the_plain_way(tmp_path: Path, workers: int) -> None:
    frames = frames_below(write_frames(tmp_path / "i", "a", "b/c"), tmp_path / "flow")
    seen: list[int] = []
    report = write_flow_folder(
        frames, tmp_path / "flow", suffix=".png", workers=workers, update=seen.append
    )
    assert (report.written, report.kept, report.problems) == (6, 0, [])
    assert sum(seen) == 6
    for video in ("a", "b/c"):
        images = [read_image(tmp_path / "i" / video / f"{n}.png") for n in (9, 10, 11)]
        for name, pair in (("9", images[:2]), ("10", images[1:]), ("11", images[1:])):
            made = read_image(tmp_path / "flow" / video / f"{name}.png", format="RGB")
            assert np.array_equal(made, flow_image(optical_flow(*pair)))


def test_a_stopped_run_goes_on(tmp_path: Path) -> None:
    write_frames(tmp_path / "i", "")
    write_flow_folder(frames_below(tmp_path / "i", tmp_path / "i/flow"), tmp_path / "i/flow")
    made = tmp_path / "i/flow/10.jpg"
    before = {path.name: path.stat().st_mtime_ns for path in made.parent.iterdir()}
    assert sorted(before) == ["10.jpg", "11.jpg", "9.jpg"]
    made.unlink()
    for suffix in (".jpg", ".png"):  # what is there in the other format is there
        frames = frames_below(tmp_path / "i", tmp_path / "i/flow")
        assert [item["image_id"] for item in frames] == ["9", "10", "11"]
        report = write_flow_folder(frames, tmp_path / "i/flow", suffix=suffix)
        assert report.kept == (2 if suffix == ".jpg" else 3)
    after = {path.name: path.stat().st_mtime_ns for path in made.parent.iterdir()}
    assert {name for name in before if after[name] != before[name]} == {"10.jpg"}
    # Records that do not know of the folder: what is in it is not made again either.
    fresh = frames_below(tmp_path / "i", tmp_path / "elsewhere")[:3]
    assert write_flow_folder(fresh, tmp_path / "i/flow").kept == 3


def test_a_bad_frame_costs_its_own_flow_and_its_neighbours(tmp_path: Path) -> None:
    write_frames(tmp_path / "i", "v", count=5)
    (tmp_path / "i/v/11.png").write_bytes(b"nothing")
    report = write_flow_folder(frames_below(tmp_path / "i", tmp_path / "f"), tmp_path / "f")
    assert report.written == 3 and len(report.problems) == 2
    for problem, frame in zip(report.problems, ("v/10", "v/11"), strict=True):
        assert problem.startswith(f"{frame}: ") and "i/v/11.png" in problem
    assert sorted(os.listdir(tmp_path / "f/v")) == ["12.jpg", "13.jpg", "9.jpg"]


def test_frames_of_two_sizes(tmp_path: Path) -> None:
    write_frames(tmp_path / "i", "", count=2)
    write_image(tmp_path / "i/10.png", np.zeros((5, 6, 3), np.uint8))
    report = write_flow_folder(frames_below(tmp_path / "i", tmp_path / "f"), tmp_path / "f")
    assert report.written == 0 and len(report.problems) == 2
    assert "48 x 40" in report.problems[0] and "6 x 5" in report.problems[0]


@pytest.mark.parametrize(
    ("folder", "image_id", "wanted"),
    [
        ("f", "1", "f/1.jpg"),
        ("f", "v/1.a", "f/v/1.a.jpg"),
        ("f/*/optical", "v/1", "f/v/optical/1.jpg"),
        ("f/*", "v/1", "f/v/1.jpg"),
    ],
)
def test_paths(folder: str, image_id: str, wanted: str) -> None:
    assert flow_path(folder, image_id) == wanted


def test_faulty_arguments(tmp_path: Path) -> None:
    for options in ({"suffix": ".gif"}, {"workers": 0}):
        with pytest.raises(ConfigError, match="flow pictures are .jpg or .png files"):
            write_flow_folder([], tmp_path, **options)
    with pytest.raises(DataError, match="folders of their own"):
        frames_below(tmp_path, tmp_path)
