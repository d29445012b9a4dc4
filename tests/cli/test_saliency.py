from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sor_ppa import cli
from sor_ppa.data.image_io import read_image, write_image
from sor_ppa.showing import show
from sor_ppa.showing.video import VideoReader
from tests.demo import fake_ranker, fake_saliency
from tests.showing.clips import clip_with_sound, sound_seconds
from tests.showing.test_show import FakeWindow
from tests.showing.test_video import write_clip
from tests.synthetic import files_below

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config(tmp_path: Path) -> str:
    return str(fake_saliency.fake_config_file(tmp_path))


def saliency(config: str, *arguments: object) -> int:
    return cli.main(["saliency", "--config-file", config, *map(str, arguments)])


@pytest.mark.parametrize(
    "arguments", [[], ["--input", "nothing.jpg"], ["--input", "*.none"], ["--input", "empty"]]
)
def test_no_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, arguments: list
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    assert cli.main(["saliency", *arguments]) == 2
    assert "error: no input matched" in capsys.readouterr().err
    assert files_below(tmp_path) == []


def test_folder(tmp_path: Path, pictures: Path, config: str, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "out"
    types = ["--type", "rgba", "map", "blur", "255,0,0"]
    assert saliency(config, "-s", pictures, "-d", out, *types) == 0
    assert files_below(out) == [
        "a/x_255-0-0.png", "a/x_blur.png", "a/x_map.png", "a/x_rgba.png",
        "b/x_255-0-0.png", "b/x_blur.png", "b/x_map.png", "b/x_rgba.png",
        "b/y_255-0-0.jpg", "b/y_blur.jpg", "b/y_map.png", "b/y_rgba.png", "saliency.json",
    ]  # fmt: skip
    assert f"{out}  (*_rgba, *_map, *_blur, *_255-0-0)" in capsys.readouterr().out
    with Image.open(out / "b/x_rgba.png") as picture:
        assert picture.mode == "RGBA" and picture.size == (40, 50)


@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        ([], ["x_rgba.png"]),
        (["--format", "jpg", "--type", "white"], ["x_white.jpg"]),
        (["--type", "[1, 2, 3]", "--reverse"], ["x_1-2-3_reverse.png"]),
        (["--type", "map", "--bits", "16", "-th", "0.5"], ["x_map.png"]),
        (["--background", "{back}"], ["x_beach.png"]),
        (["--type", "rgba", "--trim", "--no-matting"], ["x_rgba.png"]),
    ],
)
def test_options(
    tmp_path: Path, pictures: Path, config: str, arguments: list[str], files: list[str]
) -> None:
    write_image(tmp_path / "beach.jpg", np.full((5, 6, 3), 9, np.uint8))
    words = [word.format(back=tmp_path / "beach.jpg") for word in arguments]
    assert saliency(config, "-i", pictures / "a/x.png", "-o", tmp_path / "out", *words) == 0
    assert files_below(tmp_path / "out") == sorted([*files, "saliency.json"])


def test_bad_pictures_are_reported_at_the_end(
    tmp_path: Path, pictures: Path, config: str, capsys: pytest.CaptureFixture
) -> None:
    (pictures / "a/torn.png").write_bytes(b"\x89PNG")
    write_image(pictures / "a/z.png", np.full((40, 50, 3), fake_saliency.NAN_LEVEL, np.uint8))
    arguments = ["--output", tmp_path / "out", "--type", "map", "--input"]
    assert saliency(config, *arguments, pictures, "gone.jpg") == 1
    failures = [x for x in capsys.readouterr().err.splitlines() if x.startswith("failed:")]
    assert len(failures) == 3 and "torn.png" in failures[0] and "gone.jpg" in failures[2]
    assert "z.png" in failures[1] and "NaN" in failures[1]
    assert len(files_below(tmp_path / "out")) == 4
    # Alone it is an error, and so it is under --strict.
    assert saliency(config, *arguments, pictures / "a/torn.png") == 2
    assert saliency(config, *arguments, pictures, "--strict") == 2
    assert "torn.png" in capsys.readouterr().err


