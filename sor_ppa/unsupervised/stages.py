"""Saliency without labels in one go: stage 1, its labels, stage 2, evaluation.

Zhou et al., *Texture-guided Saliency Distilling for Unsupervised Salient Object Detection*, CVPR
2023. What lies in the folder of a run says how far it is: finished steps are passed over,
interrupted ones go on::

    run.json                          what every step is made of
    flow/<set>/...                    of videos without flow pictures
    stage1/, stage2[/<task>]/         as tools/train_net.py leaves them; model_final.pth
    pseudo/<task>/<set>/...           pseudo labels, labels.json
    evaluation/<stage>/inference/<data set>/, evaluation/labels/<set>/    maps, metrics
    results.md, results.json, results.csv, sheet.jpg
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence

from sor_ppa.data.flow_folder import frames_below, write_flow_folder
from sor_ppa.errors import ConfigError, DataError
from sor_ppa.unsupervised.evaluating import evaluate
from sor_ppa.unsupervised.making import make_labels, train_first, train_second
from sor_ppa.unsupervised.own_sets import OwnSet, registered
from sor_ppa.unsupervised.plan import PlanMaker, Request
from sor_ppa.unsupervised.run import Progress, Run
from sor_ppa.unsupervised.state import RunState

__all__ = ["STEPS", "Request", "train_unsupervised"]

logger = logging.getLogger(__name__)

#: In this order; each is made from the results of those before it.
STEPS = ("stage1", "labels", "stage2", "evaluate")


def train_unsupervised(
    request: Request, *, steps: Sequence[str] = STEPS, progress: Progress | None = None
) -> str:
    """Runs the steps that are not finished.

    Args:
        request: what is wanted.
        steps: of :data:`STEPS`.
        progress: called with what is being done, how much of it is done and how much there is.

    Returns:
        The table of results; "" if nothing was evaluated.

    Raises:
        SaliencyError: something that the user can cure.
        SystemExit: 130 or 143 after a signal in a training, a checkpoint written; 2 after an error
            in a training or an evaluation, which has been printed.
    """
    state = RunState(request.output)
    if state.begun and not request.resume:
        raise ConfigError(
            f"{request.output} holds a run already: go on with --resume, or take another folder"
        )
    PlanMaker(request).check_sets()
    maker = PlanMaker(with_flow(request, progress))
    table = ""
    with registered(maker.entries()):
        run = Run(maker.request, maker.plan(), state, progress)
        run.check_data()
        if "stage1" in steps:
            train_first(run)
        if "labels" in steps:
            make_labels(run)
        if "stage2" in steps:
            train_second(run)
        if "evaluate" in steps:
            table = evaluate(run)
    return table


def with_flow(request: Request, progress: Progress | None = None) -> Request:
    """The request with a folder of flow for every folder of videos; what lacks one gets it made.

    Raises:
        DataError: frames are missing, cannot be read or differ in size.
        SaliencyError: OpenCV is not installed, or a worker process died.
    """
    sets = {own: _with_flow(own, request, progress) for own in request.own()}
    return dataclasses.replace(
        request,
        train=tuple(sets[own] for own in request.train),
        test=tuple(sets[own] for own in request.test),
    )


def _with_flow(own: OwnSet, request: Request, progress: Progress | None) -> OwnSet:
    if own.task != "video" or own.beside:
        return own
    folder = request.output / "flow" / own.name
    frames = frames_below(own.images, folder)
    done = 0

    def update(number: int) -> None:
        nonlocal done
        done += number
        if progress is not None:
            progress(f"flow of {own.name}", done, len(frames))

    report = write_flow_folder(frames, folder, workers=max(1, request.workers), update=update)
    if report.problems:
        raise DataError(report.problems, what=f"frames of {own.images}")
    text = "flow of %s: %d pictures made, %d were there, %s"
    logger.info(text, own.name, report.written, report.kept, folder)
    return dataclasses.replace(own, beside=str(folder))
