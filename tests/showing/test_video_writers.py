from __future__ import annotations

import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from sor_ppa.errors import ImageError
from sor_ppa.showing import ffmpeg, video_writers
from sor_ppa.showing.video import VideoReader, VideoWriter
from sor_ppa.showing.video_writers import FfmpegWriter, FrameWriter, PngSequence, open_video_writer
from tests.showing.clips import (
    clip_with_sound,
    frames_bgra,
    program,
    sound_seconds,
    streams,
    video_codec,
)

LEVELS = (30, 90, 150, 210)


def frame(level: int, size_hw: tuple[int, int], channels: int = 3) -> np.ndarray:
    picture = np.full((*size_hw, channels), level, np.uint8)
    if channels == 4:
        picture[:, : size_hw[1] // 2, 3] = 0
        picture[:, size_hw[1] // 2 :, 3] = 255
    return picture[:, :, 0] if channels == 1 else picture


def fill(writer: FrameWriter, frames: list[np.ndarray]) -> None:
    with writer:
        for index, picture in enumerate(frames):
            writer.write(writer.encode(index, picture))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("kind", ["mp4", "mov", "webm"])
@pytest.mark.parametrize("size", [(48, 64), (47, 63), (2, 2), (64, 17)])
@pytest.mark.parametrize("channels", [1, 3])
def test_same_frames_of_the_same_size(
    tmp_path: Path, kind: str, size: tuple[int, int], channels: int
) -> None:
    program()
    writer = open_video_writer(
        str(tmp_path / "deep" / "clip"), size_hw=size, fps=29.97, kind=kind, channels=channels
    )
    fill(writer, [frame(level, size, channels) for level in LEVELS])
    assert names(tmp_path / "deep") == [f"clip.{kind}"]
    assert writer.path == str(tmp_path / "deep" / f"clip.{kind}")
    found = frames_bgra(writer.path, size)
    assert found[..., :3].mean(axis=(1, 2, 3)) == pytest.approx(LEVELS, abs=4)
    assert VideoReader(writer.path).info.fps == pytest.approx(29.97, abs=0.01)


@pytest.mark.parametrize(("kind", "codec"), [("mov", "prores"), ("webm", "vp9")])
@pytest.mark.parametrize("size", [(48, 64), (33, 65)])
def test_alpha(tmp_path: Path, kind: str, codec: str, size: tuple[int, int]) -> None:
    program()
    writer = open_video_writer(str(tmp_path / "clip"), size_hw=size, fps=10, kind=kind, channels=4)
    fill(writer, [frame(level, size, 4) for level in LEVELS])
    assert video_codec(writer.path) == codec
    found = frames_bgra(writer.path, size)
    half = size[1] // 2
    assert len(found) == 4
    assert found[:, :, : half - 4, 3].max() <= 6
    assert found[:, :, half + 4 :, 3].min() >= 249
    assert found[:, :, half + 4 :, :3].mean(axis=(1, 2, 3)) == pytest.approx(LEVELS, abs=6)


def test_ordinary_films_are_h264(tmp_path: Path) -> None:
    if "libx264 " not in ffmpeg._encoders(program()):
        pytest.skip("this ffmpeg has no H.264 encoder")
    writer = open_video_writer(str(tmp_path / "clip"), size_hw=(48, 64), fps=10)
    fill(writer, [frame(9, (48, 64))])
    assert video_codec(writer.path) == "h264" and "yuv420p" in streams(writer.path)


@pytest.mark.parametrize(
    ("source", "words", "kind", "codec"),
    [
        ("in.mp4", "-c:a aac", "mp4", "aac"),
        ("in.mkv", "-c:a libvorbis", "mp4", "aac"),  # MP4 players know no Vorbis: encoded anew
        ("in.webm", "-c:v libvpx-vp9 -cpu-used 8 -c:a libopus", "webm", "opus"),
        ("in.mp4", "-c:a aac", "webm", "opus"),
        ("in.avi", "-c:a pcm_s16le", "mov", "pcm_s16le"),
    ],
)
def test_sound_is_kept(tmp_path: Path, source: str, words: str, kind: str, codec: str) -> None:
    clip = clip_with_sound(tmp_path / source, words=words)
    frames = list(VideoReader(str(clip)))
    writer = open_video_writer(
        str(tmp_path / "out" / "clip"), size_hw=(48, 64), fps=10, kind=kind, sound_of=str(clip)
    )
    fill(writer, frames)
    assert f"Audio: {codec}" in streams(writer.path)
    assert sound_seconds(writer.path) == pytest.approx(1, abs=0.1)
    assert len(frames_bgra(writer.path, (48, 64))) == 10
    assert names(tmp_path / "out") == [f"clip.{kind}"]


def test_a_silent_film_stays_silent(tmp_path: Path) -> None:
    clip = clip_with_sound(tmp_path / "in.mp4", words="-an")
    writer = open_video_writer(str(tmp_path / "clip"), size_hw=(48, 64), fps=10, sound_of=str(clip))
    fill(writer, [frame(9, (48, 64))] * 3)
    assert "Audio" not in streams(writer.path)


def test_sound_that_cannot_be_kept_costs_only_the_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clip = clip_with_sound(tmp_path / "in.mp4")
    monkeypatch.setitem(ffmpeg._COPIED, ".webm", {"aac"})  # which WebM refuses
    writer = open_video_writer(
        str(tmp_path / "clip"), size_hw=(48, 64), fps=10, kind="webm", sound_of=str(clip)
    )
    fill(writer, [frame(9, (48, 64))] * 3)
    assert len(frames_bgra(writer.path, (48, 64))) == 3
    assert "in.mp4: its sound (aac) cannot be kept" in caplog.text
    assert names(tmp_path) == ["clip.webm", "in.mp4"]


@pytest.mark.parametrize("kind", ["mp4", "png"])
def test_interrupted(tmp_path: Path, kind: str) -> None:
    """What is there is whole, under another name, with sound as long as the frames."""
    clip = clip_with_sound(tmp_path / "in.mp4", seconds=3)
    writer = open_video_writer(
        str(tmp_path / "out" / "clip"), size_hw=(48, 64), fps=10, kind=kind, sound_of=str(clip)
    )
    with pytest.raises(KeyboardInterrupt), writer:
        for index, level in enumerate(LEVELS):
            writer.write(writer.encode(index, frame(level, (48, 64))))
        raise KeyboardInterrupt
    end = "" if kind == "png" else ".mp4"
    assert names(tmp_path / "out") == [f"clip_unfinished{end}"]
    left = tmp_path / "out" / f"clip_unfinished{end}"
    if kind == "png":
        assert names(left) == [f"{k:06d}.png" for k in range(4)]
    else:
        assert len(frames_bgra(left, (48, 64))) == 4
        assert sound_seconds(left) == pytest.approx(0.4, abs=0.06)


def test_ffmpeg_that_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "clip_unfinished.mp4").mkdir()
    writer = open_video_writer(str(tmp_path / "clip"), size_hw=(480, 640), fps=10)
    with pytest.raises(ImageError, match=r"clip.mp4: (ffmpeg stopped|the video could not)"):
        fill(writer, [frame(9, (480, 640))] * 20)
    assert names(tmp_path) == ["clip_unfinished.mp4"]


@pytest.mark.parametrize("frames", [0, 3])
def test_full_disk(tmp_path: Path, frames: int) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    (tmp_path / "clip_unfinished.mp4").symlink_to("/dev/full")
    writer = open_video_writer(str(tmp_path / "clip"), size_hw=(48, 64), fps=10)
    with pytest.raises(ImageError, match="clip.mp4"):
        fill(writer, [frame(9, (48, 64))] * frames)
    assert not (tmp_path / "clip.mp4").exists()


def test_without_ffmpeg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ffmpeg, "find_ffmpeg", lambda: None)
    video_writers._note_missing_ffmpeg.cache_clear()
    for name in "ab":
        writer = open_video_writer(str(tmp_path / name), size_hw=(48, 64), fps=10, sound_of="x.mp4")
        assert isinstance(writer, VideoWriter)
        fill(writer, [frame(9, (48, 64))])
    assert caplog.text.count("without sound: install ffmpeg, or `pip install imageio-ffmpeg`") == 1
    for kind in ("mov", "webm"):
        with pytest.raises(ImageError, match="pip install imageio-ffmpeg"):
            open_video_writer(str(tmp_path / "c"), size_hw=(48, 64), fps=10, kind=kind)
    with open_video_writer(str(tmp_path / "d"), size_hw=(48, 64), fps=10, kind="png") as frames:
        assert isinstance(frames, PngSequence)


