from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from demo import demo
from sor_ppa.data.image_io import write_image
from sor_ppa.evaluation.results_io import read_results
from sor_ppa.showing.video import VideoReader
from tests.demo import fake_ranker, fake_saliency
from tests.showing.test_video import write_clip
from tests.synthetic import files_below

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config(tmp_path: Path) -> str:
    return str(fake_ranker.fake_config_file(tmp_path))


@pytest.mark.parametrize(
    "arguments", [[], ["--input", "nothing.jpg"], ["--input", "*.none"], ["--input", "empty"]]
)
def test_no_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, arguments: list
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    assert demo.main(arguments) == 2
    assert "error: no input matched" in capsys.readouterr().err
    assert files_below(tmp_path) == []


def test_folder(tmp_path: Path, pictures: Path, config: str, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "out"
    status = demo.main(["--config-file", config, "--input", str(pictures), "--output", str(out)])
    assert status == 0
    assert files_below(out) == [
        "overlays/a/x.jpg", "overlays/b/x.jpg", "overlays/b/y.jpg", "overview.png",
        "rank_maps/a/x.png", "rank_maps/b/x.png", "rank_maps/b/y.png", "results.json",
    ]  # fmt: skip
    text = capsys.readouterr().out
    assert "a/x.png 3 1: 0.90 2: 0.75" in " ".join(text.split())
    assert str(out / "overview.png") in text.split("done in")[1]
    results = read_results(out / "results.json")
    assert len(results.records) == 9
    assert results.info["config"] == config


def test_bad_pictures_are_reported_at_the_end(
    tmp_path: Path, pictures: Path, config: str, capsys: pytest.CaptureFixture
) -> None:
    (pictures / "a/torn.png").write_bytes(b"\x89PNG")
    arguments = ["--config-file", config, "--output", str(tmp_path / "out"), "--input"]
    assert demo.main([*arguments, str(pictures), "gone.jpg"]) == 1
    failures = [x for x in capsys.readouterr().err.splitlines() if x.startswith("failed:")]
    assert len(failures) == 2 and "torn.png" in failures[0] and "gone.jpg" in failures[1]
    assert len(read_results(tmp_path / "out/results.json").images) == 3
    # Alone it is an error, and so it is under --strict.
    assert demo.main([*arguments, str(pictures / "a/torn.png")]) == 2
    assert demo.main([*arguments, str(pictures), "--strict"]) == 2
    assert "torn.png" in capsys.readouterr().err


def test_resume(tmp_path: Path, pictures: Path, config: str, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "out"
    first = pictures / "a" / "x.png"
    whole = ["--config-file", config, "--output", str(out), "--resume", "--input", str(pictures)]
    assert demo.main(whole) == 0
    (out / "overlays/b/x.jpg").unlink()
    write_image(pictures / "c.png", np.full((9, 9, 3), 50, np.uint8))
    stamp = (out / "overlays/a/x.jpg").stat().st_mtime_ns
    capsys.readouterr()
    assert demo.main(whole) == 0
    text = capsys.readouterr().out
    assert "2 pictures were done before" in text and "b/x.png" in text and first.exists()
    assert (out / "overlays/a/x.jpg").stat().st_mtime_ns == stamp
    assert len(read_results(out / "results.json").images) == 4
    assert demo.main([*whole, "--opts", "INPUT.MIN_SIZE_TEST", "32"]) == 2
    assert "opts" in capsys.readouterr().err


def test_output_may_lie_in_the_input(tmp_path: Path, pictures: Path, config: str) -> None:
    arguments = ["--config-file", config, "--output", str(pictures), "--input", str(pictures)]
    assert demo.main(arguments) == 0
    before = files_below(pictures)
    assert demo.main(arguments) == 0
    assert files_below(pictures) == before


def test_options(tmp_path: Path, pictures: Path, config: str) -> None:
    out = tmp_path / "out"
    arguments = ["--config-file", config, "--output", str(out), "--input", str(pictures / "*/x.*")]
    assert demo.main([*arguments, "--no-overlay", "--no-rank-map", "--crop", "2"]) == 0
    assert files_below(out) == [
        "crops/a/x_rank1.png", "crops/a/x_rank2.png", "crops/b/x_rank1.png", "crops/b/x_rank2.png",
        "results.json",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (["--opts", "MODEL.NO_SUCH_KEY", "1"], "NO_SUCH_KEY"),
        (["--opts", "MODEL.DEVICE"], "MODEL.DEVICE"),
        (["--confidence-threshold", "7"], "0 ... 1"),
        (["--max-pixels", "10"], "--max-pixels"),
        (["--device", "tpu9"], "tpu9"),
        (["--opts", "MODEL.WEIGHTS", "gone.pth"], "gone.pth"),
        (["--config-file", "sor/no_such.yaml"], "sor/no_such.yaml"),
        (["--output", "{config}"], "fake.yaml"),
    ],
)
def test_errors_are_one_line_and_two(
    tmp_path: Path, pictures: Path, config: str, capsys: pytest.CaptureFixture,
    extra: list[str], said: str,
) -> None:  # fmt: skip
    out = str(tmp_path / "out")
    arguments = ["--config-file", config, "--input", str(pictures / "a/x.png"), "--output", out]
    assert demo.main(arguments + [part.format(config=config) for part in extra]) == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error


def test_video_and_pictures_together(
    tmp_path: Path, pictures: Path, config: str, capsys: pytest.CaptureFixture
) -> None:
    clip = write_clip(tmp_path / "clip.avi", frames=4)
    (tmp_path / "bad.mp4").write_text("<html>")
    out = tmp_path / "out"
    wanted = [str(clip), str(pictures / "a/x.png"), str(tmp_path / "bad.mp4")]
    assert demo.main(["--config-file", config, "--output", str(out), "--input", *wanted]) == 1
    assert "bad.mp4" in capsys.readouterr().err
    (video,) = (path for path in (out / "videos").iterdir() if path.suffix != ".jsonl")
    assert len(list(VideoReader(str(video)))) == 4
    assert len((out / "videos/clip.jsonl").read_text().splitlines()) == 5
    assert (out / "overlays/in/a/x.jpg").is_file()


def test_webcam_without_display(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    arguments = ["--config-file", config, "--output", str(tmp_path / "out"), "--input", "webcam"]
    assert demo.main(arguments) == 2
    assert "no display" in capsys.readouterr().err


_RUN_FAKE = (
    "import sys; import tests.demo.fake_ranker; from demo import demo; "
    "sys.exit(demo.main(sys.argv[1:]))"
)


def test_ctrl_c_leaves_whole_files(tmp_path: Path, config: str) -> None:
    clip = write_clip(tmp_path / "clip.avi", frames=3000)
    out = tmp_path / "out"
    command = [sys.executable, "-c", _RUN_FAKE, "--config-file", config, "--input", str(clip)]
    process = subprocess.Popen(
        [*command, "--output", str(out)], cwd=ROOT, stderr=subprocess.PIPE, text=True,
        # A shell that runs the tests in the background has SIGINT ignored in all its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    lines = out / "videos/clip.jsonl"
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and not (lines.is_file() and lines.stat().st_size > 4000):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "stopped" in errors and "Traceback" not in errors
    frames = [json.loads(line) for line in lines.read_text().splitlines()][1:]
    (video,) = (path for path in (out / "videos").iterdir() if path.suffix != ".jsonl")
    assert video.stem == "clip_unfinished"
    assert 0 < len(frames) < 3000
    assert len(list(VideoReader(str(video)))) == len(frames)


def test_as_a_program_on_the_samples(tmp_path: Path) -> None:
    """The real small network with whatever weights there are, in a process of its own."""
    pytest.importorskip("skimage")
    pytest.importorskip("detectron2.modeling")
    command = [
        sys.executable, str(ROOT / "demo/demo.py"), "--samples", "--output", str(tmp_path / "out"),
        "--config-file", "sor/tiny.yaml", "--opts", "MODEL.WEIGHTS", "",
        "MODEL.FCOS.INFERENCE_TH_TEST", "0.001",
    ]  # fmt: skip
    # Run elsewhere, as an installed package would be: only the checkout may come from here.
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "random weights" in done.stderr and "astronaut.png" in done.stdout
    assert (tmp_path / "out/overview.png").stat().st_size > 100_000
    assert len(read_results(tmp_path / "out/results.json").images) >= 4


def test_help_names_every_option(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        demo.main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "--samples" in text and "Exit status" in text and "demo.py --task rank --samples" in text
    assert "demo.py --task saliency" in text


def test_saliency_task(tmp_path: Path, pictures: Path) -> None:
    config = str(fake_saliency.fake_config_file(tmp_path))
    out = tmp_path / "out"
    arguments = ["--task", "saliency", "--config-file", config, "--type", "map", "green"]
    assert demo.main([*arguments, "--input", str(pictures / "a"), "--dest", str(out)]) == 0
    assert files_below(out) == ["saliency.json", "x_green.png", "x_map.png"]


@pytest.mark.parametrize("arguments", [["--task", "fly"], ["--task"], ["--type", "map"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture) -> None:
    """The last one is an option of saliency, and ranking is what runs without ``--task``."""
    with pytest.raises(SystemExit) as ended:
        demo.main(arguments)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err
