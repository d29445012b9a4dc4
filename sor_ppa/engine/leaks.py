"""Warnings before a training whose scores would not mean what they seem to."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog

from sor_ppa.data.aliases import PSEUDO
from sor_ppa.data.registry import BENCHMARKS

logger = logging.getLogger(__name__)

# No split for training is set apart in these, and people train on all of them.
_FOR_TRAINING = ("msra10k", "fss1000")


def warn_of_leaks(cfg: CfgNode) -> list[str]:
    """Warns of pictures that are trained on and tested on, by DATASETS.TRAIN or by anybody.

    Data sets are compared by name and by folder of pictures; no file is opened. A set with pseudo
    labels (X_pseudo) has the pictures of its base (X).

    Returns:
        the warnings.
    """
    train, test = list(cfg.DATASETS.TRAIN), list(cfg.DATASETS.TEST)
    warnings = [
        f"{name} is trained on and tested on: its scores will say how well it was learnt by heart."
        for name in _seen(test, train)
    ]
    scored = scored_sets()
    warnings += [
        f"DATASETS.TRAIN holds {name}, whose pictures benchmarks are scored on: scores of this "
        "model on it cannot be compared with others'."
        for name in train
        if _pictures_of(name) in scored
    ]
    for text in warnings:
        logger.warning("%s", text)
    return warnings


def scored_sets() -> frozenset[str]:
    """Registered names of all benchmarks' splits that are not for training."""
    names = (n for row in BENCHMARKS if row.name not in _FOR_TRAINING for n in row.registered())
    return frozenset(name for name in names if "_train" not in name)


def _seen(test: Sequence[str], train: Sequence[str]) -> list[str]:
    """The test sets that are training sets too, under the same or another name."""
    return [name for name in test if any(_same(name, other) for other in train)]


def _pictures_of(name: str) -> str:
    """The set whose pictures a set with pseudo labels has; other sets have their own."""
    return name.removesuffix(PSEUDO)


def _same(name: str, other: str) -> bool:
    name, other = _pictures_of(name), _pictures_of(other)
    if name == other:
        return True
    registered = {split for row in BENCHMARKS for split in row.registered()}
    if {name, other} <= registered:  # splits of a benchmark may share a folder
        return False
    folder = _folder(name)
    return folder is not None and folder == _folder(other)


def _folder(name: str) -> str | None:
    """Where the pictures (or the annotations of ranked objects) of a set are."""
    if name not in DatasetCatalog.list():
        return None
    metadata = MetadataCatalog.get(name)
    path = metadata.get("json_file") or metadata.get("image_root")
    return os.path.realpath(path) if path else None
