"""One label from prediction to file: what the worker processes do."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from sor_ppa.data.image_io import write_image
from sor_ppa.errors import SaliencyError
from sor_ppa.pseudo_labels.label import Grey, pseudo_label
from sor_ppa.workers import Backlog, no_worker_may_die, process_pool

_AHEAD = 4  # predictions waiting per worker; one of 320 x 320 has 700 KB


@dataclasses.dataclass(frozen=True)
class LabelJob:
    """A label to be made.

    Attributes:
        index: number of the picture.
        file_name: of the picture, for messages.
        probability: float32 (h, w), predicted at the network's input size.
        image_rgb: uint8 (h, w, 3), the network's input.
        size_hw: of the label.
        path: of the label.
    """

    index: int
    file_name: str
    probability: npt.NDArray[np.float32]
    image_rgb: Grey
    size_hw: tuple[int, int]
    path: Path


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a picture.

    Attributes:
        index: number of the picture.
        share: of foreground in its label; None if there is no label.
        fault: why there is none.
    """

    index: int
    share: float | None = None
    fault: str = ""


def make_label(job: LabelJob, crf: str) -> Outcome:
    """Makes and writes a label.

    A prediction that cannot be used is an outcome; a disk that cannot be written to would leave
    all further pictures without labels as well, so that is an error.

    Raises:
        ImageError: the label cannot be written.
    """
    try:
        label = pseudo_label(job.probability, job.image_rgb, job.size_hw, crf)
    except (SaliencyError, cv2.error, MemoryError) as error:
        return Outcome(job.index, fault=f"{job.file_name}: {error or type(error).__name__}")
    write_image(job.path, label)
    return Outcome(job.index, share=foreground_share(label))


def foreground_share(label: Grey) -> float:
    """Share of the pixels above 127."""
    return float((label > 127).mean())


@contextlib.contextmanager
def label_makers(
    workers: int, crf: str, receive: Callable[[Outcome], None]
) -> Iterator[Callable[[LabelJob], None]]:
    """Gives a function that has labels made; leaving the context waits for all of them.

    Args:
        workers: processes that make them; 0 = this one.
        crf: "compiled", "scipy" or "none".
        receive: gets every outcome, in the order of the jobs.

    Raises:
        ImageError: a label cannot be written.
        SaliencyError: a worker process died.
    """
    if workers == 0:
        yield lambda job: receive(make_label(job, crf))
        return
    backlog = Backlog(process_pool(workers, start_worker), limit=_AHEAD * workers, receive=receive)
    try:
        with no_worker_may_die(f"than {workers}"):
            yield lambda job: backlog.submit(make_label, job, crf)
            backlog.finish()
    finally:
        backlog.cancel()


def start_worker() -> None:
    """Makes a process of a pool one that works for another: one thread, no signals."""
    cv2.setNumThreads(1)
    leave_signals_to_parent()


def leave_signals_to_parent(_: object = None) -> None:
    """Ctrl-C reaches all processes of a terminal; the parent ends the others in good order.

    For forked processes as well: there OpenCV must not be told a number of threads, as it would
    wait for those that its parent had.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
