from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from sor_ppa.errors import ImageError, SaliencyError
from sor_ppa.showing import video
from sor_ppa.showing.video import VideoReader, VideoWriter, Window


def write_clip(path: Path, *, frames: int = 7, size_hw: tuple[int, int] = (48, 64)) -> Path:
    """A clip whose frames get lighter, written by OpenCV itself."""
    height, width = size_hw
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (width, height))
    assert writer.isOpened()
    for index in range(frames):
        writer.write(np.full((height, width, 3), 20 + 20 * index % 200, np.uint8))
    writer.release()
    return path


def means(path: str | Path) -> list[float]:
    return [float(frame.mean()) for frame in VideoReader(str(path))]


def test_reader(tmp_path: Path) -> None:
    reader = VideoReader(str(write_clip(tmp_path / "a.avi")))
    assert (reader.info.height, reader.info.width) == (48, 64)
    assert reader.info.fps == pytest.approx(10)
    assert reader.info.frames == 7
    frames = list(reader)
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 7
    assert [frame.mean() for frame in frames] == pytest.approx(range(20, 160, 20), abs=2)
    reader.close()


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"RIFF" + bytes(100)])
def test_what_is_no_video(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.avi"
    path.write_bytes(content)
    with pytest.raises(ImageError, match="bad.avi"):
        list(VideoReader(str(path)))
    with pytest.raises(ImageError, match="no such video"):
        VideoReader(str(tmp_path / "missing.avi"))


def test_missing_webcam() -> None:
    with pytest.raises(ImageError, match="webcam 87"):
        VideoReader(87)


@pytest.mark.parametrize("size_hw", [(48, 64), (47, 63), (120, 16)])
@pytest.mark.parametrize("codecs", [video._CODECS, video._CODECS[1:]])
def test_writer_round_trip(
    tmp_path: Path, size_hw: tuple[int, int], codecs: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video, "_CODECS", codecs)
    stem = tmp_path / "deep" / "clip"
    with VideoWriter(str(stem), size_hw=size_hw, fps=12.5) as writer:
        for level in (40, 120, 200):
            writer.write(np.full((*size_hw, 3), level, np.uint8))
        writer.write(writer.encode(3, np.full((10, 20), 250, np.uint8)))  # grey, of another size
        assert not Path(writer.path).exists()  # not before it is whole
    assert [path.name for path in stem.parent.iterdir()] == [Path(writer.path).name]
    assert means(writer.path) == pytest.approx([40, 120, 200, 250], abs=6)
    assert VideoReader(writer.path).info.fps == pytest.approx(12.5)


def test_writer_falls_back_to_motion_jpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "_CODECS", ((".mp4", "????"), (".avi", "MJPG")))
    with VideoWriter(str(tmp_path / "clip"), size_hw=(16, 16), fps=5) as writer:
        writer.write(np.zeros((16, 16, 3), np.uint8))
    assert [path.name for path in tmp_path.iterdir()] == ["clip.avi"]


def test_interrupted_writer_leaves_a_whole_video(tmp_path: Path) -> None:
    writer = VideoWriter(str(tmp_path / "clip"), size_hw=(16, 16), fps=5)
    with pytest.raises(KeyboardInterrupt), writer:
        writer.write(np.full((16, 16, 3), 99, np.uint8))
        raise KeyboardInterrupt
    assert not Path(writer.path).exists()
    assert means(writer.unfinished) == pytest.approx([99], abs=4)
    writer.close()


def test_no_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "_CODECS", ((".mp4", "????"),))
    with pytest.raises(ImageError, match="16 x 8"):
        VideoWriter(str(tmp_path / "clip"), size_hw=(8, 16), fps=5)
    assert list(tmp_path.iterdir()) == []


def test_window_without_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(SaliencyError, match="no display"):
        Window("test")


def test_window_of_a_headless_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise cv2.error("not implemented")

    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(cv2, "namedWindow", refuse)
    with pytest.raises(SaliencyError, match="pip install opencv-python"):
        Window("test")


@pytest.mark.parametrize(
    ("said", "fps"), [(30.0, 30.0), (0.0, 25.0), (1000.0, 25.0), (float("nan"), 25.0), (-1, 25.0)]
)
def test_frame_rates_that_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: float, fps: float
) -> None:
    path = str(write_clip(tmp_path / "a.avi", frames=2))

    class Camera:
        """A capture that gives the same number for every property."""

        def __init__(self, source: str) -> None:
            self.opened = source == path

        def isOpened(self) -> bool:  # noqa: N802
            return self.opened

        def get(self, key: int) -> float:
            return said

        def release(self) -> None:
            self.opened = False

    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    info = VideoReader(path).info
    assert info.fps == fps
    assert info.frames >= 0


def test_window_ends_with_q_or_when_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    keys, visible, shown = [-1, -1, ord("q"), 27], [1.0, 0.0], []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(cv2, "namedWindow", lambda *args: None)
    monkeypatch.setattr(cv2, "imshow", lambda name, image: shown.append(image))
    monkeypatch.setattr(cv2, "waitKey", lambda delay: keys.pop(0))
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *args: visible.pop(0))
    window = Window("test")
    frame = np.zeros((2, 2, 3), np.uint8)
    assert [window.show(frame) for _ in range(4)] == [True, False, False, False]
    assert len(shown) == 4
