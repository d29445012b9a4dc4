"""Work after the network in threads, results in order, a few items in memory at a time."""

from __future__ import annotations

import collections
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
S = TypeVar("S")


def overlap(
    items: Iterable[T],
    work: Callable[[T], R],
    finish: Callable[[R], S],
    *,
    workers: int = 1,
) -> Generator[S, None, None]:
    """Yields ``finish(work(item))`` for every item, in order, while the next items are made.

    At most ``workers + 2`` items are under way, so memory stays constant. The first exception of
    ``work`` or ``finish`` is raised here, after the results before it. Leaving early waits for
    what was begun.

    Args:
        items: consumed in the caller's thread (where the network runs).
        work: runs in ``workers`` threads at a time, in any order.
        finish: runs in one thread, in the order of the items: for files that are appended to.
        workers: threads for ``work``, >= 1.
    """
    waiting: collections.deque[Future[S]] = collections.deque()

    def finished(done: Future[R]) -> S:
        return finish(done.result())

    with ThreadPoolExecutor(workers) as pool, ThreadPoolExecutor(1) as last:
        for item in items:
            waiting.append(last.submit(finished, pool.submit(work, item)))
            while len(waiting) > workers + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
