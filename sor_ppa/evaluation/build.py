"""From a config and a data set's metadata to its evaluator."""

from __future__ import annotations

import os
from collections.abc import Callable

from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog
from detectron2.evaluation import DatasetEvaluator

from sor_ppa.errors import ConfigError
from sor_ppa.evaluation.dense_evaluator import DenseEvaluator
from sor_ppa.evaluation.evaluator import RankingEvaluator
from sor_ppa.evaluation.fixation_evaluator import FixationEvaluator


def build_evaluator(
    cfg: CfgNode, dataset_name: str, output_dir: str | None = None
) -> DatasetEvaluator:
    """The evaluator that a data set's ``evaluator_type`` asks for.

    Args:
        cfg: a config with the keys of sor_ppa.
        dataset_name: a registered data set.
        output_dir: folder for what is written; default ``<OUTPUT_DIR>/inference/<data set>``.

    Raises:
        ConfigError: the data set has no evaluator type, or one that is not known here.
    """
    kind = MetadataCatalog.get(dataset_name).get("evaluator_type")
    if kind not in _BUILDERS:
        raise ConfigError(
            f"data set {dataset_name!r} has evaluator_type {kind!r}; known: {', '.join(_BUILDERS)}"
        )
    folder = output_dir or os.path.join(cfg.OUTPUT_DIR, "inference", dataset_name)
    return _BUILDERS[kind](cfg, dataset_name, folder)


def _ranking(cfg: CfgNode, dataset_name: str, output_dir: str) -> RankingEvaluator:
    settings = cfg.TEST.RANKING
    return RankingEvaluator(
        dataset_name,
        protocol=settings.PROTOCOL,
        drawing=settings.DRAWING,
        coco=settings.COCO,
        save=settings.SAVE,
        output_dir=output_dir,
        num_ranks=cfg.MODEL.SOR.NUM_RANKS,
        ranked_only=cfg.INPUT.RANKING.DROP_UNRANKED,
    )


def _dense(cfg: CfgNode, dataset_name: str, output_dir: str) -> DenseEvaluator:
    settings = cfg.TEST.DENSE
    return DenseEvaluator(
        dataset_name,
        protocol=settings.PROTOCOL,
        metrics=settings.METRICS,
        save=settings.SAVE,
        workers=settings.WORKERS,
        strict=settings.STRICT,
        output_dir=output_dir,
    )


def _fixation(cfg: CfgNode, dataset_name: str, output_dir: str) -> FixationEvaluator:
    settings = cfg.TEST.FIXATION
    return FixationEvaluator(
        dataset_name,
        flavour=settings.FLAVOUR,
        metrics=settings.METRICS,
        sigma=settings.SIGMA,
        seed=settings.SEED,
        save=settings.SAVE,
        workers=settings.WORKERS,
        output_dir=output_dir,
    )


_BUILDERS: dict[str, Callable[[CfgNode, str, str], DatasetEvaluator]] = {
    "ranking": _ranking,
    "dense": _dense,
    "fixation": _fixation,
}