def test_a_playlist_in_disguise_opens_nothing(tmp_path: Path) -> None:
    """ffmpeg reads lists of addresses and files; ours are data and not lists."""
    secret = clip_with_sound(tmp_path / "secret.mp4")
    listed = tmp_path / "in.mp4"
    listed.write_text(f"ffconcat version 1.0\nfile {secret}\n")
    assert ffmpeg.sound_codec(program(), str(listed)) is None
    listed.write_text(f"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/{secret.name}\n#EXT-X-ENDLIST\n")
    assert ffmpeg.sound_codec(program(), str(listed)) is None


def test_odd_names(tmp_path: Path) -> None:
    clip = clip_with_sound(tmp_path / "in.mp4")
    renamed = clip.rename(tmp_path / "-i % ünd 'so' [1].mp4")
    stem = tmp_path / "-out %d ü: 'x'"
    writer = open_video_writer(str(stem), size_hw=(48, 64), fps=10, sound_of=str(renamed))
    fill(writer, [frame(9, (48, 64))] * 2)
    assert "Audio" in streams(writer.path)
    assert names(tmp_path) == sorted([f"{stem.name}.mp4", renamed.name])


@pytest.mark.parametrize("fps", [23.976023976, 25.0, 29.97002997, 12.5, 0.5, 240.0])
def test_frame_rates(tmp_path: Path, fps: float) -> None:
    writer = FfmpegWriter(program(), str(tmp_path / "c"), shape=(16, 16, 3), fps=fps, kind="mp4")
    fill(writer, [frame(9, (16, 16))] * 3)
    assert VideoReader(writer.path).info.fps == pytest.approx(fps, rel=1e-4)


