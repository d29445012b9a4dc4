"""FCOS as a proposal generator: boxes of salient objects without anchors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.proposal_generator import PROPOSAL_GENERATOR_REGISTRY
from detectron2.structures import ImageList, Instances
from fvcore.nn import sigmoid_focal_loss
from torch import Tensor, nn

from sor_ppa.modeling.distributed import mean_over_processes, shared_count
from sor_ppa.modeling.losses import box_distance_loss, centerness
from sor_ppa.modeling.proposals.fcos_boxes import SelectionRule, select_boxes
from sor_ppa.modeling.proposals.fcos_head import FCOSHead, LevelPrediction
from sor_ppa.modeling.proposals.fcos_targets import (
    LocationTargets,
    assign_locations,
    level_locations,
    size_ranges,
)
from sor_ppa.modeling.registration import register


@register(PROPOSAL_GENERATOR_REGISTRY)
class FCOS(nn.Module):
    """Fully convolutional one-stage detector (Tian et al., ICCV 2019) with GIoU loss.

    Args:
        head: predicts class, distances and centerness on every level.
        in_features: names of the levels.
        strides: of the levels, in pixels.
        num_classes: foreground classes.
        sizes_of_interest: upper limit (pixels) of each level's box distance but the last's.
        center_radius: in strides; None = every location inside a box is positive.
        focal_alpha, focal_gamma: of the focal loss.
        box_loss: "giou", "iou" or "linear_iou".
        train_rule, test_rule: which boxes are handed on.
    """

    @configurable
    def __init__(
        self,
        *,
        head: FCOSHead,
        in_features: Sequence[str],
        strides: Sequence[int],
        num_classes: int,
        sizes_of_interest: Sequence[float],
        center_radius: float | None,
        focal_alpha: float,
        focal_gamma: float,
        box_loss: str,
        train_rule: SelectionRule,
        test_rule: SelectionRule,
    ) -> None:
        super().__init__()
        self.fcos_head = head
        self.in_features = tuple(in_features)
        self.strides = tuple(strides)
        self.num_classes = num_classes
        self.ranges = size_ranges(sizes_of_interest)
        self.center_radius = center_radius
        self.focal_alpha, self.focal_gamma = focal_alpha, focal_gamma
        self.box_loss = box_loss
        self.train_rule, self.test_rule = train_rule, test_rule

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict[str, Any]:
        """Arguments of the constructor from ``cfg.MODEL.FCOS``."""
        fcos = cfg.MODEL.FCOS
        head = FCOSHead(
            in_channels=input_shape[fcos.IN_FEATURES[0]].channels,
            num_classes=fcos.NUM_CLASSES,
            num_levels=len(fcos.IN_FEATURES),
            num_cls_convs=fcos.NUM_CLS_CONVS,
            num_box_convs=fcos.NUM_BOX_CONVS,
            num_share_convs=fcos.NUM_SHARE_CONVS,
            norm=fcos.NORM,
            use_scale=fcos.USE_SCALE,
            deformable=fcos.USE_DEFORMABLE,
            prior_prob=fcos.PRIOR_PROB,
        )
        return {
            "head": head,
            "in_features": fcos.IN_FEATURES,
            "strides": fcos.FPN_STRIDES,
            "num_classes": fcos.NUM_CLASSES,
            "sizes_of_interest": fcos.SIZES_OF_INTEREST,
            "center_radius": fcos.POS_RADIUS if fcos.CENTER_SAMPLE else None,
            "focal_alpha": fcos.LOSS_ALPHA,
            "focal_gamma": fcos.LOSS_GAMMA,
            "box_loss": fcos.LOC_LOSS_TYPE,
            "train_rule": _rule(fcos, "TRAIN"),
            "test_rule": _rule(fcos, "TEST"),
        }

    def forward(
        self,
        images: ImageList,
        features: dict[str, Tensor],
        gt_instances: list[Instances] | None = None,
    ) -> tuple[list[Instances], dict[str, Tensor]]:
        """Proposals of each picture, and in training the three losses.

        In training the proposals have the fields that detectron2's RoI heads sample from
        (proposal_boxes, objectness_logits); in test pred_boxes, scores, pred_classes, locations.
        """
        levels = [features[name] for name in self.in_features]
        predictions = self.fcos_head(levels)
        locations = [
            level_locations(level.shape[2], level.shape[3], stride, level.device)
            for level, stride in zip(levels, self.strides)
        ]
        losses: dict[str, Tensor] = {}
        if self.training:
            losses = self.losses(predictions, locations, gt_instances or [])
        with torch.no_grad():
            rule = self.train_rule if self.training else self.test_rule
            boxes = select_boxes(predictions, locations, self.strides, images.image_sizes, rule)
        return ([_as_proposals(b) for b in boxes] if self.training else boxes), losses

    def losses(
        self,
        predictions: Sequence[LevelPrediction],
        locations: Sequence[Tensor],
        gt_instances: Sequence[Instances],
    ) -> dict[str, Tensor]:
        """Focal, GIoU and centerness loss, normalised over the whole batch of all processes."""
        targets = [
            assign_locations(
                locations,
                self.strides,
                self.ranges,
                gt.gt_boxes.tensor,
                gt.gt_classes,
                num_classes=self.num_classes,
                center_radius=self.center_radius,
            )
            for gt in gt_instances
        ]
        labels, distances = (torch.cat(parts) for parts in zip(*targets))
        logits = _flatten([p.logits for p in predictions])  # (N * L, classes)
        pred_distances = _flatten([p.distances for p in predictions])  # (N * L, 4)
        pred_center = _flatten([p.centerness for p in predictions])[:, 0]  # (N * L,)
        return self._losses(logits, pred_distances, pred_center, LocationTargets(labels, distances))

    def _losses(
        self, logits: Tensor, distances: Tensor, center: Tensor, target: LocationTargets
    ) -> dict[str, Tensor]:
        positive = (target.labels != self.num_classes).nonzero().squeeze(1)
        num_positive = shared_count(positive.new_tensor(len(positive), dtype=torch.float32))
        one_hot = torch.zeros_like(logits)
        one_hot[positive, target.labels[positive]] = 1.0
        focal = sigmoid_focal_loss(
            logits, one_hot, alpha=self.focal_alpha, gamma=self.focal_gamma, reduction="sum"
        )
        weight = centerness(target.distances[positive])
        box = box_distance_loss(distances[positive], target.distances[positive], kind=self.box_loss)
        total_weight = mean_over_processes(weight.sum()).clamp(min=1e-6)
        center_loss = nn.functional.binary_cross_entropy_with_logits(
            center[positive], weight, reduction="sum"
        )
        return {
            "loss_fcos_cls": focal / num_positive,
            "loss_fcos_loc": (weight * box).sum() / total_weight,
            "loss_fcos_ctr": center_loss / num_positive,
        }


def _rule(fcos: CfgNode, mode: str) -> SelectionRule:
    return SelectionRule(
        threshold=fcos[f"INFERENCE_TH_{mode}"],
        with_centerness=fcos.THRESH_WITH_CTR,
        nms_iou=fcos.NMS_TH,
        pre_nms_topk=fcos[f"PRE_NMS_TOPK_{mode}"],
        post_nms_topk=fcos[f"POST_NMS_TOPK_{mode}"],
    )


def _flatten(maps: Sequence[Tensor]) -> Tensor:
    """Per level (N, C, h, w) -> (N * L, C), picture by picture, level by level, row by row."""
    per_level = [m.permute(0, 2, 3, 1).reshape(m.shape[0], -1, m.shape[1]) for m in maps]
    return torch.cat(per_level, dim=1).flatten(0, 1).float()


def _as_proposals(boxes: Instances) -> Instances:
    return Instances(
        boxes.image_size, proposal_boxes=boxes.pred_boxes, objectness_logits=boxes.scores
    )
