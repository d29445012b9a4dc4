"""The Mask R-CNN variant: detectron2's standard heads plus the ranking head."""

from __future__ import annotations

from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads import (
    ROI_HEADS_REGISTRY,
    StandardROIHeads,
    select_foreground_proposals,
)
from detectron2.structures import Boxes, Instances
from torch import Tensor

from sor_ppa.modeling.registration import register
from sor_ppa.modeling.roi_heads.objects import (
    Pooled,
    complete,
    cropped_masks,
    mask_loss,
    of_class,
    position_canvas,
    ranking_loss,
)
from sor_ppa.modeling.roi_heads.pooler import coordinate_maps
from sor_ppa.modeling.roi_heads.ranking_head import RankingHead


@register(ROI_HEADS_REGISTRY)
class MaskRCNNHeads(StandardROIHeads):
    """Box and mask heads of Mask R-CNN (He et al., ICCV 2017) with ranks.

    The ranking head sees the mask pooler's features and their positions, and mask probabilities
    in training as in test (the reference gives it logits in training; no checkpoint is
    published that could depend on that).

    Args:
        ranking_head: gives rank logits.
        rank_weight: of the ranking loss.
        canvas_hw: height and width that coordinates are divided by; None = the padded input's.
        rank_threshold: probability an object must exceed to be given a rank.
        mask_strides: of the mask pooler's levels.
        kwargs: of detectron2's StandardROIHeads.
    """

    @configurable
    def __init__(
        self,
        *,
        ranking_head: RankingHead,
        rank_weight: float,
        canvas_hw: tuple[float, float] | None,
        rank_threshold: float,
        mask_strides: tuple[int, ...],
        **kwargs: Any,  # noqa: ANN401  (handed to detectron2 as they are)
    ) -> None:
        super().__init__(**kwargs)
        self.sor_head = ranking_head
        self.rank_weight = rank_weight
        self.canvas_hw = canvas_hw
        self.rank_threshold = rank_threshold
        self.mask_strides = mask_strides

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict[str, Any]:
        """Arguments of the constructor."""
        arguments = super().from_config(cfg, input_shape)
        names = cfg.MODEL.ROI_HEADS.IN_FEATURES
        arguments.update(
            ranking_head=RankingHead(cfg, input_shape[names[0]].channels),
            rank_weight=cfg.MODEL.SOR.LOSS_WEIGHT,
            canvas_hw=position_canvas(cfg),
            rank_threshold=cfg.MODEL.SOR.RANK_THRESHOLD,
            mask_strides=tuple(input_shape[name].stride for name in names),
        )
        return arguments

    def _forward_mask(self, features: dict[str, Tensor], instances: list[Instances]) -> Any:  # noqa: ANN401  (detectron2: losses in training, Instances in test)
        if self.training:
            foreground, _ = select_foreground_proposals(instances, self.num_classes)
            return self._mask_and_rank_losses(features, foreground)
        classes = torch.cat([i.pred_classes for i in instances])
        pooled = self._pool(features, [i.pred_boxes for i in instances])
        probs = of_class(self.mask_head.layers(pooled.features), classes).sigmoid()
        ranks = self.sor_head(pooled.features, probs, pooled.pos, pooled.boxes, pooled.counts)
        return complete(instances, probs, ranks, self.rank_threshold)

    def _pool(self, features: dict[str, Tensor], boxes: list[Boxes]) -> Pooled:
        levels = [features[name] for name in self.mask_in_features]
        maps = coordinate_maps(levels, self.mask_strides, self.canvas_hw)
        repeated = [m.expand(len(boxes), -1, -1, -1).contiguous() for m in maps]
        return Pooled.of(self.mask_pooler(levels, boxes), self.mask_pooler(repeated, boxes), boxes)

    def _mask_and_rank_losses(
        self, features: dict[str, Tensor], foreground: list[Instances]
    ) -> dict[str, Tensor]:
        pooled = self._pool(features, [f.proposal_boxes for f in foreground])
        classes = torch.cat([f.gt_classes for f in foreground])
        logits = of_class(self.mask_head.layers(pooled.features), classes)
        nonempty = [f for f in foreground if len(f)]
        rank_term = ranking_loss(self.sor_head, pooled, logits, nonempty)
        return {
            "mask_loss": mask_loss(logits, cropped_masks(nonempty, logits)),
            "sor_loss": rank_term * self.rank_weight,
        }
