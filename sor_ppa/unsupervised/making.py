"""The steps of a run that make something: stage 1, its labels, stage 2."""

from __future__ import annotations

import logging
from typing import Any

from detectron2.config import CfgNode

from sor_ppa.data.dense.pseudo import task_of
from sor_ppa.data.problems import read_json
from sor_ppa.engine.loaders import dataset_dicts
from sor_ppa.errors import DataError
from sor_ppa.pseudo_labels.labelling import make_pseudo_labels
from sor_ppa.pseudo_labels.ledger import FILE as LABELS_FILE
from sor_ppa.unsupervised.plan import Stage
from sor_ppa.unsupervised.run import Run, labels_step
from sor_ppa.unsupervised.running import train_stage
from sor_ppa.unsupervised.state import data_record, settings_record, weights_record

logger = logging.getLogger(__name__)

# Below this a training is likely to have learnt nothing: A2S's maps take shape within a hundred or
# two, MIDNet, which starts from tiny weights, within more.
_FEW_STEPS = 300


def train_first(run: Run) -> None:
    """Trains the network that learns from pictures alone, unless one is given.

    Raises:
        SaliencyError, SystemExit: see :func:`~sor_ppa.unsupervised.running.train_stage`.
    """
    if run.request.stage1_weights:
        logger.info("stage 1: %s is taken, nothing is trained", run.request.stage1_weights)
    else:
        _train(run, run.plan.first, {})


def train_second(run: Run) -> None:
    """Trains the networks that learn from pseudo labels.

    Raises:
        ConfigError: labels are missing.
        SaliencyError, SystemExit: see :func:`~sor_ppa.unsupervised.running.train_stage`.
    """
    for stage in run.plan.second:
        for name in stage.train:
            run.need(_labels_are_complete(run, name), labels_step(name), "labels")
        labels = {name: run.state.steps.get(labels_step(name), {}) for name in stage.train}
        _train(run, stage, {"labels": labels})


def _train(run: Run, stage: Stage, more: dict[str, Any]) -> None:
    cfg = stage.config()
    pictures = {name: dataset_dicts([name]) for name in stage.train}
    record = {
        "settings": settings_record(cfg),
        "data": {name: data_record(records) for name, records in pictures.items()},
        "weights": weights_record(cfg.MODEL.WEIGHTS),
        **more,
    }
    finished = stage.model.is_file()
    remedy = f"Delete {stage.folder} to make it again"
    run.state.begin(stage.name, record, finished=finished, remedy=remedy)
    if finished:
        logger.info("%s: finished already, %s", stage.name, stage.model)
        return
    logger.info("%s: is trained in %s", stage.name, stage.folder)
    _warn_of_few_steps(stage.name, cfg, sum(map(len, pictures.values())))
    train_stage(run.request, stage)
    run.need(stage.model.is_file(), stage.name, stage.folder.name)


def _warn_of_few_steps(name: str, cfg: CfgNode, pictures: int) -> None:
    batch, steps = cfg.SOLVER.IMS_PER_BATCH, cfg.SOLVER.MAX_ITER
    if cfg.SOLVER.EPOCHS:
        steps = cfg.SOLVER.EPOCHS * (pictures // batch)
    if steps < _FEW_STEPS:
        logger.warning(
            "%s: %d pictures and %d epochs make %d steps, little to learn from (published: "
            "thousands). Give it more with --opts SOLVER.EPOCHS %d",
            *(name, pictures, cfg.SOLVER.EPOCHS, steps),
            -(-_FEW_STEPS // max(1, pictures // batch)),
        )


def make_labels(run: Run) -> None:
    """Has the network of stage 1 label its training pictures.

    Raises:
        ConfigError: stage 1 is not finished, or finished labels were made otherwise.
        DataError: pictures that cannot be labelled.
    """
    run.need_first()
    cfg = run.plan.first.config("MODEL.WEIGHTS", run.first_weights)
    made_of = {"settings": _label_settings(cfg), "weights": weights_record(run.first_weights)}
    for task, name in run.labelled:
        step, folder = labels_step(name), run.labels_root / task / name
        record = {**made_of, "data": data_record(dataset_dicts([name]))}
        finished = _labels_are_complete(run, name)
        changed = bool(run.state.changes(step, record))
        remedy = f"Delete {folder} to make them again"
        run.state.begin(step, record, finished=finished, remedy=remedy)
        if finished:
            logger.info("%s: finished already, %s", step, folder)
        else:
            logger.info("%s: are made in %s", step, folder)
            _make_labels(run, cfg, name, overwrite=changed)


def _make_labels(run: Run, cfg: CfgNode, name: str, *, overwrite: bool) -> None:
    (made,) = make_pseudo_labels(
        cfg,
        names=[name],
        root=str(run.labels_root),
        workers=run.request.workers,
        overwrite=overwrite,
        allow_pickle=run.request.allow_pickle,
        progress=run.progress_of(labels_step(name)),
    )
    if made.faults:
        remedy = "mend or remove these pictures and go on with --resume"
        raise DataError(made.faults, what=f"{name}, so that labels are missing; {remedy}")


def _label_settings(cfg: CfgNode) -> dict[str, Any]:
    dense = cfg.INPUT.DENSE
    # The backends of the CRF make equal labels.
    crf = cfg.PSEUDO_LABELS.CRF != "none"
    return {"crf": crf, "size": list(dense.TEST_SIZE), "resize": dense.TEST_RESIZE}


def _labels_are_complete(run: Run, name: str) -> bool:
    path = run.labels_root / task_of(name) / name / LABELS_FILE
    if not path.is_file():
        return False
    ledger = read_json(path)
    return bool(ledger.get("complete")) and not ledger.get("left_out")
