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
from detectron2.structures import Instances
from torch import Tensor

from sor_ppa.modeling.distributed import shared_count
from sor_ppa.modeling.losses import has_rank, mask_bce_loss, rank_loss
from sor_ppa.modeling.registration import register
from sor_ppa.modeling.roi_heads.center_heads import (
    add_ranks,
    cropped_masks,
    of_class,
    position_canvas,
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
        boxes = [i.pred_boxes for i in instances]
        classes = torch.cat([i.pred_classes for i in instances])
        pooled, pos = self._pool(features, boxes)
        probs = of_class(self.mask_head.layers(pooled), classes).sigmoid()
        counts = [len(i) for i in instances]
        xyxy = torch.cat([b.tensor for b in boxes])
        logits = self.sor_head(pooled, probs, pos, xyxy, counts)
        for per_image, mask, rank_logits in zip(
            instances, probs.split(counts), logits.split(counts)
        ):
            per_image.pred_masks = mask
            add_ranks(per_image, rank_logits, self.rank_threshold)
        return instances

    def _pool(self, features: dict[str, Tensor], boxes: list) -> tuple[Tensor, Tensor]:
        """Pooled features (R, C, S, S) and positions (R, 2, S, S)."""
        levels = [features[name] for name in self.mask_in_features]
        maps = coordinate_maps(levels, self.mask_strides, self.canvas_hw)
        count = len(boxes)
        repeated = [m.expand(count, -1, -1, -1).contiguous() for m in maps]
        return self.mask_pooler(levels, boxes), self.mask_pooler(repeated, boxes)

    def _mask_and_rank_losses(
        self, features: dict[str, Tensor], foreground: list[Instances]
    ) -> dict[str, Tensor]:
        boxes = [f.proposal_boxes for f in foreground]
        pooled, pos = self._pool(features, boxes)
        classes = torch.cat([f.gt_classes for f in foreground])
        logits = of_class(self.mask_head.layers(pooled), classes)
        nonempty = [f for f in foreground if len(f)]
        gt = cropped_masks(nonempty, logits)
        ranks = classes.new_zeros(0)
        if nonempty:
            ranks = torch.cat([f.gt_ranks for f in nonempty])
        xyxy = torch.cat([b.tensor for b in boxes])
        counts = [len(f) for f in foreground]
        rank_logits = self.sor_head(pooled, logits.sigmoid(), pos, xyxy, counts)
        ranked = has_rank(ranks, self.sor_head.num_ranks).sum()
        mask_loss = mask_bce_loss(logits[:, 0], gt, shared_count(logits.new_tensor(len(logits))))
        sor_loss = rank_loss(rank_logits, ranks, shared_count(ranked))
        return {"mask_loss": mask_loss, "sor_loss": sor_loss * self.rank_weight}
