"""RoI heads of the ranking detector: mask, mask IoU and rank of every object FCOS has found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads import (
    ROI_HEADS_REGISTRY,
    ROIHeads,
    build_mask_head,
    select_foreground_proposals,
)
from detectron2.structures import Boxes, ImageList, Instances
from torch import Tensor, nn

from sor_ppa.modeling.distributed import shared_count
from sor_ppa.modeling.losses import mask_iou_loss
from sor_ppa.modeling.registration import register
from sor_ppa.modeling.roi_heads.maskiou_head import MaskIoUHead, mask_iou_targets, visible_share
from sor_ppa.modeling.roi_heads.objects import (
    Pooled,
    complete,
    cropped_masks,
    mask_loss,
    of_class,
    position_canvas,
    ranking_loss,
)
from sor_ppa.modeling.roi_heads.pooler import AdaptivePooler, coordinate_maps
from sor_ppa.modeling.roi_heads.ranking_head import RankingHead


@register(ROI_HEADS_REGISTRY)
class CenterROIHeads(ROIHeads):
    """CenterMask's heads (Lee & Park, CVPR 2020) plus the ranking head (Fang et al., ICCV 2021).

    Args:
        in_features: levels the boxes are pooled from.
        pooler: one for all heads.
        mask_head: gives mask logits by its ``layers``.
        ranking_head: gives rank logits.
        maskiou_head: None = no mask scores.
        maskiou_weight, rank_weight: of the losses.
        use_positions: pool coordinate maps with the features.
        canvas_hw: height and width that coordinates are divided by; None = the padded input's.
        rank_threshold: probability an object must exceed to be given a rank.
        kwargs: of detectron2's ROIHeads.
    """

    @configurable
    def __init__(
        self,
        *,
        in_features: Sequence[str],
        pooler: AdaptivePooler,
        mask_head: nn.Module,
        ranking_head: RankingHead,
        maskiou_head: MaskIoUHead | None = None,
        maskiou_weight: float = 1.0,
        rank_weight: float = 1.0,
        use_positions: bool = True,
        canvas_hw: tuple[float, float] | None = (480.0, 640.0),
        rank_threshold: float = 0.1,
        **kwargs: Any,  # noqa: ANN401  (handed to detectron2 as they are)
    ) -> None:
        super().__init__(**kwargs)
        self.in_features = tuple(in_features)
        self.pooler = pooler
        self.mask_head: Any = mask_head
        self.sor_head = ranking_head
        self.maskiou_head: MaskIoUHead | None = maskiou_head
        self.maskiou_weight, self.rank_weight = maskiou_weight, rank_weight
        self.use_positions, self.canvas_hw = use_positions, canvas_hw
        self.rank_threshold = rank_threshold

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict[str, Any]:
        """Arguments of the constructor."""
        arguments = super().from_config(cfg)
        names = cfg.MODEL.ROI_HEADS.IN_FEATURES
        head = cfg.MODEL.ROI_MASK_HEAD
        channels = input_shape[names[0]].channels
        size = head.POOLER_RESOLUTION
        arguments.update(
            in_features=names,
            pooler=AdaptivePooler(
                resolution=size,
                strides=[input_shape[name].stride for name in names],
                sampling_ratio=head.POOLER_SAMPLING_RATIO,
                criterion=head.ASSIGN_CRITERION,
            ),
            mask_head=build_mask_head(cfg, ShapeSpec(channels=channels, width=size, height=size)),
            ranking_head=RankingHead(cfg, channels),
            maskiou_head=MaskIoUHead(cfg, channels) if cfg.MODEL.MASKIOU_ON else None,
            maskiou_weight=cfg.MODEL.MASKIOU_LOSS_WEIGHT,
            rank_weight=cfg.MODEL.SOR.LOSS_WEIGHT,
            use_positions=cfg.MODEL.SOR.TRANSFORMER.USE_POS,
            canvas_hw=position_canvas(cfg),
            rank_threshold=cfg.MODEL.SOR.RANK_THRESHOLD,
        )
        return arguments

    def forward(
        self,
        images: ImageList,
        features: dict[str, Tensor],
        proposals: list[Instances],
        targets: list[Instances] | None = None,
    ) -> tuple[list[Instances], dict[str, Tensor]]:
        """In training the losses of the foreground proposals; in test the proposals completed."""
        if self.training:
            assert targets is not None
            proposals = self.label_and_sample_proposals(proposals, targets)
            foreground, _ = select_foreground_proposals(proposals, self.num_classes)
            return proposals, self._losses(features, foreground)
        return self.forward_with_given_boxes(features, proposals), {}

    def forward_with_given_boxes(
        self, features: dict[str, Tensor], instances: list[Instances]
    ) -> list[Instances]:
        """Adds pred_masks, mask_scores, rank_logits, rank_scores and pred_ranks to boxes.

        Args:
            features: levels of the backbone.
            instances: per picture, with pred_boxes, pred_classes and scores.
        """
        pooled = self._pool(features, [i.pred_boxes for i in instances], instances)
        classes = torch.cat([i.pred_classes for i in instances])
        logits = self.mask_head.layers(pooled.features)
        probs = of_class(logits, classes).sigmoid()  # (R, 1, 2S, 2S)
        if self.maskiou_head is not None:
            quality = of_class(self.maskiou_head(pooled.features, probs), classes)[:, 0]
            for per_image, part in zip(instances, quality.split(pooled.counts)):
                per_image.mask_scores = per_image.scores * part
        ranks = self.sor_head(pooled.features, probs, pooled.pos, pooled.boxes, pooled.counts)
        return complete(instances, probs, ranks, self.rank_threshold)

    def _pool(
        self,
        features: dict[str, Tensor],
        boxes: Sequence[Boxes],
        instances: Sequence[Instances],
    ) -> Pooled:
        levels = [features[name] for name in self.in_features]
        sizes = [i.image_size for i in instances]
        pos = None
        if self.use_positions:
            maps = coordinate_maps(levels, self.pooler.strides, self.canvas_hw)
            pos = self.pooler(maps, boxes, sizes)
        return Pooled.of(self.pooler(levels, boxes, sizes), pos, boxes)

    def _losses(
        self, features: dict[str, Tensor], foreground: list[Instances]
    ) -> dict[str, Tensor]:
        pooled = self._pool(features, [f.proposal_boxes for f in foreground], foreground)
        logits = self.mask_head.layers(pooled.features)
        nonempty = [f for f in foreground if len(f)]
        classes = torch.cat([f.gt_classes for f in foreground])
        logits = of_class(logits, classes)  # (R, 1, 2S, 2S)
        gt = cropped_masks(nonempty, logits)
        losses = {"loss_mask": mask_loss(logits, gt)}
        if self.maskiou_head is not None:
            losses["loss_maskiou"] = self._maskiou_loss(pooled, logits, classes, gt, nonempty)
        rank_term = ranking_loss(self.sor_head, pooled, logits, nonempty)
        losses["sor_loss"] = rank_term * self.rank_weight
        return losses

    def _maskiou_loss(
        self,
        pooled: Pooled,
        logits: Tensor,
        classes: Tensor,
        gt: Tensor,
        nonempty: list[Instances],
    ) -> Tensor:
        assert self.maskiou_head is not None
        target = logits.new_zeros(0)
        if nonempty:
            target = mask_iou_targets(logits[:, 0].detach(), gt, visible_share(nonempty))
        count = shared_count((target > 0).sum())
        # Mask probabilities are not detached: this loss also trains the mask head, as published.
        predicted = self.maskiou_head(pooled.features, logits.sigmoid())
        loss = mask_iou_loss(of_class(predicted, classes)[:, 0], target, count)
        return loss * self.maskiou_weight
