"""Labels for whole data sets, made by a network that was trained on them without any."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog

from sor_ppa.data.aliases import resolve_name
from sor_ppa.data.dense.pseudo import label_path, pseudo_root, task_of
from sor_ppa.data.writers import PathLike
from sor_ppa.engine.loaders import dataset_dicts
from sor_ppa.engine.predictor import Predictor
from sor_ppa.errors import ConfigError, DataError
from sor_ppa.pseudo_labels.inputs import Prediction, predictions
from sor_ppa.pseudo_labels.label import choose_crf
from sor_ppa.pseudo_labels.ledger import Record, SetLabels, begin, label_settings
from sor_ppa.pseudo_labels.review import score_labels, write_sheet
from sor_ppa.pseudo_labels.worker import LabelJob, Outcome, label_makers

__all__ = ["SetLabels", "make_pseudo_labels"]

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], object]
_SHOWN = 5


def make_pseudo_labels(
    cfg: CfgNode,
    *,
    names: Sequence[str] | None = None,
    root: str | None = None,
    batch_size: int = 8,
    workers: int = 0,
    loader_workers: int | None = None,
    overwrite: bool = False,
    strict: bool = False,
    score: bool = False,
    sheet: PathLike | None = None,
    allow_pickle: bool = False,
    progress: Progress | None = None,
) -> list[SetLabels]:
    """Labels every picture of data sets by the network of a config.

    Each label is a PNG with 0 and 255 of the picture's size, at
    :func:`~sor_ppa.data.dense.pseudo.label_path` (below the task of its own set, also where
    several sets were trained on together), and appears whole or not at all. Beside the labels of
    a set ``labels.json`` tells how they were made, which pictures were left out and which labels
    are black or white all over. A run that was stopped goes on where it was: labels that are
    there, can be read and have their picture's size are kept. Neither the number of processes nor
    the size of batches changes a label, but for rounding in the network.

    Args:
        cfg: of the network, with MODEL.WEIGHTS; reads PSEUDO_LABELS.CRF.
        names: registered sets, in any of their spellings; None = DATASETS.TRAIN. They need no
            masks, and ``X_pseudo`` stands for X.
        root: folder of all labels; None = that of the config.
        batch_size: pictures in one pass of the network.
        workers: processes that turn predictions into labels; 0 = this one.
        loader_workers: processes that read pictures; None = DATALOADER.NUM_WORKERS.
        overwrite: make labels that are there anew.
        strict: a picture that cannot be labelled ends the run; else it is left out and noted.
        score: compare the labels with the masks of the sets that have some (protocol A2S).
        sheet: write a picture of some pictures, probabilities and labels to this file.
        allow_pickle: the weights may be a pickle.
        progress: called with the number of pictures that are done and of all.

    Returns:
        what became of each set.

    Raises:
        ConfigError: no or unknown sets, or labels are there that another network made.
        DataError: a set is empty; under ``strict`` a picture that cannot be labelled.
        SaliencyError: a worker process died, or a label cannot be written.
    """
    if workers < 0:
        raise ConfigError(f"the number of workers must be 0 or more, got {workers}")
    crf = choose_crf(cfg.PSEUDO_LABELS.CRF)
    dicts = {name: dataset_dicts([name]) for name in _chosen(cfg, names)}
    predictor = Predictor(cfg, allow_pickle=allow_pickle)
    settings = label_settings(predictor.cfg, predictor.model, crf)
    records = _records(cfg, dicts, root, settings, crf)
    sets = list({id(record.labels): record.labels for record in records}.values())
    todo = begin(sets, records, overwrite=overwrite)
    collector = _Collector(todo, len(records), strict=strict, progress=progress)
    loaders = cfg.DATALOADER.NUM_WORKERS if loader_workers is None else loader_workers
    predict = partial(predictions, predictor, batch_size=batch_size, loader_workers=loaders)
    with label_makers(workers, crf, collector.receive) as make:
        for found in predict([record.item for record in todo]):
            if isinstance(found, Prediction):
                make(_job(todo[found.index], found))
            else:
                collector.receive(found)
    for labels in sets:
        if score:
            labels.scores = score_labels(dicts[labels.name], labels, workers)
            labels.write()
        _report(labels)
    if sheet is not None:
        write_sheet(sheet, records, predict)
    return sets


class _Collector:
    """Notes what became of the pictures.

    Args:
        todo: those that had no label.
        total: number of all pictures.
        strict: a fault is an error.
        progress: see :func:`make_pseudo_labels`.
    """

    def __init__(
        self, todo: Sequence[Record], total: int, *, strict: bool, progress: Progress | None
    ) -> None:
        self._todo, self._total, self._strict = todo, total, strict
        self._progress = progress or (lambda done, total: None)
        self._done = total - len(todo)
        self._progress(self._done, total)

    def receive(self, outcome: Outcome) -> None:
        """Notes one outcome; the last one of a set completes its ``labels.json``."""
        record = self._todo[outcome.index]
        labels = record.labels
        if outcome.share is not None:
            labels.shares[record.name] = outcome.share
            labels.made += 1
        elif self._strict:
            raise DataError([outcome.fault], what=f"pictures of {labels.name}")
        else:
            labels.faults.append(outcome.fault)
        if labels.complete:
            labels.write()
        self._done += 1
        self._progress(self._done, self._total)


def _chosen(cfg: CfgNode, names: Sequence[str] | None) -> list[str]:
    """Registered names of the sets, each once."""
    given = list(cfg.DATASETS.TRAIN if names is None else names)
    if not given:
        raise ConfigError("no data set to label: set DATASETS.TRAIN, or name some (--datasets)")
    resolved = map(resolve_name, given)
    return list(dict.fromkeys(MetadataCatalog.get(n).get("base", n) for n in resolved))


def _records(
    cfg: CfgNode,
    dicts: Mapping[str, list[dict[str, Any]]],
    root: str | None,
    settings: dict[str, Any],
    crf: str,
) -> list[Record]:
    """All pictures of all sets."""
    root = os.path.expanduser(root) if root else pseudo_root(cfg)
    records = []
    for name, items in dicts.items():
        task = task_of(name)
        labels = SetLabels(
            name=name,
            task=task,
            folder=Path(root, task, name),
            pictures=len(items),
            settings=settings,
            origin={"weights": cfg.MODEL.WEIGHTS, "crf_backend": crf},
        )
        paths = (label_path(root, task, name, item["image_id"]) for item in items)
        records += [Record(item, path, labels) for item, path in zip(items, paths, strict=True)]
    return records


def _job(record: Record, found: Prediction) -> LabelJob:
    return LabelJob(
        index=found.index,
        file_name=record.item["file_name"],
        probability=found.probability,
        image_rgb=found.image_rgb,
        size_hw=found.size_hw,
        path=record.path,
    )


def _report(labels: SetLabels) -> None:
    """Says what a user should look at."""
    text = "%s: %d labels in %s (%d were there), %.1f %% foreground"
    share = 100 * labels.foreground
    logger.info(text, labels.name, len(labels.shares), labels.folder, labels.kept, share)
    for what, ids in (("black", labels.black), ("white", labels.white)):
        if ids:
            shown = ", ".join(ids[:_SHOWN]) + (", ..." if len(ids) > _SHOWN else "")
            logger.warning("%s: %d labels are all %s: %s", labels.name, len(ids), what, shown)
    for fault in labels.faults:
        logger.warning("%s: left out: %s", labels.name, fault)
