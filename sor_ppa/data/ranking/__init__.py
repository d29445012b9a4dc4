"""Sets of pictures with ranked objects: every loader in one place."""

from __future__ import annotations

from sor_ppa.data.ranking.assr import load_assr, rank_of_value
from sor_ppa.data.ranking.irsr import load_irsr, ranks_of_levels
from sor_ppa.data.ranking.ranked_coco import load_ranked_coco, register_ranked_coco

__all__ = [
    "load_assr",
    "load_irsr",
    "load_ranked_coco",
    "rank_of_value",
    "ranks_of_levels",
    "register_ranked_coco",
]
