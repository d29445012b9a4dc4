"""Scoring maps here, or in processes beside this one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sor_ppa.evaluation.gaze.truth import FixationTruth
from sor_ppa.workers import Backlog, process_pool

__all__ = ["Crew"]

Receive = Callable[[int, dict[str, float], int], None]


class Crew:
    """Scores maps of a set's images and hands the scores on, in the order of submission.

    Args:
        truth: the set.
        workers: processes; 0 = this one.
        receive: gets place in the set, scores and number of fixations of every image that has any.
    """

    def __init__(self, truth: FixationTruth, workers: int, receive: Receive) -> None:
        self._truth, self._receive = truth, receive
        self._backlog: Backlog | None = None
        if workers > 0:
            pool = process_pool(workers, _start, truth)
            self._backlog = Backlog(pool, limit=4 * workers, receive=self._take)

    def submit(self, place: int, fixation: np.ndarray) -> None:
        """Scores the map (H, W) of the image at that place of the set, some time."""
        if self._backlog is None:
            self._take((place, self._truth.score(place, fixation)))
        else:
            self._backlog.submit(_score, place, fixation)

    def finish(self) -> None:
        """Waits for all scores.

        Raises:
            SaliencyError: a process died.
        """
        if self._backlog is not None:
            self._backlog.finish()

    def cancel(self) -> None:
        """Forgets what has not begun."""
        if self._backlog is not None:
            self._backlog.cancel()

    def _take(self, scored: tuple[int, dict[str, float] | None]) -> None:
        place, row = scored
        if row is not None:
            self._receive(place, row, len(self._truth.points[place]))


_truths: list[FixationTruth] = []


def _start(truth: FixationTruth) -> None:
    _truths[:] = [truth]


def _score(place: int, fixation: np.ndarray) -> tuple[int, dict[str, float] | None]:
    return place, _truths[0].score(place, fixation)
