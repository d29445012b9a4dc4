"""Pictures, videos and webcams through a network and into files, whatever the task.

Three things overlap: a thread reads and resizes the next pictures, the network works, other
threads draw and write what is ready. At most a handful of pictures are in memory at a time.

What a task makes of the network's outputs is its :class:`Renderer`.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from sor_ppa.engine.predictor import Predictor
from sor_ppa.engine.prefetch import prefetch
from sor_ppa.errors import SaliencyError
from sor_ppa.showing.beside import Pair, PictureReader, seen_frames
from sor_ppa.showing.inputs import Source
from sor_ppa.showing.output_folder import files_of
from sor_ppa.showing.overlap import overlap
from sor_ppa.showing.video import VideoInfo, VideoReader, Window


class Film(Protocol):
    """The outputs of one video, a context: entering opens the files, leaving closes them."""

    def __enter__(self) -> Film:
        """Opens the files."""

    def __exit__(self, *error: object) -> None:
        """Closes them; an exception on the way marks them as unfinished."""

    def render(self, index: int, frame: np.ndarray, taken: Any) -> Any:
        """What will be written for a frame; runs in ``Renderer.workers`` threads."""

    def write(self, rendered: Any) -> Any:
        """Writes it, in the order of the frames; what is returned describes the frame."""


class Renderer(Protocol):
    """What a task makes of a network's outputs: files of pictures and videos, and a live view.

    Attributes:
        workers: how many threads may call ``add`` and a film's ``render`` at a time.
    """

    workers: int

    def has(self, source: Source) -> bool:
        """Whether all files wanted of this source are there already (of a resumed run)."""

    def take(self, outputs: dict[str, Any], size_hw: tuple[int, int]) -> Any:
        """What the files are made of, off the device and checked.

        Args:
            outputs: the network's, and ``modality`` uint8 (H', W', 3), blue first, where it saw
                one beside the picture.
            size_hw: of the picture.

        Raises:
            SaliencyError: these outputs cannot be used; the picture counts as failed.
        """

    def add(self, source: Source, image: np.ndarray, taken: Any) -> Any:
        """Writes the files of one picture; what is returned describes the result."""

    def film(self, source: Source, info: VideoInfo, size_hw: tuple[int, int]) -> Film:
        """The files of one video whose frames have that (height, width)."""

    def paths(self, source: Source) -> list[str]:
        """Every file that a source could become; none of them may be an input."""

    def view(self, image: np.ndarray, taken: Any) -> np.ndarray:
        """What a window shows: uint8 (H, W, 3), blue first."""


@dataclass(frozen=True)
class Outcome:
    """What became of one source: a result, or the reason why there is none."""

    source: Source
    result: Any = None
    error: SaliencyError | None = None


@dataclass(frozen=True)
class _Job:
    source: Source
    image: np.ndarray | None = None
    modality: np.ndarray | None = None
    inputs: dict[str, Any] | None = None
    taken: Any = None
    error: SaliencyError | None = None


def show_pictures(
    predictor: Predictor, sources: Iterable[Source], renderer: Renderer, *, strict: bool = False
) -> Generator[Outcome, None, None]:
    """Runs pictures through a network and writes their results; yields outcomes in order.

    A picture that cannot be read is yielded with its error and the others go on.

    Args:
        predictor: the model.
        sources: pictures.
        renderer: writes the results.
        strict: raise at the first picture that fails.

    Raises:
        SaliencyError: with ``strict``, a picture failed; always, a result cannot be written.
    """
    read = PictureReader(predictor.cfg.INPUT.MAX_PIXELS)
    jobs = prefetch(_read(source, predictor, read) for source in sources)
    with contextlib.closing(jobs):
        predicted = (_predicted(job, predictor, renderer, strict=strict) for job in jobs)
        done = overlap(
            predicted, lambda job: _write(job, renderer), lambda x: x, workers=renderer.workers
        )
        with contextlib.closing(done):
            yield from done


def _read(source: Source, predictor: Predictor, read: PictureReader) -> _Job:
    try:
        image, modality = read(source)
        return _Job(source, image, modality, inputs=predictor.prepare(image, modality))
    except SaliencyError as error:
        return _Job(source, error=error)


def _predicted(job: _Job, predictor: Predictor, renderer: Renderer, *, strict: bool) -> _Job:
    if job.image is not None and job.inputs is not None:
        try:
            outputs = predictor.predict([job.inputs])[0]
            taken = renderer.take(_with(outputs, job.modality), job.image.shape[:2])
            return _Job(job.source, job.image, taken=taken)
        except SaliencyError as error:
            job = _Job(job.source, error=_named(job.source, error))
    if strict:
        raise job.error or SaliencyError(f"{job.source.path}: unknown failure")
    return job


def _with(outputs: dict[str, Any], modality: np.ndarray | None) -> dict[str, Any]:
    return outputs if modality is None else {**outputs, "modality": modality}


def _named(source: Source, error: SaliencyError) -> SaliencyError:
    """What a network said does not name the file yet."""
    return SaliencyError(f"{source.path}: {error}")


def _write(job: _Job, renderer: Renderer) -> Outcome:
    if job.image is None:
        return Outcome(job.source, error=job.error)
    return Outcome(job.source, renderer.add(job.source, job.image, job.taken))


class VideoRun:
    """Runs a video through a network frame by frame.

    Iterating does the work and yields what the film's ``write`` returns for each frame. Whatever
    ends it -- the last frame, an error, Ctrl-C -- the files written so far are closed and whole.
    Close the iterator (``contextlib.closing``) when leaving early.

    Args:
        predictor: the model.
        source: the video.
        renderer: writes the results.
        batch_size: frames in one pass of the network.

    Raises:
        ImageError: it is no video that can be read.
        SaliencyError: a result would overwrite the video.
    """

    def __init__(
        self, predictor: Predictor, source: Source, renderer: Renderer, *, batch_size: int = 1
    ) -> None:
        self.predictor = predictor
        self.source = source
        self.renderer = renderer
        self.batch_size = batch_size
        self.reader = VideoReader(source.path)
        self.info = self.reader.info
        for path in renderer.paths(source):
            if os.path.realpath(path) in map(os.path.realpath, files_of(source)):
                raise SaliencyError(f"{path} is an input: choose another output folder")

    def __iter__(self) -> Generator[Any, None, None]:
        with contextlib.ExitStack() as stack:
            stack.callback(self.reader.close)
            seen = seen_frames(self.reader, self.source, stack)
            stream = self.predictor.stream(seen, batch_size=self.batch_size)
            frames = stack.enter_context(contextlib.closing(stream))
            # Before any file is made: a video without a single frame raises here. And the frame
            # knows its size better than the header, which phones give before turning.
            first = next(frames)
            film = self.renderer.film(self.source, self.info, first[0][0].shape[:2])
            stack.enter_context(film)
            taken = (self._take(*pair) for pair in itertools.chain([first], frames))
            done = overlap(
                enumerate(taken),
                lambda item: film.render(item[0], *item[1]),
                film.write,
                workers=self.renderer.workers,
            )
            yield from stack.enter_context(contextlib.closing(done))

    def _take(self, pair: Pair, outputs: dict[str, Any]) -> tuple[np.ndarray, Any]:
        frame, modality = pair
        try:
            return frame, self.renderer.take(_with(outputs, modality), frame.shape[:2])
        except SaliencyError as error:
            raise _named(self.source, error) from error


def show_webcam(predictor: Predictor, source: Source, renderer: Renderer) -> int:
    """Shows a webcam's results in a window until the user closes it or presses q.

    Returns:
        How many frames were shown.

    Raises:
        SaliencyError: no display, or no such camera.
    """
    window = Window(f"{source.label}: q ends")
    shown = 0
    try:
        reader = VideoReader(int(source.path))
        with contextlib.ExitStack() as stack:
            stack.callback(reader.close)
            stream = predictor.stream(seen_frames(reader, source, stack), ahead=1)
            for (frame, modality), outputs in stack.enter_context(contextlib.closing(stream)):
                shown += 1
                taken = renderer.take(_with(outputs, modality), frame.shape[:2])
                if not window.show(renderer.view(frame, taken)):
                    break
    finally:
        window.close()
    return shown
