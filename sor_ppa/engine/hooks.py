"""Hooks of the training loop that detectron2 0.5 lacks or does in another way."""

from __future__ import annotations

import json
import logging
import math
import operator
import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

from detectron2.engine import HookBase, hooks
from detectron2.utils import comm

from sor_ppa.checkpoint import SaliencyCheckpointer
from sor_ppa.checkpoint.atomic import write_text
from sor_ppa.engine.processes import unwrapped
from sor_ppa.errors import ConfigError

logger = logging.getLogger(__name__)

# A signal that comes again within this time (seconds) is the same one: a terminal sends Ctrl-C to
# all processes, and the launcher passes it on as well.
_SAME_SIGNAL = 2.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequested(BaseException):
    """Raised between two steps when the user or the system asked for an end.

    Args:
        number: the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class StopHook(HookBase):
    """Ends the training after the current step when SIGINT or SIGTERM comes.

    Several processes agree on the step through the step's own exchange of losses. One process
    alone is also stopped in the middle of what other hooks do (an evaluation may take long). A
    second signal, later, ends the process at once.

    Register it after the learning-rate hook and before everything that takes time.
    """

    def __init__(self) -> None:
        self._old: dict[int, Any] = {}
        self._first = 0.0
        self._may_raise = False

    def __enter__(self) -> StopHook:
        if threading.current_thread() is threading.main_thread():
            self._old = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
        self._old = {}

    def before_step(self) -> None:
        """From here to the end of the step nothing may interrupt."""
        self._may_raise = False

    def after_step(self) -> None:
        """Raises :class:`StopRequested` if any process was asked to stop."""
        step = self.trainer._trainer
        alone = comm.get_world_size() == 1
        number = step.stop_requested if alone else step.stop_agreed
        if number:
            raise StopRequested(number)
        self._may_raise = alone

    def _handle(self, number: int, frame: FrameType | None) -> None:
        step = self.trainer._trainer
        if step.stop_requested:
            if time.monotonic() - self._first > _SAME_SIGNAL:
                raise SystemExit(128 + number)
            return
        step.stop_requested, self._first = number, time.monotonic()
        logger.warning("%s: stopping after this step.", signal.Signals(number).name)
        if self._may_raise:
            raise StopRequested(number)


class EpochHook(HookBase):
    """Tells a network before every step which epoch it is, by ``set_epoch(epoch, epochs)``.

    Epochs are equal parts of the iterations, counted from 1.

    Args:
        epochs: of the whole run, E: the epoch of iteration t of T is 1 + floor(t E / T).
    """

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def before_step(self) -> None:
        """Calls the network itself, not what shares it among processes."""
        epoch = 1 + self.trainer.iter * self.epochs // self.trainer.max_iter
        network: Any = unwrapped(self.trainer.model)
        network.set_epoch(epoch, self.epochs)


class EvalHook(hooks.EvalHook):
    """detectron2's hook, but a training that failed at its last step is not evaluated."""

    def after_train(self) -> None:
        """Evaluates if every step was done."""
        if self.trainer.iter >= self.trainer.max_iter:
            super().after_train()


class BestCheckpoint(HookBase):
    """Keeps ``model_best.pth``: the weights with the best value of one metric so far.

    Register it after the evaluation. ``model_best.json`` beside it holds metric, value and
    iteration; a resumed run goes on from there.

    Args:
        period: iterations between evaluations.
        checkpointer: writes the file.
        metric: ``"<task>/<metric>"``, e.g. ``"ranking/SOR"``, preceded by ``"<data set>/"`` when
            there are several test sets.
        mode: ``"max"`` or ``"min"``.
    """

    def __init__(
        self, period: int, checkpointer: SaliencyCheckpointer, metric: str, *, mode: str = "max"
    ) -> None:
        if mode not in ("max", "min"):
            raise ConfigError(f"TEST.BEST_MODE is {mode!r}; expected 'max' or 'min'.")
        self._period = period
        self._checkpointer = checkpointer
        self._metric = metric
        self._note = Path(checkpointer.save_dir) / "model_best.json"
        self._better = operator.gt if mode == "max" else operator.lt
        self.best: float | None = None

    def before_train(self) -> None:
        """A resumed run takes over the best value of the run so far."""
        if self.trainer.start_iter == 0 or not self._note.is_file():
            return
        note = json.loads(self._note.read_text(encoding="utf-8"))
        if note.get("metric") == self._metric:
            self.best = note["value"]

    def after_step(self) -> None:
        """Looks after each evaluation but the last, which comes after the training."""
        done = self.trainer.iter + 1
        if self._period > 0 and done % self._period == 0 and done != self.trainer.max_iter:
            self._look(self.trainer.iter)

    def after_train(self) -> None:
        """Looks once more when every step was done."""
        if self.trainer.iter >= self.trainer.max_iter:
            self._look(self.trainer.max_iter - 1)

    def _look(self, iteration: int) -> None:
        if not comm.is_main_process():
            return
        found = self.trainer.storage.latest().get(self._metric)
        value = found[0] if isinstance(found, tuple) else found
        if value is None:
            logger.warning("TEST.BEST_METRIC %r has no value among the results.", self._metric)
            return
        if math.isfinite(value) and (self.best is None or self._better(value, self.best)):
            self.best = float(value)
            logger.info("%s = %.4f is the best so far.", self._metric, value)
            self._checkpointer.save("model_best", tag_last=False, iteration=iteration)
            note = {"metric": self._metric, "value": self.best, "iteration": iteration}
            write_text(self._note, json.dumps(note))
