"""Each loss once: pure functions with their formula, shapes and paper.

Functions that average take the divisor (``normalizer``) from the caller, so that the same sum can
be divided by a count that was agreed between processes (:mod:`sor_ppa.modeling.distributed`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from sor_ppa.modeling import pyramid
from sor_ppa.modeling.precision import at_least_float32


def centerness(distances: Tensor) -> Tensor:
    """Centerness of a location in its box, sqrt(min(l,r)/max(l,r) * min(t,b)/max(t,b)).

    FCOS (Tian et al., ICCV 2019), eq. 3.

    Args:
        distances: (L, 4) distances left, top, right, bottom to the box's sides, all positive.

    Returns:
        (L,) in [0, 1].
    """
    left_right, top_bottom = distances[:, [0, 2]], distances[:, [1, 3]]
    ratio = left_right.amin(1) / left_right.amax(1) * (top_bottom.amin(1) / top_bottom.amax(1))
    return ratio.sqrt()


def box_distance_loss(prediction: Tensor, target: Tensor, *, kind: str = "giou") -> Tensor:
    """IoU loss of boxes given as distances from a common point, one value a box.

    UnitBox (Yu et al., 2016) for ``iou``; GIoU (Rezatofighi et al., CVPR 2019) for ``giou``. The
    IoU is (I + 1) / (U + 1), as in the published detector: it keeps a checkpoint's training
    numbers, so it stays.

    Args:
        prediction: (L, 4) left, top, right, bottom.
        target: (L, 4), the same.
        kind: "giou" (1 - giou), "iou" (-log iou) or "linear_iou" (1 - iou).

    Returns:
        (L,) losses.
    """
    area_p = (prediction[:, 0] + prediction[:, 2]) * (prediction[:, 1] + prediction[:, 3])
    area_t = (target[:, 0] + target[:, 2]) * (target[:, 1] + target[:, 3])
    smaller, larger = torch.min(prediction, target), torch.max(prediction, target)
    intersection = (smaller[:, 0] + smaller[:, 2]) * (smaller[:, 1] + smaller[:, 3])
    enclosing = (larger[:, 0] + larger[:, 2]) * (larger[:, 1] + larger[:, 3])
    union = area_p + area_t - intersection
    iou = (intersection + 1.0) / (union + 1.0)
    if kind == "giou":
        return 1.0 - (iou - (enclosing - union) / enclosing)
    if kind == "iou":
        return -iou.log()
    if kind == "linear_iou":
        return 1.0 - iou
    raise ValueError(f"unknown box loss {kind!r}; use 'giou', 'iou' or 'linear_iou'")


def mask_bce_loss(logits: Tensor, target: Tensor, normalizer: Tensor) -> Tensor:
    """Binary cross-entropy of instance masks, averaged over the pixels of each mask.

    Mask R-CNN (He et al., ICCV 2017), section 3.

    Args:
        logits: (R, H, W) before the sigmoid.
        target: (R, H, W) bool or {0, 1}.
        normalizer: number of masks to divide by.
    """
    if logits.numel() == 0:
        return logits.sum() * 0.0
    per_mask = F.binary_cross_entropy_with_logits(
        logits, target.to(logits.dtype), reduction="none"
    ).mean(dim=(1, 2))
    return per_mask.sum() / normalizer


def mask_iou_loss(prediction: Tensor, target: Tensor, normalizer: Tensor) -> Tensor:
    """Half squared error of predicted mask IoUs over the masks whose target is above zero.

    Mask Scoring R-CNN (Huang et al., CVPR 2019), section 3.3.

    Args:
        prediction: (R,) predicted IoU, unbounded.
        target: (R,) true IoU in [0, 1].
        normalizer: number of targets above zero to divide by.
    """
    valid = target > 0
    return 0.5 * (prediction[valid] - target[valid]).square().sum() / normalizer


def rank_loss(logits: Tensor, ranks: Tensor, normalizer: Tensor) -> Tensor:
    """Cross-entropy of the rank classes over the objects that have a rank.

    Position-Preserved Attention (Fang et al., ICCV 2021), section 3.4.

    Args:
        logits: (R, K); column K-1 stands for rank 1, column 0 for rank K.
        ranks: (R,) int64; 1 = most salient ... K; 0 or above K = left out.
        normalizer: number of ranked objects to divide by.
    """
    num_ranks = logits.shape[1]
    ranked = has_rank(ranks, num_ranks)
    if not bool(ranked.any()):
        return logits.sum() * 0.0
    classes = num_ranks - ranks[ranked]
    return F.cross_entropy(logits[ranked], classes, reduction="sum") / normalizer


def has_rank(ranks: Tensor, num_ranks: int) -> Tensor:
    """(R,) bool: which objects have a rank in 1 ... ``num_ranks``."""
    return (ranks >= 1) & (ranks <= num_ranks)


def pyramid_losses(saliency: Sequence[Tensor], target: Tensor) -> dict[str, Tensor]:
    """The losses of InSPyReNet's training (Kim et al., ACCV 2022, eq. 6-8), without weights.

    Every level is judged at full size against its own blurred mask; beside it, each coarser level
    is pulled to the reduced finer one. In float32 or better whatever autocast says: cross-entropy
    on probabilities overflows otherwise.

    Args:
        saliency: logits d3, d2, d1, d0, each (N, 1, h, w).
        target: (N, 1, H, W) in 0 ... 1.

    Returns:
        ``loss_d3`` ... ``loss_d0`` and ``loss_consistency``, scalars.
    """
    with torch.autocast(target.device.type, enabled=False):
        levels = [at_least_float32(level) for level in saliency]
        size = target.shape[-2:]
        masks = [target]
        for _ in levels[1:]:
            masks.insert(0, pyramid.reduce(masks[0]))
        losses = {}
        for index, (logits, mask) in enumerate(zip(levels, masks, strict=True)):
            losses[f"loss_d{len(levels) - 1 - index}"] = saliency_loss(
                _nearest(logits, size), _nearest(mask, size).clamp(0, 1)
            )
        losses["loss_consistency"] = torch.stack(
            [
                (_nearest(coarse, size) - _nearest(pyramid.reduce(fine).detach(), size))
                .abs()
                .mean()
                for coarse, fine in pairwise(levels)
            ]
        ).sum()
    return losses


def saliency_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Weighted cross-entropy plus pixel IoU, as InSPyReNet trains with.

    Args:
        logits: (N, 1, H, W).
        target: (N, 1, H, W) in 0 ... 1.
    """
    return weighted_bce_loss(logits, target) + pixel_iou_loss(logits, target)


