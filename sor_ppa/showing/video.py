"""Frames out of videos and webcams, and back into a video; one frame in memory at a time."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

import cv2
import numpy as np

from sor_ppa.errors import ImageError, SaliencyError

_USUAL_FPS = 25.0
# (suffix, four-character code), the first that this OpenCV can write is taken.
_CODECS = ((".mp4", "mp4v"), (".avi", "MJPG"))


@dataclass(frozen=True)
class VideoInfo:
    """What a video says of itself; ``frames`` is an estimate and 0 where unknown."""

    height: int
    width: int
    fps: float
    frames: int


class VideoReader:
    """Iterates over the frames (uint8 (H, W, 3), blue first) of a video file or webcam, once.

    Args:
        source: path of a file, or the number of a webcam.

    Raises:
        ImageError: nothing can be read there.
    """

    def __init__(self, source: str | int) -> None:
        self.source = source
        if isinstance(source, str) and not os.path.isfile(source):
            raise ImageError(f"{source}: no such video file")
        self._capture = cv2.VideoCapture(source)
        if not self._capture.isOpened():
            self._capture.release()
            raise ImageError(self._unreadable())
        self.info = self._read_info()

    def __iter__(self) -> Iterator[np.ndarray]:
        count = 0
        try:
            while True:
                found, frame = self._capture.read()
                if not found:
                    break
                count += 1
                yield frame
        finally:
            self.close()
        if count == 0:
            raise ImageError(self._unreadable())

    def close(self) -> None:
        """Releases file or camera; calling it again does nothing."""
        self._capture.release()

    def _read_info(self) -> VideoInfo:
        def number(key: int) -> float:
            value = float(self._capture.get(key))
            return value if math.isfinite(value) else 0.0

        fps = number(cv2.CAP_PROP_FPS)
        return VideoInfo(
            height=int(number(cv2.CAP_PROP_FRAME_HEIGHT)),
            width=int(number(cv2.CAP_PROP_FRAME_WIDTH)),
            # Containers without a rate report 0, or their clock (1000, 90000).
            fps=fps if 0.1 <= fps <= 480 else _USUAL_FPS,
            frames=max(0, int(number(cv2.CAP_PROP_FRAME_COUNT))),
        )

    def _unreadable(self) -> str:
        if isinstance(self.source, int):
            return f"webcam {self.source} gives no picture: is it plugged in and free?"
        return f"{self.source}: not a video that OpenCV can read, or it is damaged"


class VideoWriter:
    """Writes frames through OpenCV: MP4, or Motion-JPEG AVI where it has no MP4 encoder.

    The file gets its name when it is complete, so a torn one is never taken for a whole one; a
    run that is interrupted leaves what it has as ``<stem>_unfinished``. Sound is not kept: OpenCV
    has none (see :mod:`sor_ppa.showing.video_writers` for ffmpeg).

    Args:
        stem: path without suffix; :attr:`path` tells the whole name.
        size_hw: height and width of the video; frames of another size are resized to it.
        fps: frames a second.

    Raises:
        ImageError: no encoder, or the place cannot be written.
    """

    def __init__(self, stem: str, *, size_hw: tuple[int, int], fps: float) -> None:
        self.size_hw = size_hw
        self._writer, self.unfinished, self.path = _open_writer(stem, size_hw, fps)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(complete=kind is None)

    def encode(self, index: int, frame: np.ndarray) -> np.ndarray:
        """The frame, uint8 (H, W, 3) blue first or grey (H, W), at the video's size."""
        colour = cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR) if frame.ndim == 2 else frame
        return fitted(colour, self.size_hw)

    def write(self, encoded: np.ndarray) -> None:
        """Appends one frame as :meth:`encode` gives it."""
        self._writer.write(encoded)

    def close(self, *, complete: bool = True) -> None:
        """Finishes the file and, when it is complete, gives it its name; once.

        Raises:
            ImageError: the encoder left nothing, as on a full disk.
        """
        if not self._writer.isOpened():
            return
        self._writer.release()
        if not os.path.isfile(self.unfinished) or os.path.getsize(self.unfinished) == 0:
            raise ImageError(f"{self.path}: the video could not be written; is the disk full?")
        if complete:
            os.replace(self.unfinished, self.path)


def fitted(frame: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """The frame resized to (height, width), if it has another size."""
    if frame.shape[:2] == size_hw:
        return frame
    return cv2.resize(frame, size_hw[::-1], interpolation=cv2.INTER_AREA)


def _open_writer(
    stem: str, size_hw: tuple[int, int], fps: float
) -> tuple[cv2.VideoWriter, str, str]:
    height, width = size_hw
    os.makedirs(os.path.dirname(os.path.abspath(stem)), exist_ok=True)
    for suffix, code in _CODECS:
        part = f"{stem}_unfinished{suffix}"
        writer = cv2.VideoWriter(part, cv2.VideoWriter.fourcc(*code), fps, (width, height))
        if writer.isOpened():
            return writer, part, stem + suffix
        writer.release()
        if os.path.isfile(part):
            os.remove(part)
    raise ImageError(
        f"{stem}: OpenCV cannot write a {width} x {height} video there; is the folder writable?"
    )


class Window:
    """A window that shows frames until the user presses q, Esc or closes it.

    Raises:
        SaliencyError: there is no display, or OpenCV was built without windows.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        # OpenCV's Qt build ends the process when there is no display, so look first.
        displays = ("DISPLAY", "WAYLAND_DISPLAY")
        if sys.platform.startswith("linux") and not any(os.environ.get(d) for d in displays):
            raise SaliencyError("a webcam is shown in a window, and there is no display here")
        try:
            cv2.namedWindow(title, cv2.WINDOW_NORMAL)
        except cv2.error as error:
            raise SaliencyError(
                "this OpenCV has no windows: pip uninstall opencv-python-headless, "
                "then pip install opencv-python"
            ) from error

    def show(self, bgr: np.ndarray) -> bool:
        """Shows a frame; False once the user wants to stop."""
        cv2.imshow(self.title, bgr)
        if cv2.waitKey(1) & 0xFF in (27, ord("q")):
            return False
        return cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) >= 1

    def close(self) -> None:
        """Closes the window."""
        cv2.destroyWindow(self.title)