def test_closing_twice(tmp_path: Path) -> None:
    writer = FfmpegWriter(program(), str(tmp_path / "c"), shape=(16, 16, 3), fps=5, kind="mp4")
    writer.write(writer.encode(0, frame(9, (8, 8))))  # of another size
    writer.close()
    writer.close()
    assert names(tmp_path) == ["c.mp4"]


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_png_frames(tmp_path: Path, depth: type) -> None:
    pictures = [np.full((5, 7), 200 * k + 3, depth) for k in range(2)]
    fill(PngSequence(str(tmp_path / "clip")), pictures)
    assert names(tmp_path / "clip") == ["000000.png", "000001.png"]
    for index, picture in enumerate(pictures):
        found = cv2.imread(str(tmp_path / f"clip/{index:06d}.png"), cv2.IMREAD_UNCHANGED)
        assert found.dtype == depth and np.array_equal(found, picture)


def test_png_frames_of_an_earlier_run_are_replaced_and_nothing_else(tmp_path: Path) -> None:
    fill(PngSequence(str(tmp_path / "clip")), [frame(1, (4, 4))] * 5)
    (tmp_path / "clip" / "mine.txt").write_text("keep")
    fill(PngSequence(str(tmp_path / "clip")), [frame(2, (4, 4))] * 2)
    assert names(tmp_path / "clip") == ["000000.png", "000001.png", "mine.txt"]
    assert cv2.imread(str(tmp_path / "clip/000001.png")).max() == 2
    assert names(tmp_path) == ["clip"]


def test_png_frames_on_a_full_disk_leave_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = PngSequence(str(tmp_path / "clip"))

    def full(path: Path, data: bytes) -> None:
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ImageError, match="000000.png.*No space"), writer:
        writer.encode(0, frame(1, (4, 4)))
    assert names(tmp_path / "clip_unfinished") == []


def test_png_frames_where_a_file_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "clip_unfinished").touch()
    with pytest.raises(ImageError, match="clip_unfinished"):
        PngSequence(str(tmp_path / "clip"))


def test_ffmpeg_comes_from_the_system_or_from_imageio(monkeypatch: pytest.MonkeyPatch) -> None:
    ffmpeg.find_ffmpeg.cache_clear()
    try:
        monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
        assert ffmpeg.find_ffmpeg() == "/usr/bin/ffmpeg"
        ffmpeg.find_ffmpeg.cache_clear()
        monkeypatch.setattr("shutil.which", lambda name: None)
        monkeypatch.setitem(__import__("sys").modules, "imageio_ffmpeg", None)
        assert ffmpeg.find_ffmpeg() is None
    finally:
        ffmpeg.find_ffmpeg.cache_clear()


def test_the_bundled_one_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("imageio_ffmpeg")
    ffmpeg.find_ffmpeg.cache_clear()
    try:
        monkeypatch.setattr("shutil.which", lambda name: None)
        found = ffmpeg.find_ffmpeg()
        assert found is not None
        assert b"ffmpeg version" in subprocess.run([found, "-version"], capture_output=True).stdout
    finally:
        ffmpeg.find_ffmpeg.cache_clear()
