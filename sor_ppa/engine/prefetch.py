"""Runs an iterator ahead of its consumer in a thread, a few items at most."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

T = TypeVar("T")
_POLL_SECONDS = 0.1


class _End:
    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def prefetch(items: Iterable[T], *, depth: int = 2) -> Generator[T, None, None]:
    """Yields the items in order while a thread already makes the next ``depth`` of them.

    At most ``depth + 2`` items exist at a time, so memory stays constant over a video. An
    exception of the source is raised here, after the items before it. Closing this generator
    (or leaving its loop) stops the thread at its next item.

    Args:
        items: consumed in the thread, from the first ``next`` on.
        depth: items waiting at most, >= 1.
    """
    if depth < 1:
        raise ValueError(f"depth must be at least 1, got {depth}")
    waiting: queue.Queue[T | _End] = queue.Queue(maxsize=depth)
    stopped = threading.Event()
    thread = threading.Thread(
        target=_fill, args=(items, waiting, stopped), daemon=True, name="prefetch"
    )
    thread.start()
    try:
        while not isinstance(item := _take(waiting), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        thread.join()


def _take(waiting: queue.Queue[T | _End]) -> T | _End:
    # With a timeout: without one, Ctrl-C cannot interrupt the wait on Windows.
    while True:
        try:
            return waiting.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            continue


def _fill(items: Iterable[T], waiting: queue.Queue[T | _End], stopped: threading.Event) -> None:
    end = _End()
    try:
        for item in items:
            if not _put(waiting, item, stopped):
                break
    except BaseException as error:  # noqa: BLE001  (handed to the consumer, whatever it is)
        end = _End(error)
    finally:
        # A source that holds a file is closed in the thread that read it.
        close = getattr(items, "close", None)
        if close is not None:
            close()
        _put(waiting, end, stopped)


def _put(waiting: queue.Queue[T | _End], item: T | _End, stopped: threading.Event) -> bool:
    while not stopped.is_set():
        try:
            waiting.put(item, timeout=_POLL_SECONDS)
            return True
        except queue.Full:
            continue
    return False
