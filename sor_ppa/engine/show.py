"""Ranks pictures, videos and webcams and hands the results to a folder, one source at a time.

Three things overlap: a thread reads and resizes the next pictures, the network works, another
thread draws and writes what is ready. At most a handful of pictures are in memory at a time.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import json
import os
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TextIO

import numpy as np
from detectron2.structures import Instances
from tabulate import tabulate

from sor_ppa.data.image_io import read_image
from sor_ppa.engine.inputs import Source
from sor_ppa.engine.predictor import Predictor
from sor_ppa.engine.prefetch import prefetch
from sor_ppa.engine.results import OutputOptions, Ranking, ResultsFolder, ranking_of
from sor_ppa.engine.video import VideoReader, VideoWriter, Window
from sor_ppa.errors import SaliencyError
from sor_ppa.evaluation.results_io import instances_to_records
from sor_ppa.visualization.overlay import draw_ranked_instances

_WRITES_WAITING = 2


@dataclass(frozen=True)
class Outcome:
    """What became of one source: a ranking, or the reason why there is none."""

    source: Source
    ranking: Ranking | None = None
    error: SaliencyError | None = None


@dataclass(frozen=True)
class _Job:
    source: Source
    image: np.ndarray | None = None
    inputs: dict[str, Any] | None = None
    error: SaliencyError | None = None


def rank_pictures(
    predictor: Predictor, sources: Iterable[Source], results: ResultsFolder, *, strict: bool = False
) -> Generator[Outcome, None, None]:
    """Ranks pictures and writes their results; yields one outcome a picture, in order.

    A picture that cannot be read is yielded with its error and the others go on.

    Args:
        predictor: the model.
        sources: pictures.
        results: where the results go; the caller saves its JSON at the end.
        strict: raise at the first picture that fails.

    Raises:
        SaliencyError: with ``strict``, a picture failed; always, a result cannot be written.
    """
    waiting: collections.deque[Outcome | Future[Outcome]] = collections.deque()
    jobs = prefetch(_read(source, predictor) for source in sources)
    with contextlib.closing(jobs), ThreadPoolExecutor(1) as writer:
        for job in jobs:
            waiting.append(_rank(job, predictor, results, writer))
            if strict and isinstance(waiting[-1], Outcome):
                raise waiting[-1].error or SaliencyError("unknown failure")
            while len(waiting) > _WRITES_WAITING:
                yield _finished(waiting.popleft())
        while waiting:
            yield _finished(waiting.popleft())


def _read(source: Source, predictor: Predictor) -> _Job:
    try:
        image = read_image(source.path, max_pixels=predictor.cfg.INPUT.MAX_PIXELS)
        return _Job(source, image, predictor.prepare(image))
    except SaliencyError as error:
        return _Job(source, error=error)


def _rank(
    job: _Job, predictor: Predictor, results: ResultsFolder, writer: ThreadPoolExecutor
) -> Outcome | Future[Outcome]:
    if job.inputs is None or job.image is None:
        return Outcome(job.source, error=job.error)
    try:
        instances = predictor.predict([job.inputs])[0]["instances"]
    except SaliencyError as error:
        return Outcome(job.source, error=error)
    return writer.submit(_write, results, job.source, job.image, instances)


def _write(
    results: ResultsFolder, source: Source, image: np.ndarray, instances: Instances
) -> Outcome:
    return Outcome(source, ranking=results.add(source, image, instances))


def _finished(outcome: Outcome | Future[Outcome]) -> Outcome:
    return outcome if isinstance(outcome, Outcome) else outcome.result()


def outcome_table(outcomes: Sequence[Outcome], *, longest: int = 40) -> str:
    """A table for the terminal: how many objects, and rank with score of those that have one."""
    done = [(outcome.source.label, outcome.ranking) for outcome in outcomes if outcome.ranking]
    rows = []
    for label, ranking in done[:longest]:
        ranks = "   ".join(f"{rank}: {score:.2f}" for rank, score in ranking.ranked)
        rows.append([label, ranking.objects, ranks or "none"])
    if not rows:
        return ""
    table = tabulate(rows, headers=["picture", "objects", "rank: score"], tablefmt="simple")
    return table + (f"\n... and {len(done) - longest} more" if len(done) > longest else "")


class VideoRun:
    """Ranks a video frame by frame: an overlay video and one line of JSON a frame.

    Iterating does the work and yields each frame's :class:`Ranking`. Whatever ends it -- the last
    frame, an error, Ctrl-C -- the files written so far are closed and whole. Close the iterator
    (``contextlib.closing``) when leaving early.

    Files: ``videos/<name>.mp4`` (or ``.avi``) and ``videos/<name>.jsonl``, whose first line
    describes the video and each other one a frame:
    ``{"frame": 0, "seconds": 0.0, "results": [...]}`` with the records of the results JSON.

    Args:
        predictor: the model.
        source: the video.
        results: the folder of the run.

    Raises:
        ImageError: it is no video that can be read.
    """

    def __init__(self, predictor: Predictor, source: Source, results: ResultsFolder) -> None:
        self.predictor = predictor
        self.source = source
        self.reader = VideoReader(source.path)
        self.info = self.reader.info
        self.stem = str(results.path("videos", source, ""))
        self.num_ranks = results.num_ranks
        self.options: OutputOptions = results.options
        self.video_path = ""
        self._check_overwrite()

    def __iter__(self) -> Generator[Ranking, None, None]:
        with contextlib.ExitStack() as stack:
            stack.callback(self.reader.close)
            frames = stack.enter_context(contextlib.closing(self.predictor.stream(self.reader)))
            # Before any file is made: a video without a single frame raises here. And the frame
            # knows its size better than the header, which phones give before turning.
            first = next(frames)
            lines, writer = self._open_outputs(stack, first[0].shape[:2])
            pool = stack.enter_context(ThreadPoolExecutor(1))
            waiting: collections.deque[Future[Ranking]] = collections.deque()
            for index, (frame, outputs) in enumerate(itertools.chain([first], frames)):
                task = (index, frame, outputs["instances"], lines, writer)
                waiting.append(pool.submit(self._write_frame, *task))
                while len(waiting) > _WRITES_WAITING:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _open_outputs(
        self, stack: contextlib.ExitStack, size_hw: tuple[int, int]
    ) -> tuple[TextIO, VideoWriter | None]:
        os.makedirs(os.path.dirname(self.stem), exist_ok=True)
        lines = open(f"{self.stem}.jsonl", "w", encoding="utf-8")  # noqa: SIM115  (the stack's)
        stack.enter_context(lines)
        header = {"file_name": self.source.label, "fps": self.info.fps, "size": list(size_hw)}
        lines.write(json.dumps({"video": header}) + "\n")
        if not self.options.overlays:
            return lines, None
        writer = VideoWriter(self.stem, size_hw=size_hw, fps=self.info.fps)
        self.video_path = writer.path
        return lines, stack.enter_context(writer)

    def _write_frame(
        self,
        index: int,
        frame: np.ndarray,
        instances: Instances,
        lines: TextIO,
        writer: VideoWriter | None,
    ) -> Ranking:
        instances = instances.to("cpu")
        records = instances_to_records(instances, index)
        line = {"frame": index, "seconds": round(index / self.info.fps, 3), "results": records}
        lines.write(json.dumps(line) + "\n")
        if writer is not None:
            writer.write(self._drawn(frame, instances))
        return ranking_of(instances)

    def _drawn(self, frame: np.ndarray, instances: Instances) -> np.ndarray:
        unranked = self.options.show_unranked
        return draw_ranked_instances(
            frame, instances, show_unranked=unranked, num_ranks=self.num_ranks
        )

    def _check_overwrite(self) -> None:
        for end in (".mp4", ".avi", ".jsonl"):
            if os.path.realpath(self.stem + end) == os.path.realpath(self.source.path):
                raise SaliencyError(f"{self.source.path} is an input: choose another output folder")


def rank_webcam(predictor: Predictor, source: Source, *, show_unranked: bool = False) -> int:
    """Shows a webcam's ranked objects in a window until the user closes it or presses q.

    Returns:
        How many frames were shown.

    Raises:
        SaliencyError: no display, or no such camera.
    """
    window = Window(f"{source.label}: q ends")
    shown = 0
    try:
        reader = VideoReader(int(source.path))
        stream = predictor.stream(reader, ahead=1)
        with contextlib.closing(reader), contextlib.closing(stream) as frames:
            for frame, outputs in frames:
                drawn = draw_ranked_instances(
                    frame, outputs["instances"], show_unranked=show_unranked
                )
                shown += 1
                if not window.show(drawn):
                    break
    finally:
        window.close()
    return shown
