"""Work handed to threads or processes, a few items ahead and no more."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from sor_ppa.errors import SaliencyError


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
        try:
            result = self._waiting.popleft().result()
        except BrokenProcessPool as error:
            raise SaliencyError(
                "a worker process died, most likely for lack of memory; use fewer of them"
            ) from error
        if self._receive is not None:
            self._receive(result)