def test_resume(tmp_path: Path, pictures: Path, config: str, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "out"
    clip = write_clip(pictures / "clip.avi", frames=3)
    arguments = ["-i", pictures, "-o", out, "--type", "map", "--resume"]
    assert saliency(config, *arguments) == 0
    (out / "b/x_map.png").unlink()
    stamps = {name: (out / name).stat().st_mtime_ns for name in ("a/x_map.png", "clip_map.mp4")}
    capsys.readouterr()
    assert saliency(config, *arguments) == 0
    text = capsys.readouterr().out
    assert "2 pictures were done before" in text and "1 videos were done before" in text
    assert (out / "b/x_map.png").is_file() and clip.is_file()
    assert stamps == {name: (out / name).stat().st_mtime_ns for name in stamps}
    assert saliency(config, *arguments, "--threshold", "0.5") == 2
    assert "--resume" in capsys.readouterr().err


def test_output_may_lie_in_the_input(tmp_path: Path, pictures: Path, config: str) -> None:
    arguments = ["-i", pictures, "-d", pictures, "--type", "rgba", "map"]
    assert saliency(config, *arguments) == 0
    before = files_below(pictures)
    assert len(before) == 10
    assert saliency(config, *arguments) == 0
    assert saliency(config, "-i", pictures / "*/*.png", "-d", pictures, "--type", "map") == 0
    assert saliency(config, *arguments) == 0
    assert set(files_below(pictures)) == set(before)


def test_inputs_are_never_overwritten(
    tmp_path: Path, pictures: Path, config: str, capsys: pytest.CaptureFixture
) -> None:
    (pictures / "a/x_rgba.png").write_bytes((pictures / "a/x.png").read_bytes())
    before = (pictures / "a/x_rgba.png").read_bytes()
    assert saliency(config, "-i", pictures, "-d", pictures) == 2
    assert "x_rgba.png is an input" in capsys.readouterr().err
    assert (pictures / "a/x_rgba.png").read_bytes() == before


def test_odd_names_and_loops(tmp_path: Path, config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "in"
    stems = ["-dash", "sp ace", "ünïcode 漢字", "[brackets] *", "l" * 250]
    for stem in stems:
        write_image(folder / "p.png", np.full((9, 9, 3), 70, np.uint8))
        (folder / "p.png").rename(folder / f"{stem}.png")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    monkeypatch.chdir(folder)
    assert saliency(config, "-i", ".", "-d", tmp_path / "out", "--type", "map") == 0
    names = files_below(tmp_path / "out")
    assert len(names) == 6
    assert all(f"{stem}_map.png" in names for stem in stems[:-1])


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (["--type", "sepia"], "map, rgba, green, white, blur, overlay, pyramid"),
        (["--type", "[255,", "0,", "0]"], "unknown output type"),
        (["--background", "gone.jpg"], "gone.jpg: no such file"),
        (["--background", "{config}"], "dense.yaml"),
        (["--threshold", "7"], "0 ... 1"),
        (["--bits", "10"], "8 or 16"),
        (["--format", "webp"], "png, jpg, mp4"),
        (["--sheet", "sheet.gif"], ".png or .jpg"),
        (["--batch-size", "0"], "at least 1"),
        (["--weights", "gone.pth"], "gone.pth"),
        (["--device", "tpu9"], "tpu9"),
        (["--config-file", "inspyrenet/no_such.yaml"], "no_such.yaml"),
        (["--max-pixels", "10"], "--max-pixels"),
        (["--output", "{config}"], "dense.yaml"),
        (["--opts", "MODEL.NO_SUCH_KEY", "1"], "NO_SUCH_KEY"),
    ],
)
def test_errors_are_one_line_and_two(
    tmp_path: Path, pictures: Path, config: str, capsys: pytest.CaptureFixture,
    extra: list[str], said: str,
) -> None:  # fmt: skip
    words = [part.format(config=config) for part in extra]
    arguments = ["-i", pictures / "a/x.png", "-o", tmp_path / "out"]
    assert saliency(config, *arguments, *words) == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error


def test_a_ranking_config_is_told_so(
    tmp_path: Path, pictures: Path, capsys: pytest.CaptureFixture
) -> None:
    ranker = str(fake_ranker.fake_config_file(tmp_path))
    assert saliency(ranker, "-i", pictures, "-o", tmp_path / "out") == 2
    assert "no saliency map; use a dense config" in capsys.readouterr().err


def test_and_a_dense_config_at_ranking(
    tmp_path: Path, pictures: Path, config: str, capsys: pytest.CaptureFixture
) -> None:
    arguments = ["--config-file", config, "-i", str(pictures), "-o", str(tmp_path / "out")]
    assert cli.main(["rank", *arguments]) == 2
    assert "no instances to rank" in capsys.readouterr().err


