"""Training and evaluating a stage, in one or several processes, as tools/train_net.py does it."""

from __future__ import annotations

import argparse
import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import Any

from detectron2.utils.logger import setup_logger

from sor_ppa.checkpoint import SaliencyCheckpointer
from sor_ppa.engine.launch import launch
from sor_ppa.engine.setup import argument_parser, setup
from sor_ppa.engine.trainer import Trainer
from sor_ppa.unsupervised.plan import Request, Stage

_LOGGERS = ("sor_ppa", "detectron2", "fvcore")


def train_stage(request: Request, stage: Stage) -> None:
    """Trains a stage, from its last checkpoint on if there is one.

    Raises:
        SystemExit: status 2 after an error that the user can cure; 130 or 143 after a signal, a
            checkpoint written.
    """
    with own_logs():
        launch(_train, _arguments(request, stage))


def evaluate_stage(request: Request, stage: Stage, *more: Any) -> None:
    """Evaluates a network on DATASETS.TEST and writes maps and metrics below OUTPUT_DIR/inference.

    Args:
        request: of the run.
        stage: whose network it is.
        more: KEY VALUE ...: MODEL.WEIGHTS, DATASETS.TEST, OUTPUT_DIR.

    Raises:
        SystemExit: as :func:`train_stage`.
    """
    with own_logs():
        launch(_evaluate, _arguments(request, stage, *more))


def _arguments(request: Request, stage: Stage, *more: Any) -> argparse.Namespace:
    """What tools/train_net.py would be called with."""
    args = argument_parser().parse_args([])
    args.config_file, args.opts = stage.config_file, [*stage.opts, *more]
    args.num_gpus, args.num_processes = request.num_gpus, request.num_processes
    args.allow_pickle, args.resume = request.allow_pickle, True
    return args


def _train(args: argparse.Namespace) -> None:
    trainer = Trainer(setup(args), allow_pickle=args.allow_pickle)
    trainer.resume_or_load(resume=args.resume)
    trainer.train()


def _evaluate(args: argparse.Namespace) -> None:
    cfg = setup(args)
    model = Trainer.build_model(cfg)
    SaliencyCheckpointer(model, allow_pickle=args.allow_pickle, strict=True).load(cfg.MODEL.WEIGHTS)
    Trainer.test(cfg, model)


@contextlib.contextmanager
def own_logs() -> Iterator[None]:
    """What is set up inside writes its own log files; afterwards the logs are as before.

    detectron2 adds handlers for every new folder, so that without this each stage of a run would
    print every line once more than the one before.
    """
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(list(log.handlers), log.propagate, log.level) for log in loggers]
    for log in loggers:
        log.handlers.clear()
    setup_logger.cache_clear()
    try:
        yield
    finally:
        setup_logger.cache_clear()
        for log, (handlers, propagate, level) in zip(loggers, before, strict=True):
            _flush(log.handlers)
            log.handlers[:], log.propagate = handlers, propagate
            log.setLevel(level)


def _flush(handlers: Sequence[logging.Handler]) -> None:
    for handler in handlers:
        handler.flush()
