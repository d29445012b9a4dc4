"""The last step of a run: both stages and the labels are scored, and some pictures shown."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from detectron2.data import DatasetCatalog

from sor_ppa.engine.loaders import dataset_dicts
from sor_ppa.unsupervised import sheet
from sor_ppa.unsupervised.own_sets import KINDS
from sor_ppa.unsupervised.plan import PROTOCOLS, Stage
from sor_ppa.unsupervised.run import Run, labels_step
from sor_ppa.unsupervised.running import evaluate_stage
from sor_ppa.unsupervised.scoring import LABELS, ResultRow, score_labels, write_results
from sor_ppa.unsupervised.state import data_record, weights_record
from sor_ppa.visualization.contact_sheet import Tile

logger = logging.getLogger(__name__)

_FILE = "metrics.json"


def evaluate(run: Run) -> str:
    """Evaluates both stages and the labels; writes the table of results and the sheet.

    Returns:
        The table; "" if there is nothing to evaluate on.

    Raises:
        ConfigError: a stage is not finished.
        SaliencyError, SystemExit: see :func:`~sor_ppa.unsupervised.running.evaluate_stage`.
    """
    run.need_first()
    for stage in run.plan.second:
        run.need(stage.model.is_file(), stage.name, "stage2")
    rows = [row for stage in run.plan.stages for row in _network_rows(run, stage)]
    rows += _label_rows(run)
    write_sheet(run)
    if not rows:
        logger.info("nothing is evaluated: there are neither masks nor sets to test on")
        return ""
    order = list(dict.fromkeys(row.dataset for row in rows))
    rows.sort(key=lambda row: (order.index(row.dataset), _place(row.method)))
    return write_results(run.folder, rows)


def _network_rows(run: Run, stage: Stage) -> Iterator[ResultRow]:
    folder = run.folder / "evaluation" / stage.folder.relative_to(run.folder)
    weights = run.first_weights if stage is run.plan.first else str(stage.model)
    dense = stage.config().INPUT.DENSE
    made_of = {
        "weights": weights_record(weights),
        "settings": {"size": list(dense.TEST_SIZE), "resize": dense.TEST_RESIZE},
    }
    files = {name: folder / "inference" / name / _FILE for name in stage.test}
    due = [n for n, path in files.items() if _is_due(run, f"{stage.name} on {n}", n, path, made_of)]
    if due:
        logger.info("%s: is evaluated on %s", stage.name, ", ".join(due))
        evaluate_stage(
            run.request, stage,
            "MODEL.WEIGHTS", weights,
            "DATASETS.TEST", tuple(due),
            "OUTPUT_DIR", str(folder),
            "TEST.DENSE.PROTOCOL", ",".join(PROTOCOLS),
            "TEST.DENSE.METRICS", (),
            "TEST.DENSE.SAVE", True,
            "TEST.DENSE.WORKERS", run.request.workers,
        )  # fmt: skip
    for name, path in files.items():
        yield ResultRow.read(name, stage.name, path)


def _label_rows(run: Run) -> Iterator[ResultRow]:
    for task, name in run.labelled:
        scored = run.scored_name(name)
        if scored is None:
            continue
        step, path = labels_step(name), run.folder / "evaluation" / "labels" / name / _FILE
        made_of = {"labels": run.state.steps.get(step, {})}
        if _is_due(run, f"{step} on {scored}", scored, path, made_of):
            logger.info("%s: are evaluated", step)
            root, workers = run.labels_root, run.request.workers
            score_labels(path.parent, root, task, name, scored, workers=workers)
        yield ResultRow.read(scored, LABELS, path)


def _is_due(run: Run, step: str, scored: str, path: Path, made_of: Mapping[str, Any]) -> bool:
    """Whether something is to be evaluated (again); notes what it is made of then."""
    record = {**made_of, "data": data_record(dataset_dicts([scored]))}
    if path.is_file() and step in run.state.steps:
        changed = run.state.changes(step, record)
        if not changed:
            logger.info("%s: evaluated already, %s", step, path)
            return False
        logger.info("%s: is evaluated again, for %s", step, ", ".join(changed))
    path.unlink(missing_ok=True)
    run.state.note(step, record)
    return True


def write_sheet(run: Run) -> None:
    """Writes ``sheet.jpg``: some training pictures of every task with what was made of them.

    Raises:
        ImageError: a picture cannot be read, or the sheet not be written.
    """
    path = run.folder / "sheet.jpg"
    steps = [labels_step(name) for _, name in run.labelled]
    networks = [run.first_weights, *(str(stage.model) for stage in run.plan.second)]
    record = {
        "weights": [weights_record(file) for file in networks],
        "labels": {step: run.state.steps.get(step, {}) for step in steps},
    }
    if path.is_file() and run.state.steps.get("sheet") == record:
        logger.info("sheet: finished already, %s", path)
        return
    sheet.write_sheet(path, _sheet_rows(run))
    run.state.note("sheet", record)


def _sheet_rows(run: Run) -> list[list[Tile]]:
    number = max(2, sheet.PICTURES // len(run.plan.second))
    masks = {name: _masks(run, name) for _, name in run.labelled}
    first = run.plan.first.config("MODEL.WEIGHTS", run.first_weights)
    rows = []
    for stage in run.plan.second:
        shown = sheet.chosen_pictures(stage.tasks[0], stage.train, number, masks)
        maps = [
            sheet.saliency_maps(cfg, shown, allow_pickle=run.request.allow_pickle)
            for cfg in (first, stage.config("MODEL.WEIGHTS", str(stage.model)))
        ]
        kinds = [KINDS[task] for task in stage.tasks if task in KINDS]
        for picture, one, two in zip(shown, *maps, strict=True):
            rows.append(sheet.sheet_row(picture, one, two, kinds, run.labels_root))
    return rows


def _masks(run: Run, name: str) -> dict[str, Any]:
    """Mask of each image id of a set, if it has masks."""
    scored = run.scored_name(name)
    dicts = DatasetCatalog.get(scored) if scored else []
    return {str(item["image_id"]): item.get("sem_seg_file_name") for item in dicts}


def _place(method: str) -> int:
    """Stage 1, labels, stage 2."""
    return 1 if method == LABELS else 0 if method == "stage 1" else 2
