"""Frames into files: videos through ffmpeg or OpenCV, or one PNG a frame.

All of them write under a name that ends in ``_unfinished`` and give the file its own name once it
is complete. What was begun and interrupted stays there, whole as far as it goes.
"""

from __future__ import annotations

import functools
import logging
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Protocol, cast

import cv2
import numpy as np

from sor_ppa.errors import ImageError
from sor_ppa.showing import ffmpeg as ffmpeg_program
from sor_ppa.showing.video import VideoWriter, fitted

logger = logging.getLogger(__name__)

_PIXELS = {1: "gray", 3: "bgr24", 4: "bgra"}
_FRAME_NAME = re.compile(r"\d{6,}\.png")


class FrameWriter(Protocol):
    """Takes the frames of one video; a context that finishes the files when it is left.

    Attributes:
        path: where the result will be.
    """

    path: str

    def __enter__(self) -> FrameWriter:
        """Files are opened when the writer is made."""

    def __exit__(self, *error: Any) -> None:
        """Finishes the files; they keep the unfinished name after an exception."""

    def encode(self, index: int, frame: np.ndarray) -> Any:
        """The part of the work that several threads may do at a time."""

    def write(self, encoded: Any) -> None:
        """The rest, in the order of the frames."""


def open_video_writer(
    stem: str,
    *,
    size_hw: tuple[int, int],
    fps: float,
    kind: str = "mp4",
    channels: int = 3,
    sound_of: str = "",
) -> FrameWriter:
    """A writer for one video.

    Args:
        stem: path without suffix.
        size_hw: height and width; frames of another size are resized to it.
        fps: frames a second.
        kind: "mp4"; "mov" (ProRes 4444) or "webm" (VP9), both with alpha when there are four
            channels; "png": a folder of numbered frames.
        channels: of the frames: 1 grey, 3 BGR, 4 BGRA.
        sound_of: a video whose sound is kept (not with "png").

    Raises:
        ImageError: the kind needs ffmpeg and there is none, or the place cannot be written.
    """
    os.makedirs(os.path.dirname(os.path.abspath(stem)), exist_ok=True)
    if kind == "png":
        return PngSequence(stem)
    program = ffmpeg_program.find_ffmpeg()
    if program is not None:
        shape = (*size_hw, channels)
        return FfmpegWriter(program, stem, shape=shape, fps=fps, kind=kind, sound_of=sound_of)
    if kind != "mp4":
        hint = ffmpeg_program.INSTALL_HINT
        raise ImageError(f"{stem}.{kind} needs ffmpeg, which is not here: {hint}")
    _note_missing_ffmpeg()
    return VideoWriter(stem, size_hw=size_hw, fps=fps)


@functools.lru_cache(maxsize=1)
def _note_missing_ffmpeg() -> None:
    logger.warning("videos are written without sound: %s", ffmpeg_program.INSTALL_HINT)


