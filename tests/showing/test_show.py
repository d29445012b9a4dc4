from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest

from sor_ppa.data.image_io import write_image
from sor_ppa.engine.predictor import Predictor
from sor_ppa.errors import ImageError, SaliencyError
from sor_ppa.showing import show
from sor_ppa.showing.inputs import Source, expand_inputs
from sor_ppa.showing.rank_renderer import RankRenderer, outcome_table
from sor_ppa.showing.results import OutputOptions, Ranking, ResultsFolder
from sor_ppa.showing.show import Outcome, VideoRun, show_pictures, show_webcam
from sor_ppa.showing.video import VideoReader
from tests.demo.fake_ranker import fake_cfg
from tests.showing.test_video import write_clip


@pytest.fixture
def predictor() -> Predictor:
    return Predictor(fake_cfg())


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    for k in range(6):
        write_image(folder / f"{k}.png", np.full((40, 50 + k, 3), 100, np.uint8))
    (folder / "2.png").write_bytes((folder / "2.png").read_bytes()[:60])  # cut in the middle
    (folder / "4.png").write_text("<html>")
    return folder


def run(predictor: Predictor, folder: Path, out: Path, *, strict: bool = False) -> list[Outcome]:
    sources = expand_inputs([str(folder)])
    results = ResultsFolder(out, sources=sources)
    return list(show_pictures(predictor, sources, RankRenderer(results), strict=strict))


def test_outcomes_come_in_order_and_bad_pictures_are_passed_over(
    predictor: Predictor, pictures: Path, tmp_path: Path
) -> None:
    outcomes = run(predictor, pictures, tmp_path / "out")
    assert [outcome.source.name for outcome in outcomes] == list("012345")
    assert [outcome.error is None for outcome in outcomes] == [1, 1, 0, 1, 0, 1]
    assert all((outcome.result is None) == (outcome.error is not None) for outcome in outcomes)
    assert "2.png" in str(outcomes[2].error) and "4.png" in str(outcomes[4].error)
    assert len(list((tmp_path / "out/overlays").iterdir())) == 4


def test_strict_stops(predictor: Predictor, pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="2.png"):
        run(predictor, pictures, tmp_path / "out", strict=True)
    assert not (tmp_path / "out/overlays/3.jpg").exists()


def test_nothing_to_do(predictor: Predictor, tmp_path: Path) -> None:
    assert list(show_pictures(predictor, [], RankRenderer(ResultsFolder(tmp_path)))) == []
    assert list(tmp_path.iterdir()) == []


