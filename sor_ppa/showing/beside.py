"""What a network sees beside pictures and frames: files read, motion computed.

All of it runs in the thread that reads ahead of the network, a frame or two in memory at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import ExitStack

import numpy as np

from sor_ppa.data.flow import flow_image, optical_flow
from sor_ppa.data.image_io import read_image
from sor_ppa.errors import ImageError
from sor_ppa.showing.inputs import Source
from sor_ppa.showing.video import VideoReader

logger = logging.getLogger(__name__)

# A picture, uint8 (H, W, 3) blue first, and what is seen beside it, likewise.
Pair = tuple[np.ndarray, "np.ndarray | None"]
# Sides that differ by less than this share count as equal.
_ALIKE = 0.05


class PictureReader:
    """Reads pictures with what belongs beside them; of frames, none is read twice in a row.

    Args:
        max_pixels: larger files are refused.
    """

    def __init__(self, max_pixels: int) -> None:
        self.max_pixels = max_pixels
        self._frames: dict[str, np.ndarray] = {}
        self._motion: tuple[tuple[str, ...], np.ndarray] | None = None

    def __call__(self, source: Source) -> Pair:
        """The picture and its modality, both uint8 (H, W, 3), blue first; None where none is seen.

        Raises:
            ImageError: a file cannot be read, has no partner, or lies on its side beside its
                picture; two frames differ in size.
        """
        beside = source.beside
        if beside is None:
            return self._read(source.path), None
        if beside.missing:
            raise ImageError(beside.missing)
        if len(beside.paths) == 2:
            motion = self._motion_of(beside.paths)
            return self._frames[source.path], motion
        image, other = self._read(source.path), self._read(beside.paths[0])
        _check_upright(source.path, image, beside.paths[0], other)
        return image, other

    def _read(self, path: str) -> np.ndarray:
        return read_image(path, max_pixels=self.max_pixels)

    def _motion_of(self, paths: tuple[str, ...]) -> np.ndarray:
        frames = self._frames
        for path in paths:
            if path not in frames:
                frames = {**frames, path: self._read(path)}
        self._frames = {path: frames[path] for path in paths}
        if self._motion is None or self._motion[0] != paths:
            self._motion = paths, _named_motion(paths, self._frames)
        return self._motion[1]


def seen_frames(reader: VideoReader, source: Source, others: ExitStack) -> Iterator[Pair]:
    """The frames of a video, or of a webcam, with what belongs beside them.

    Motion is that to the next frame (of the last one: from the one before); of a webcam, that from
    the frame before.

    Args:
        reader: of the frames.
        source: says what is seen beside them.
        others: closes what else is opened.

    Raises:
        ImageError: nothing belongs beside it, or that cannot be read.
    """
    beside = source.beside
    if beside is None:
        return ((frame, None) for frame in reader)
    if beside.missing:
        raise ImageError(beside.missing)
    if beside.paths:
        other = VideoReader(beside.paths[0])
        others.callback(other.close)
        return side_by_side(reader, other, (source.path, beside.paths[0]))
    return motion_behind(reader) if source.kind == "webcam" else motion_ahead(reader)


def motion_ahead(frames: Iterable[np.ndarray]) -> Iterator[Pair]:
    """Every frame with its motion to the next one; the last with that from the one before.

    Looks one frame ahead. A frame that is alone does not move.

    Args:
        frames: uint8 (H, W, 3), blue first.
    """
    frame, motion = None, None
    for after in frames:
        if frame is not None:
            motion = motion_picture(frame, after)
            yield frame, motion
        frame = after
    if frame is not None:
        yield frame, motion_picture(frame, frame) if motion is None else motion


def motion_behind(frames: Iterable[np.ndarray]) -> Iterator[Pair]:
    """Every frame with its motion from the one before, at once; the first one does not move."""
    before = None
    for frame in frames:
        yield frame, motion_picture(frame if before is None else before, frame)
        before = frame


def motion_picture(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The motion from one frame to another as colours: uint8 (H, W, 3), blue first."""
    return np.ascontiguousarray(flow_image(optical_flow(first, second))[:, :, ::-1])


def side_by_side(
    frames: Iterable[np.ndarray], others: Iterable[np.ndarray], names: tuple[str, str]
) -> Iterator[Pair]:
    """Frames of two videos together, until one of them ends; a warning says which went on.

    Args:
        frames: of the pictures.
        others: of what is seen beside them.
        names: of the two videos.
    """
    count, rest = 0, iter(others)
    for frame in frames:
        other = next(rest, None)
        if other is None:
            logger.warning(
                "%s has only %d frames, %s has more: the frames after those are left out",
                names[1], count, names[0],
            )  # fmt: skip
            return
        count += 1
        yield frame, other
    if next(rest, None) is not None:
        logger.warning(
            "%s has only %d frames, %s has more: the rest is not used", names[0], count, names[1]
        )


def _named_motion(paths: tuple[str, ...], frames: dict[str, np.ndarray]) -> np.ndarray:
    first, second = paths
    one, two = frames[first], frames[second]
    if one.shape != two.shape:
        sizes = [f"{frame.shape[0]} x {frame.shape[1]}" for frame in (one, two)]
        raise ImageError(
            f"{first} is {sizes[0]}, {second} is {sizes[1]} (height x width): frames of one video "
            "must have one size; give each video its own folder, or its flow by --modality-input"
        )
    return motion_picture(one, two)


def _check_upright(path: str, image: np.ndarray, beside: str, other: np.ndarray) -> None:
    """Both become a square of the same size, so one lying on its side would go unnoticed."""
    shape, side = image.shape[0] / image.shape[1], other.shape[1] / other.shape[0]
    alike = abs(side / shape - 1) < _ALIKE
    if alike and abs(shape - 1) > 2 * _ALIKE:
        raise ImageError(
            f"{beside} is {other.shape[0]} x {other.shape[1]}, {path} is {image.shape[0]} x "
            f"{image.shape[1]} (height x width, upright): one of them lies on its side. Turns in "
            "a file's EXIF block are applied; turn the file that has lost its own"
        )
