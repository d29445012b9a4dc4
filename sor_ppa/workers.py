"""Work handed to threads or processes: a few items ahead and no more, and none outlives us."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Any

from sor_ppa.errors import SaliencyError


def process_pool(
    workers: int, initializer: Callable[..., None], *arguments: Any
) -> ProcessPoolExecutor:
    """Worker processes that are no forks of this one.

    A fork has its parent's locks, but not the threads that would release them: OpenCV's pool of
    threads hangs in it, a GPU fails. So the workers are forked off a clean process that has only
    imported what they need, or started anew where the system knows no forks. They end when this
    process is killed.

    Args:
        workers: number of processes.
        initializer: called in each of them first, with ``arguments``.
        arguments: must be picklable.
    """
    forks = "forkserver" in multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if forks else "spawn")
    if forks:
        context.set_forkserver_preload(["sor_ppa.evaluation"])
    return ProcessPoolExecutor(
        workers, mp_context=context, initializer=_start, initargs=(initializer, *arguments)
    )


def _start(initializer: Callable[..., None], *arguments: Any) -> None:
    end_with_parent()
    one_thread_each()
    initializer(*arguments)


def one_thread_each() -> None:
    """Lets NumPy's matrix products take one core: the other ones have a process of their own.

    Without the package threadpoolctl (scikit-learn brings it) they keep as many as they find.
    """
    with contextlib.suppress(ImportError):
        from threadpoolctl import threadpool_limits

        threadpool_limits(1)


def end_with_parent() -> None:
    """Ends this process when its parent is gone, killed for instance."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="parent watch").start()


@contextlib.contextmanager
def no_worker_may_die(fewer: str = "of them") -> Iterator[None]:
    """Says in the user's words that a worker process is gone.

    Args:
        fewer: end of the advice: use fewer of them, or "than 8".

    Raises:
        SaliencyError: a process of the pool died.
    """
    try:
        yield
    except BrokenProcessPool as error:
        raise SaliencyError(
            f"a worker process died, most likely for lack of memory; use fewer {fewer}"
        ) from error


class Backlog:
    """Submits calls and receives their results in order; waits while too many are under way.

    Args:
        executor: runs the calls; is shut down by :meth:`finish` and :meth:`cancel`.
        limit: calls under way at most, so that memory stays bounded.
        receive: gets every result; None = results are only waited for. Exceptions of a call are
            raised here, in :meth:`submit` or :meth:`finish`.
    """

    def __init__(
        self, executor: Executor, *, limit: int, receive: Callable[[Any], None] | None = None
    ) -> None:
        self._executor, self._limit, self._receive = executor, limit, receive
        self._waiting: deque[Future[Any]] = deque()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Runs ``function(*arguments)`` some time."""
        while len(self._waiting) >= self._limit:
            self._take()
        self._waiting.append(self._executor.submit(function, *arguments))

    def finish(self) -> None:
        """Waits for everything and ends the executor."""
        try:
            while self._waiting:
                self._take()
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Forgets what has not begun and ends the executor."""
        self._waiting.clear()
        self._executor.shutdown(cancel_futures=True)

    def _take(self) -> None:
        with no_worker_may_die():
            result = self._waiting.popleft().result()
        if self._receive is not None:
            self._receive(result)