def weighted_bce_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy that weighs pixels near edges up to six times.

    mean of w BCE(sigmoid(logits), target), w = 1 + 5 |mean of the target over 31 x 31 - target|
    (F3Net, Wei et al., AAAI 2020, eq. 6, but without dividing by the sum of w). Logarithms are
    clamped at -100.

    Args:
        logits: (N, 1, H, W).
        target: (N, 1, H, W) in 0 ... 1.
    """
    height, width = target.shape[-2:]
    # The mean over a square as two products with band matrices; cells outside count as 0.
    mean = _window_mean(height, 31, target) @ target @ _window_mean(width, 31, target)
    weight = 1 + 5 * (mean - target).abs()
    return (weight * F.binary_cross_entropy(logits.sigmoid(), target, reduction="none")).mean()


def pixel_iou_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Mean over pixels of 1 - (p m + 1) / (p + m - p m + 1): a ratio a pixel, as published.

    Args:
        logits: (N, 1, H, W); p is their sigmoid.
        target: (N, 1, H, W) m in 0 ... 1.
    """
    probability = logits.sigmoid()
    both = probability * target
    return (1 - (both + 1) / (probability + target - both + 1)).mean()


def fixation_kld_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Kullback-Leibler divergence of two maps read as distributions, mean over the batch.

    t' = t / (e + sum t), p' = p / (e + sum p), sum of t' ln(e + t' / (e + p')) with e = 1e-7, over
    all pixels of a picture (Kroner et al., Neural Networks 2020, eq. 1-2). A map that is 0
    everywhere as target gives 0.

    Args:
        prediction: (N, 1, H, W), not negative.
        target: (N, 1, H, W), not negative, any scale.
    """
    epsilon = 1e-7
    target = target / (epsilon + target.sum((1, 2, 3), keepdim=True))
    prediction = prediction / (epsilon + prediction.sum((1, 2, 3), keepdim=True))
    terms = target * (epsilon + target / (epsilon + prediction)).log()
    return terms.sum((1, 2, 3)).mean()


def _window_mean(length: int, window: int, like: Tensor) -> Tensor:
    """(length, length) matrix that averages over ``window`` cells around each cell."""
    cells = torch.arange(length, device=like.device)
    near = (cells[:, None] - cells[None, :]).abs() <= window // 2
    return near.to(like.dtype) / window


def _nearest(x: Tensor, size_hw: Sequence[int]) -> Tensor:
    if tuple(x.shape[-2:]) == tuple(size_hw):
        return x
    return F.interpolate(x, tuple(size_hw), mode="nearest")
