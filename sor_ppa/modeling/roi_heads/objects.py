"""What both families of RoI heads do with the objects of a batch: masks and ranks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from detectron2.config import CfgNode
from detectron2.structures import Boxes, Instances
from torch import Tensor

from sor_ppa.modeling.distributed import shared_count
from sor_ppa.modeling.losses import has_rank, mask_bce_loss, rank_loss
from sor_ppa.modeling.roi_heads.ranking_head import RankingHead, assign_ranks


class Pooled(NamedTuple):
    """What the heads see of R boxes."""

    features: Tensor  # (R, C, S, S)
    pos: Tensor | None  # (R, 2, S, S) pooled y, x
    boxes: Tensor  # (R, 4) XYXY in pixels of the network input
    counts: list[int]  # boxes of each picture

    @classmethod
    def of(cls, features: Tensor, pos: Tensor | None, boxes: Sequence[Boxes]) -> Pooled:
        """From pooled maps and the boxes of each picture."""
        return cls(features, pos, torch.cat([b.tensor for b in boxes]), [len(b) for b in boxes])


def position_canvas(cfg: CfgNode) -> tuple[float, float] | None:
    """Height and width that coordinates are divided by; None = those of the padded input."""
    transformer = cfg.MODEL.SOR.TRANSFORMER
    if transformer.NORMALIZE_BY_INPUT:
        return None
    return float(transformer.IMG_HEIGHT), float(transformer.IMG_WIDTH)


def of_class(per_class: Tensor, classes: Tensor) -> Tensor:
    """(R, K, ...) -> (R, 1, ...): each object's own class; K = 1 serves every class."""
    if per_class.shape[1] == 1:
        return per_class
    index = torch.arange(len(per_class), device=per_class.device)
    return per_class[index, classes][:, None]


def cropped_masks(instances: Sequence[Instances], logits: Tensor) -> Tensor:
    """(R, H, W) bool: ground truth inside each proposal's box at the size of the logits.

    Args:
        instances: per picture, with proposal_boxes and gt_masks; none of them empty.
        logits: (R, 1, H, W), for size and device.
    """
    if not instances:
        return logits.new_zeros(0, *logits.shape[2:], dtype=torch.bool)
    size = logits.shape[-1]
    crops = [i.gt_masks.crop_and_resize(i.proposal_boxes.tensor, size) for i in instances]
    return torch.cat(crops).to(device=logits.device, dtype=torch.bool)


def mask_loss(logits: Tensor, gt_masks: Tensor) -> Tensor:
    """Mask loss of a batch, over the objects of all processes.

    Args:
        logits: (R, 1, H, W).
        gt_masks: (R, H, W) bool.
    """
    count = shared_count(logits.new_tensor(len(logits)))
    return mask_bce_loss(logits[:, 0], gt_masks, count)


def ranking_loss(
    head: RankingHead, pooled: Pooled, mask_logits: Tensor, instances: Sequence[Instances]
) -> Tensor:
    """Ranking loss of a batch, over the ranked objects of all processes.

    Args:
        head: gives rank logits.
        pooled: what it sees of the R foreground proposals.
        mask_logits: (R, 1, H, W); not detached, so that this loss also trains the mask head.
        instances: per picture, with gt_ranks; none of them empty.
    """
    ranks = mask_logits.new_zeros(0, dtype=torch.int64)
    if instances:
        ranks = torch.cat([i.gt_ranks for i in instances])
    count = shared_count(has_rank(ranks, head.num_ranks).sum())
    masks = mask_logits.sigmoid()
    logits = head(pooled.features, masks, pooled.pos, pooled.boxes, pooled.counts)
    return rank_loss(logits, ranks, count)


def complete(
    instances: list[Instances], mask_probs: Tensor, rank_logits: Tensor, threshold: float
) -> list[Instances]:
    """Hands each picture its masks and ranks, in place; ranks are given picture by picture.

    Args:
        instances: per picture; R objects in all.
        mask_probs: (R, 1, H, W).
        rank_logits: (R, num_ranks).
        threshold: probability an object must exceed to be given a rank.

    Returns:
        ``instances`` with pred_masks, rank_logits, rank_scores (softmax over the objects of the
        picture) and pred_ranks.
    """
    counts = [len(i) for i in instances]
    for per_image, masks, logits in zip(
        instances, mask_probs.split(counts), rank_logits.split(counts)
    ):
        per_image.pred_masks = masks
        per_image.rank_logits = logits
        per_image.rank_scores = logits.float().softmax(dim=0)
        per_image.pred_ranks = assign_ranks(logits, threshold)
    return instances