def test_sheet(tmp_path: Path, pictures: Path, config: str, capsys: pytest.CaptureFixture) -> None:
    sheet = tmp_path / "deep" / "sheet.png"
    types = ["--type", "rgba", "map", "overlay", "pyramid"]
    arguments = ["-i", pictures, "-o", tmp_path / "out", *types, "--sheet", sheet]
    assert saliency(config, *arguments) == 0
    assert read_image(sheet).shape[0] > 3 * 220
    assert str(sheet) in capsys.readouterr().out.split("done in")[1]


def test_pictures_and_videos_together(
    tmp_path: Path, pictures: Path, config: str, capsys: pytest.CaptureFixture
) -> None:
    clip = clip_with_sound(tmp_path / "clip.mp4")
    (tmp_path / "bad.mp4").write_text("<html>")
    out = tmp_path / "out"
    inputs = ["-i", clip, pictures / "a/x.png", tmp_path / "bad.mp4"]
    assert saliency(config, *inputs, "-o", out, "--type", "green", "rgba", "--batch-size", "4") == 1
    assert "bad.mp4" in capsys.readouterr().err
    assert len(list(VideoReader(str(out / "clip_green.mp4")))) == 10
    assert sound_seconds(out / "clip_green.mp4") == pytest.approx(1, abs=0.1)
    assert len(list((out / "clip_rgba").iterdir())) == 10
    assert (out / "in/a/x_green.png").is_file()
    frame = cv2.imread(str(out / "clip_rgba/000009.png"), cv2.IMREAD_UNCHANGED)
    assert frame.shape == (48, 64, 4)
    assert saliency(config, *inputs, "-o", out, "--strict", "--type", "map") == 2


@pytest.mark.parametrize("extra", [["--format", "mp4"], ["--trim"], ["--type", "pyramid"]])
def test_what_no_video_can_be(tmp_path: Path, config: str, extra: list[str]) -> None:
    clip = write_clip(tmp_path / "clip.avi", frames=2)
    assert saliency(config, "-i", clip, "-o", tmp_path / "out", *extra) == 2
    assert not (tmp_path / "out").exists()


def test_webcam(tmp_path: Path, config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = str(write_clip(tmp_path / "clip.avi", frames=50))
    windows: list[FakeWindow] = []

    def window(title: str) -> FakeWindow:
        windows.append(FakeWindow(title))
        return windows[0]

    monkeypatch.setattr(show, "VideoReader", lambda number: VideoReader(clip))
    monkeypatch.setattr(show, "Window", window)
    assert saliency(config, "-i", "webcam", "-o", tmp_path / "out") == 0
    assert windows[0].shown == 3 and windows[0].closed
    assert not (tmp_path / "out").exists()


def test_webcam_without_display(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert saliency(config, "-i", "webcam", "-o", tmp_path / "out") == 2
    assert "no display" in capsys.readouterr().err


_RUN_FAKE = (
    "import sys; import tests.demo.fake_saliency; from sor_ppa import cli; "
    "sys.exit(cli.main(sys.argv[1:]))"
)


def test_ctrl_c_leaves_whole_files(tmp_path: Path, config: str) -> None:
    clip = write_clip(tmp_path / "clip.avi", frames=3000, size_hw=(96, 128))
    out = tmp_path / "out"
    command = [sys.executable, "-c", _RUN_FAKE, "saliency", "--config-file", config]
    process = subprocess.Popen(
        [*command, "-i", str(clip), "-o", str(out), "--type", "blur", "rgba"],
        cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True,
        # A shell that runs the tests in the background has SIGINT ignored in all its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    frames = out / "clip_rgba_unfinished"
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and not (frames.is_dir() and len(os.listdir(frames)) > 20):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to ffmpeg's group as well
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "stopped" in errors and "Traceback" not in errors
    assert {path.name for path in out.iterdir()} == {
        "clip_blur_unfinished.mp4", "clip_rgba_unfinished",
    }  # fmt: skip
    count = len(list(VideoReader(str(out / "clip_blur_unfinished.mp4"))))
    assert 0 < count < 3000
    assert abs(count - len(os.listdir(frames))) <= 6
    assert all(cv2.imread(str(path)) is not None for path in sorted(frames.iterdir())[-3:])


def test_rank_is_the_same_as_the_demo(tmp_path: Path, pictures: Path) -> None:
    config = str(fake_ranker.fake_config_file(tmp_path))
    out = tmp_path / "out"
    assert cli.main(["rank", "-m", config, "-s", str(pictures / "a"), "-d", str(out)]) == 0
    assert files_below(out) == ["overlays/x.jpg", "overview.png", "rank_maps/x.png", "results.json"]
