"""The config: detectron2's defaults and every key that sor_ppa adds (:mod:`sor_ppa.keys`).

``get_cfg()`` gives detectron2's defaults plus ours; nothing here touches detectron2's global
default config, so other plugins in the same process see none of it.
"""

from __future__ import annotations

from detectron2.config import CfgNode
from detectron2.config import get_cfg as _detectron2_cfg

from sor_ppa.keys.common import add_common, add_engine
from sor_ppa.keys.dense import add_dense, add_unsupervised
from sor_ppa.keys.fixation import add_fixation
from sor_ppa.keys.ranking import add_backbones, add_fcos, add_ranking


def get_cfg() -> CfgNode:
    """A fresh config: detectron2's defaults plus every key of sor_ppa."""
    cfg = _detectron2_cfg()
    add_saliency_config(cfg)
    return cfg


def add_saliency_config(cfg: CfgNode) -> None:
    """Adds the keys of every system to ``cfg`` in place; calling it twice changes nothing."""
    if "SOR" in cfg.MODEL:
        return
    add_common(cfg)
    add_backbones(cfg)
    add_fcos(cfg)
    add_ranking(cfg)
    add_dense(cfg)
    add_unsupervised(cfg)
    add_fixation(cfg)
    add_engine(cfg)