def test_results_that_cannot_be_written_end_the_run(
    predictor: Predictor, pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/overlays").write_bytes(b"")
    with pytest.raises((SaliencyError, OSError)):
        run(predictor, pictures, tmp_path / "out")


def test_a_picture_that_the_network_refuses(
    predictor: Predictor, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(inputs: list) -> list:
        raise SaliencyError("no memory")

    monkeypatch.setattr(predictor, "predict", refuse)
    outcomes = run(predictor, pictures, tmp_path / "out")
    assert [str(outcome.error).endswith(".png: no memory") for outcome in outcomes].count(True) == 4


def test_leaving_early_keeps_whole_files(
    predictor: Predictor, pictures: Path, tmp_path: Path
) -> None:
    sources = expand_inputs([str(pictures / "0.png"), str(pictures / "1.png")])
    results = ResultsFolder(tmp_path / "out")
    outcomes = show_pictures(predictor, sources * 50, RankRenderer(results))
    with contextlib.closing(outcomes):
        next(outcomes)
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert 2 <= len(files) <= 8 and not [path for path in files if path.name.startswith(".")]


def test_video(predictor: Predictor, tmp_path: Path) -> None:
    (source,) = expand_inputs([str(write_clip(tmp_path / "clip.avi", frames=7))])
    results = ResultsFolder(tmp_path / "out")
    video = VideoRun(predictor, source, RankRenderer(results))
    rankings = list(video)
    assert [ranking.objects for ranking in rankings] == [3] * 7
    frames = list(VideoReader(str(tmp_path / "out/videos/clip.mp4")))
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 7
    original = list(VideoReader(source.path))
    assert np.abs(frames[3].astype(int) - original[3]).max() > 40  # something is drawn
    lines = [json.loads(line) for line in (tmp_path / "out/videos/clip.jsonl").open()]
    assert lines[0]["video"] == {"file_name": "clip.avi", "fps": 10.0, "size": [48, 64]}
    assert [line["frame"] for line in lines[1:]] == list(range(7))
    assert lines[4]["seconds"] == 0.3
    assert [record["rank"] for record in lines[1]["results"]] == [2, 1, 0]


def test_video_without_overlay(predictor: Predictor, tmp_path: Path) -> None:
    (source,) = expand_inputs([str(write_clip(tmp_path / "clip.avi", frames=2))])
    results = ResultsFolder(tmp_path / "out", options=OutputOptions(overlays=False))
    assert len(list(VideoRun(predictor, source, RankRenderer(results)))) == 2
    assert [p.name for p in (tmp_path / "out/videos").iterdir()] == ["clip.jsonl"]


def test_stopped_video_is_whole(predictor: Predictor, tmp_path: Path) -> None:
    (source,) = expand_inputs([str(write_clip(tmp_path / "clip.avi", frames=200))])
    video = VideoRun(predictor, source, RankRenderer(ResultsFolder(tmp_path / "out")))
    with contextlib.closing(iter(video)) as rankings:
        for _ in range(5):
            next(rankings)
    frames = list(VideoReader(str(tmp_path / "out/videos/clip_unfinished.mp4")))
    lines = (tmp_path / "out/videos/clip.jsonl").read_text().splitlines()
    assert 5 <= len(frames) <= 10 and len(lines) == len(frames) + 1
    assert all(json.loads(line) for line in lines)


def test_video_that_cannot_be_read(predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_text("<html>")
    (source,) = expand_inputs([str(tmp_path / "bad.mp4")])
    with pytest.raises(ImageError, match="bad.mp4"):
        VideoRun(predictor, source, RankRenderer(ResultsFolder(tmp_path / "out")))


def test_video_without_frames_leaves_nothing(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source,) = expand_inputs([str(write_clip(tmp_path / "clip.avi", frames=1))])
    video = VideoRun(predictor, source, RankRenderer(ResultsFolder(tmp_path / "out")))
    assert video.reader._capture.read()[0]  # somebody took the only frame
    with pytest.raises(ImageError, match="clip.avi"):
        list(video)
    assert not (tmp_path / "out").exists()


def test_video_never_overwrites_its_input(predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    path = write_clip(tmp_path / "videos/clip.avi", frames=2)
    (source,) = expand_inputs([str(path)])
    with pytest.raises(SaliencyError, match="is an input"):
        VideoRun(predictor, source, RankRenderer(ResultsFolder(tmp_path)))
    assert len(list(VideoReader(str(path)))) == 2


class FakeWindow:
    """Shows nothing and is closed by its user after three frames."""

    def __init__(self, title: str) -> None:
        self.shown = 0
        self.closed = False

    def show(self, bgr: np.ndarray) -> bool:
        self.shown += 1
        return self.shown < 3

    def close(self) -> None:
        self.closed = True


def test_webcam(predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = str(write_clip(tmp_path / "clip.avi", frames=50))
    opened = []
    windows = []

    def camera(number: int) -> VideoReader:
        opened.append(number)
        return VideoReader(clip)

    def window(title: str) -> FakeWindow:
        windows.append(FakeWindow(title))
        return windows[0]

    monkeypatch.setattr(show, "VideoReader", camera)
    monkeypatch.setattr(show, "Window", window)
    renderer = RankRenderer(ResultsFolder(tmp_path))
    assert show_webcam(predictor, Source("webcam", "1", label="webcam1"), renderer) == 3
    assert opened == [1] and windows[0].closed


@pytest.mark.parametrize(("count", "lines"), [(0, 0), (1, 3), (40, 42), (41, 43), (100, 43)])
def test_table(predictor: Predictor, count: int, lines: int) -> None:
    ranking = Ranking(objects=4, ranked=((1, 0.91), (3, 0.5)))
    outcome = Outcome(Source("picture", "/a.jpg", "a", "a.jpg"), ranking)
    failed = Outcome(outcome.source, error=ImageError("x"))
    table = outcome_table([failed] + [outcome] * count)
    assert len(table.splitlines()) == lines
    if count:
        assert "1: 0.91   3: 0.50" in table
    if count > 40:
        assert table.endswith(f"and {count - 40} more")
