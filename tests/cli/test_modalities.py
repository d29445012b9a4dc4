"""The command line with a second modality: what is paired, computed, shown, refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from demo import demo
from sor_ppa import cli
from sor_ppa.data.image_io import read_grey, read_image, write_image
from sor_ppa.showing import show
from sor_ppa.showing.beside import motion_ahead, motion_behind
from sor_ppa.showing.video import VideoReader
from tests.demo import fake_saliency
from tests.demo.fake_two_inputs import two_config_file
from tests.showing.clips import clip_with_sound
from tests.showing.test_beside import frame_folder, moving
from tests.showing.test_show import FakeWindow
from tests.synthetic import files_below

Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """(kind, arguments ...) -> exit status of ``sor-ppa saliency`` into ``out``."""

    def call(kind: str, *arguments: object) -> int:
        config = str(two_config_file(tmp_path, kind))
        words = ["saliency", "-m", config, "-o", str(tmp_path / "out"), *map(str, arguments)]
        return cli.main(words)

    return call


@pytest.fixture
def rgbd(tmp_path: Path) -> tuple[Path, Path]:
    """Folders of four pictures and of their depth maps (grey 40, 80, 120, 160)."""
    for k in range(4):
        name = f"{'deep/' if k > 1 else ''}{k}"
        write_image(tmp_path / f"rgb/{name}.jpg", np.full((40, 50 + k, 3), 200, np.uint8))
        write_image(tmp_path / f"depth/{name}.png", np.full((30, 37), 40 + 40 * k, np.uint8))
    return tmp_path / "rgb", tmp_path / "depth"


def journal(tmp_path: Path) -> dict[str, dict]:
    return json.loads((tmp_path / "out/saliency.json").read_text())["results"]


@pytest.mark.parametrize(
    ("inputs", "others", "said"),
    [
        (["nothing"], ["depth"], "no input matched 'nothing'"),
        (["rgb"], ["nothing"], "no --modality-input matched 'nothing'"),
        (["rgb"], ["empty"], "no --modality-input matched 'empty'"),
        (["empty"], ["depth"], "no input matched"),
        (["rgb"], [], "sees a depth map beside each picture.*--modality-input"),
        (["rgb"], ["webcam"], "webcam"),
    ],
)
def test_nothing_to_do(
    tmp_path: Path, rgbd: tuple, run: Run, capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch, inputs: list[str], others: list[str], said: str,
) -> None:  # fmt: skip
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    named = ["--modality-input", *others] if others else []
    assert run("depth", "-i", *inputs, *named) == 2
    error = capsys.readouterr().err
    assert said.split(".*")[0] in error and said.split(".*")[-1] in error
    assert "Traceback" not in error and not (tmp_path / "out").exists()


def test_folders(tmp_path: Path, rgbd: tuple, run: Run) -> None:
    rgb, depth = rgbd
    types = ["--type", "map", "modality", "--format", "png"]
    assert run("depth", "-i", rgb, "-mi", depth, *types) == 0
    assert len(files_below(tmp_path / "out")) == 9
    for k, name in enumerate(["0", "1", "deep/2", "deep/3"]):
        assert (read_grey(tmp_path / f"out/{name}_map.png") == 40 + 40 * k).all()
        seen = read_image(tmp_path / f"out/{name}_modality.png")
        assert seen.shape == (40, 50 + k, 3) and (seen == 40 + 40 * k).all()
    entries = journal(tmp_path)
    assert entries["deep/2.jpg"]["modality"] == "depth/deep/2.png"


def test_mismatch_is_listed_file_by_file_and_nothing_is_lost(
    tmp_path: Path, rgbd: tuple, run: Run, capsys: pytest.CaptureFixture,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    rgb, depth = rgbd
    (depth / "1.png").rename(depth / "one.png")
    (depth / "deep/3.png").write_bytes(b"\x89PNG")
    arguments = ["-i", rgb, "--modality-input", depth, "--type", "map"]
    assert run("depth", *arguments) == 1
    failures = [x for x in capsys.readouterr().err.splitlines() if x.startswith("failed:")]
    assert len(failures) == 2
    assert "rgb/1.jpg: no depth map of the same stem (1)" in failures[0]
    assert "depth/deep/3.png" in failures[1]
    assert f"{depth}/one.png: no picture of the same stem (one) in --input" in caplog.text
    assert files_below(tmp_path / "out") == ["0_map.png", "deep/2_map.png", "saliency.json"]
    assert run("depth", *arguments, "--strict") == 2
    # Not one pair: nothing is begun, and every file is in the list.
    for path in [*depth.glob("*.png"), *depth.glob("deep/*.png")]:
        path.rename(path.with_name(f"no_{path.name}"))
    assert run("depth", *arguments) == 2
    error = capsys.readouterr().err
    assert "8 problem(s) in --modality-input" in error
    assert all(f"{number}.jpg: no depth" in error for number in range(4))
    assert error.count("no picture of the same stem") == 4


def test_more_files_than_pictures_are_counted(
    tmp_path: Path, rgbd: tuple, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    rgb, depth = rgbd
    for k in range(30):
        (depth / f"more{k}.png").write_bytes(b"")
    assert run("depth", "-i", rgb, "-mi", depth, "--type", "map") == 0
    assert caplog.text.count("no picture of the same stem") == 20
    assert "... and 10 more" in caplog.text


def test_one_file_with_one_file(tmp_path: Path, rgbd: tuple, run: Run) -> None:
    rgb, depth = rgbd
    arguments = ["-i", rgb / "0.jpg", "-mi", depth / "deep/3.png", "--type", "map"]
    assert run("depth", *arguments) == 0
    assert (read_grey(tmp_path / "out/0_map.png") == 160).all()
    assert journal(tmp_path)["0.jpg"]["modality"] == "depth/deep/3.png"


@pytest.mark.parametrize("inside", ["rgb/depth", "rgb/deep/depth"])
def test_modalities_among_the_pictures(tmp_path: Path, rgbd: tuple, run: Run, inside: str) -> None:
    rgb, depth = rgbd
    depth.rename(tmp_path / inside)
    assert run("depth", "-i", rgb, "-mi", tmp_path / inside, "--type", "map") == 0
    assert len(journal(tmp_path)) == 4


def test_pictures_among_the_modalities_and_globs(tmp_path: Path, run: Run) -> None:
    for name, level in {"a.jpg": 9, "b.jpg": 9, "a.png": 70, "b.png": 90}.items():
        write_image(tmp_path / "d" / name, np.full((20, 20, 3), level, np.uint8))
    folder = tmp_path / "d"
    assert run("depth", "-i", folder / "*.jpg", "-mi", folder / "*.png", "--type", "map") == 0
    assert (read_grey(tmp_path / "out/b_map.png") == 90).all()


def test_resume_looks_at_both_files(
    tmp_path: Path, rgbd: tuple, run: Run, capsys: pytest.CaptureFixture
) -> None:
    rgb, depth = rgbd
    arguments = ["-i", rgb, "-mi", depth, "--type", "map", "--resume"]
    assert run("depth", *arguments) == 0
    capsys.readouterr()
    assert run("depth", *arguments) == 0
    assert "4 pictures were done before" in capsys.readouterr().out
    write_image(depth / "1.png", np.full((33, 37), 7, np.uint8))
    assert run("depth", *arguments) == 0
    assert "3 pictures were done before" in capsys.readouterr().out
    assert (read_grey(tmp_path / "out/1_map.png") == 7).all()


def test_modalities_are_never_overwritten(
    tmp_path: Path, rgbd: tuple, run: Run, capsys: pytest.CaptureFixture
) -> None:
    (rgbd[1] / "0.png").rename(tmp_path / "0_map.png")
    before = (tmp_path / "0_map.png").read_bytes()
    arguments = ["-i", rgbd[0] / "0.jpg", "-mi", tmp_path / "0_map.png", "--type", "map"]
    assert run("depth", *arguments, "-o", tmp_path) == 2
    assert "0_map.png is an input" in capsys.readouterr().err
    assert (tmp_path / "0_map.png").read_bytes() == before


@pytest.mark.parametrize("types", [["map"], ["map", "modality"]])
def test_the_sheet_shows_it_once(tmp_path: Path, rgbd: tuple, run: Run, types: list[str]) -> None:
    rgb, depth = rgbd
    write_image(depth / "0.png", np.full((30, 37, 3), (250, 10, 130), np.uint8))
    sheet = tmp_path / "sheet.png"
    arguments = ["-i", rgb / "0.jpg", "-mi", depth, "--sheet", sheet, "--trim"]
    assert run("depth", *arguments, "--type", *types) == 0
    pixels = read_image(sheet)
    shown = (pixels == (250, 10, 130)).all(axis=2)
    assert shown.sum() == pytest.approx(220 * 275, rel=0.01)  # one thumbnail of it
    assert (pixels[:, :, 1:] == 200).all(axis=2).sum() == pytest.approx(220 * 275, rel=0.01)


def test_a_network_that_does_not_use_it(
    tmp_path: Path, rgbd: tuple, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture
) -> None:
    config = str(fake_saliency.fake_config_file(tmp_path))
    words = ["saliency", "-m", config, "-o", str(tmp_path / "out"), "-i", str(rgbd[0])]
    words += ["--modality-input", str(rgbd[1] / "0.png"), "--type"]
    assert cli.main([*words, "map"]) == 0
    assert caplog.text.count("not used") == 1
    assert all("modality" not in entry for entry in journal(tmp_path).values())
    assert cli.main([*words, "map", "modality"]) == 2
    assert "--type modality: this network sees nothing" in capsys.readouterr().err


def test_video_with_its_motion(tmp_path: Path, run: Run) -> None:
    clip = clip_with_sound(tmp_path / "clip.mp4", seconds=0.6)
    types = ["--type", "map", "modality", "--format", "png"]
    assert run("flow", "--task", "video", "-i", clip, *types, "--batch-size", "4") == 0
    frames = list(VideoReader(str(clip)))
    assert len(list((tmp_path / "out/clip_map").iterdir())) == len(frames) == 6
    for k, (_, motion) in enumerate(motion_ahead(frames)):
        written = cv2.imread(str(tmp_path / f"out/clip_modality/{k:06d}.png"))
        assert np.array_equal(written, motion)
    assert journal(tmp_path)["clip.mp4"]["modality"] == "optical flow"


def test_frames_in_a_folder(tmp_path: Path, run: Run) -> None:
    frame_folder(tmp_path / "frames", 4)
    arguments = ["-i", tmp_path / "frames", "--type", "modality", "--resume"]
    assert run("flow", *arguments) == 0
    want = [motion for _, motion in motion_ahead(moving(4))]
    for k, motion in enumerate(want):
        assert np.array_equal(read_image(tmp_path / f"out/{k}_modality.png"), motion)
    # Resumed with frames missing in the middle: the neighbours are the same.
    for k in (1, 3):
        (tmp_path / f"out/{k}_modality.png").unlink()
    assert run("flow", *arguments) == 0
    assert np.array_equal(read_image(tmp_path / "out/3_modality.png"), want[3])
    assert np.array_equal(read_image(tmp_path / "out/1_modality.png"), want[1])


def test_frames_with_their_flow_in_a_folder(tmp_path: Path, run: Run) -> None:
    for video in ("bear", "bus"):
        frame_folder(tmp_path / "frames" / video, 2)
        for k in range(2):
            level = 60 + k + 100 * (video == "bus")
            flow = np.full((48, 64, 3), level, np.uint8)
            write_image(tmp_path / f"flow/{video}/{k}.png", flow)
    assert run("flow", "-i", tmp_path / "frames", "-mi", tmp_path / "flow", "--type", "map") == 0
    for name, level in {"bear/0": 60, "bear/1": 61, "bus/0": 160, "bus/1": 161}.items():
        assert (read_grey(tmp_path / f"out/{name}_map.png") == level).all()


@pytest.mark.parametrize(("seconds", "frames"), [(0.6, 6), (0.4, 4), (0.9, 6)])
def test_two_videos_side_by_side(
    tmp_path: Path, run: Run, caplog: pytest.LogCaptureFixture, seconds: float, frames: int
) -> None:
    clip = clip_with_sound(tmp_path / "clip.mp4", seconds=0.6)
    heat = clip_with_sound(tmp_path / "thermal.mp4", seconds=seconds, size="32x32")
    arguments = ["--task", "rgbt", "-i", clip, "-mi", heat, "--type", "map", "modality"]
    assert run("thermal", *arguments, "--format", "png") == 0
    assert len(list((tmp_path / "out/clip_map").iterdir())) == frames
    assert ("frames" in caplog.text) == (seconds != 0.6)
    (_, second, *_) = VideoReader(str(heat))
    want = cv2.resize(second, (64, 48), interpolation=cv2.INTER_AREA)
    assert np.array_equal(cv2.imread(str(tmp_path / "out/clip_modality/000001.png")), want)
    assert journal(tmp_path)["clip.mp4"]["modality"] == "thermal.mp4"


def test_videos_without_their_partner(
    tmp_path: Path, rgbd: tuple, run: Run, capsys: pytest.CaptureFixture
) -> None:
    clip = clip_with_sound(tmp_path / "clip.mp4", seconds=0.2)
    arguments = ["-i", rgbd[0] / "0.jpg", clip, "-mi", rgbd[1], "--type", "map"]
    assert run("depth", *arguments) == 1
    assert "clip.mp4: a video needs a video as its depth map" in capsys.readouterr().err
    assert files_below(tmp_path / "out") == ["rgb/0_map.png", "saliency.json"]


def test_webcam(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = str(clip_with_sound(tmp_path / "clip.mp4", seconds=0.6))
    windows: list[Window] = []

    class Window(FakeWindow):
        def __init__(self, title: str) -> None:
            super().__init__(title)
            self.views: list[np.ndarray] = []
            windows.append(self)

        def show(self, bgr: np.ndarray) -> bool:
            self.views.append(bgr)
            return super().show(bgr)

    monkeypatch.setattr(show, "VideoReader", lambda number: VideoReader(clip))
    monkeypatch.setattr(show, "Window", Window)
    assert run("flow", "-i", "webcam", "--type", "modality") == 0
    want = [motion for _, motion in motion_behind(VideoReader(clip))]
    assert len(windows[0].views) == 3
    assert all(np.array_equal(view, one) for view, one in zip(windows[0].views, want))


def test_demo_does_the_same(tmp_path: Path, rgbd: tuple) -> None:
    config = str(two_config_file(tmp_path, "depth"))
    words = ["--task", "rgbd", "-m", config, "-i", str(rgbd[0]), "-mi", str(rgbd[1])]
    assert demo.main([*words, "-o", str(tmp_path / "out"), "--type", "map"]) == 0
    assert (read_grey(tmp_path / "out/deep/3_map.png") == 160).all()
