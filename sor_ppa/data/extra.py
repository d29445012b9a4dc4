"""Data sets of one's own, given in a config: DATASETS.EXTRA."""

from __future__ import annotations

from collections.abc import Sequence

from detectron2.config import CfgNode

from sor_ppa.data.dense.folders import register_sod_folder
from sor_ppa.data.ranking.ranked_coco import register_ranked_coco
from sor_ppa.errors import ConfigError


def register_extra(cfg: CfgNode) -> None:
    """Registers the triples of ``cfg.DATASETS.EXTRA``.

    (name, annotations.json, image folder) is a set with ranked objects, (name, image folder, mask
    folder) one with saliency masks.

    Raises:
        ConfigError: an entry is not such a triple, or its name is unusable.
    """
    for entry in cfg.DATASETS.EXTRA:
        if not _is_triple(entry):
            raise ConfigError(
                "DATASETS.EXTRA must hold (name, annotations.json, image folder) or (name, image "
                f"folder, mask folder) triples of strings, got {entry!r}"
            )
        ranked = entry[1].lower().endswith(".json")
        (register_ranked_coco if ranked else register_sod_folder)(*entry)


def _is_triple(entry: object) -> bool:
    if not isinstance(entry, Sequence) or isinstance(entry, str) or len(entry) != 3:
        return False
    return all(isinstance(part, str) for part in entry)