class FfmpegWriter:
    """Feeds frames to ffmpeg, then adds the sound of the original.

    Args:
        program: path of ffmpeg.
        stem: path without suffix.
        shape: height, width, channels of the frames.
        fps: frames a second.
        kind: "mp4", "mov" or "webm".
        sound_of: a video whose sound is kept; "" = none.

    Raises:
        ImageError: ffmpeg cannot write there.
    """

    def __init__(
        self, program: str, stem: str, *, shape: tuple[int, int, int], fps: float,
        kind: str, sound_of: str = "",
    ) -> None:  # fmt: skip
        self.path = f"{stem}.{kind}"
        self.unfinished = f"{stem}_unfinished.{kind}"
        self._program, self._shape, self._fps, self._sound_of = program, shape, fps, sound_of
        self._count = 0
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (closed in _finish)
        command = ffmpeg_program.encode_command(
            program, self.unfinished, kind=kind, pixels=_PIXELS[shape[2]],
            size_hw=shape[:2], fps=fps,
        )  # fmt: skip
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._log,
            **ffmpeg_program.detached(),
        )  # fmt: skip
        self._pipe = cast(IO[bytes], self._process.stdin)

    def __enter__(self) -> FfmpegWriter:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.close(complete=kind is None)

    def encode(self, index: int, frame: np.ndarray) -> np.ndarray:
        """The frame at the video's size."""
        return np.ascontiguousarray(fitted(frame, self._shape[:2]))

    def write(self, encoded: np.ndarray) -> None:
        """Hands one frame to ffmpeg.

        Raises:
            ImageError: ffmpeg ended before its time, as on a full disk.
        """
        try:
            self._pipe.write(encoded.data)
        except (BrokenPipeError, OSError) as error:
            self._process.wait()
            raise ImageError(f"{self.path}: ffmpeg stopped: {self._last_words()}") from error
        self._count += 1

    def close(self, *, complete: bool = True) -> None:
        """Finishes the file; a second call does nothing.

        Raises:
            ImageError: ffmpeg left no whole file.
        """
        if self._log.closed:
            return
        failed = self._finish()
        if failed and complete:
            raise ImageError(f"{self.path}: the video could not be written: {failed}")
        if not failed:
            self._keep_sound()
            if complete:
                os.replace(self.unfinished, self.path)

    def _finish(self) -> str:
        """Waits for ffmpeg to end; the reason if it failed."""
        with suppress(OSError):  # it has ended already; its exit status says why
            self._pipe.close()
        status = self._process.wait()
        words = self._last_words()
        self._log.close()
        whole = os.path.isfile(self.unfinished) and os.path.getsize(self.unfinished) > 0
        if status == 0 and whole:
            return ""
        with suppress(OSError):
            os.remove(self.unfinished)
        return words

    def _keep_sound(self) -> None:
        if not self._sound_of:
            return
        stem, suffix = os.path.splitext(self.unfinished)
        target = f"{stem}_sound{suffix}"
        seconds = self._count / self._fps
        if ffmpeg_program.add_sound(
            self._program, self.unfinished, self._sound_of, target, seconds=seconds
        ):
            os.replace(target, self.unfinished)

    def _last_words(self) -> str:
        self._log.seek(0)
        return ffmpeg_program.last_line(self._log.read().decode(errors="replace"))


class PngSequence:
    """A folder with one PNG a frame: ``<stem>/000000.png`` and so on; 16-bit grey is possible.

    Args:
        stem: the folder. Frames of an earlier run in it are replaced, other files stay.

    Raises:
        ImageError: the place cannot be written.
    """

    def __init__(self, stem: str) -> None:
        self.path = stem
        self.unfinished = f"{stem}_unfinished"
        with _named_errors(self.unfinished):
            os.makedirs(self.unfinished, exist_ok=True)
            _remove_frames(self.unfinished)

    def __enter__(self) -> PngSequence:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None:
            self._complete()

    def encode(self, index: int, frame: np.ndarray) -> None:
        """Writes the frame's file; any thread may.

        Raises:
            ImageError: the disk is full or read-only; no part of the file is left.
        """
        # OpenCV's encoder at level 1: frames are many, and disk is cheaper than time.
        _, data = cv2.imencode(".png", frame, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        path = Path(self.unfinished, f"{index:06d}.png")
        try:
            path.write_bytes(data.data)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise ImageError(f"{path}: cannot be written: {error}") from error

    def write(self, encoded: None) -> None:
        """Nothing is left to do."""

    def _complete(self) -> None:
        with _named_errors(self.path):
            if not os.path.lexists(self.path):
                os.replace(self.unfinished, self.path)
                return
            _remove_frames(self.path)
            for name in os.listdir(self.unfinished):
                os.replace(os.path.join(self.unfinished, name), os.path.join(self.path, name))
            os.rmdir(self.unfinished)


@contextmanager
def _named_errors(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ImageError(f"{path}: cannot be written: {error}") from error


def _remove_frames(folder: str) -> None:
    for name in os.listdir(folder):
        if _FRAME_NAME.fullmatch(name):
            os.remove(os.path.join(folder, name))
