"""What is known of each object once its box is: mask, mask quality, rank."""

from sor_ppa.modeling.roi_heads.center_heads import CenterROIHeads
from sor_ppa.modeling.roi_heads.mask_head import SpatialAttentionMaskHead
from sor_ppa.modeling.roi_heads.maskiou_head import MaskIoUHead
from sor_ppa.modeling.roi_heads.maskrcnn_heads import MaskRCNNHeads
from sor_ppa.modeling.roi_heads.ranking_head import RankingHead, assign_ranks

__all__ = [
    "CenterROIHeads",
    "MaskIoUHead",
    "MaskRCNNHeads",
    "RankingHead",
    "SpatialAttentionMaskHead",
    "assign_ranks",
]
