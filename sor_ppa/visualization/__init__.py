"""Pictures of results: rank maps, overlays, contact sheets."""

from __future__ import annotations

from sor_ppa.visualization.rank_maps import grey_to_rank, paint_rank_map, rank_greys, rank_to_grey

__all__ = ["grey_to_rank", "paint_rank_map", "rank_greys", "rank_to_grey"]
