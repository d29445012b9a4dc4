"""From the raw maps of FCOS to the boxes of a picture: threshold, top k, decoding, NMS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from detectron2.layers import batched_nms
from detectron2.structures import Boxes, Instances
from torch import Tensor

from sor_ppa.modeling.proposals.fcos_head import LevelPrediction


@dataclass(frozen=True)
class SelectionRule:
    """Which boxes survive.

    Attributes:
        threshold: class probability that a location must exceed.
        with_centerness: compare probability x centerness with the threshold instead.
        nms_iou: IoU above which the weaker box of the same class goes; <= 0: no NMS.
        pre_nms_topk: candidates kept per level.
        post_nms_topk: boxes kept per picture.
    """

    threshold: float
    with_centerness: bool
    nms_iou: float
    pre_nms_topk: int
    post_nms_topk: int


def select_boxes(
    predictions: Sequence[LevelPrediction],
    locations: Sequence[Tensor],
    strides: Sequence[int],
    image_sizes: Sequence[tuple[int, int]],
    rule: SelectionRule,
) -> list[Instances]:
    """The boxes of each picture, best first, not clipped to the picture.

    Args:
        predictions: per level, for the whole batch.
        locations: per level (h * w, 2) x, y.
        strides: per level.
        image_sizes: per picture (height, width) without padding.
        rule: which boxes survive.

    Returns:
        per picture Instances with pred_boxes, scores (sqrt of probability x centerness),
        pred_classes and locations.
    """
    results = []
    for index, size in enumerate(image_sizes):
        per_level = [
            _level_boxes(prediction, points, stride, index, size, rule)
            for prediction, points, stride in zip(predictions, locations, strides)
        ]
        results.append(_keep_best(Instances.cat(per_level), rule))
    return results


def _level_boxes(
    prediction: LevelPrediction,
    points: Tensor,
    stride: int,
    index: int,
    image_size: tuple[int, int],
    rule: SelectionRule,
) -> Instances:
    """Candidates of one picture on one level."""
    logits = prediction.logits[index].float()
    probability = logits.permute(1, 2, 0).reshape(len(points), -1).sigmoid()  # (hw, classes)
    center = prediction.centerness[index].float().reshape(-1, 1).sigmoid()  # (hw, 1)
    distances = prediction.distances[index].float().permute(1, 2, 0).reshape(-1, 4)  # (hw, 4)

    score = probability * center
    candidate = (score if rule.with_centerness else probability) > rule.threshold
    where, classes = candidate.nonzero(as_tuple=True)
    score = score[where, classes]
    if len(score) > rule.pre_nms_topk:
        score, kept = score.topk(rule.pre_nms_topk, sorted=False)
        where, classes = where[kept], classes[kept]

    centers = points[where]
    reach = distances[where] * stride
    boxes = torch.cat([centers - reach[:, :2], centers + reach[:, 2:]], dim=1)
    finite = torch.isfinite(boxes).all(dim=1) & torch.isfinite(score)
    result = Instances(image_size)
    result.pred_boxes = Boxes(boxes)
    result.scores = score.sqrt()
    result.pred_classes = classes
    result.locations = centers
    return result if bool(finite.all()) else result[finite]


def _keep_best(candidates: Instances, rule: SelectionRule) -> Instances:
    """NMS, then the best ``post_nms_topk`` (ties at the last place all stay)."""
    if rule.nms_iou > 0:
        keep = batched_nms(
            candidates.pred_boxes.tensor,
            candidates.scores,
            candidates.pred_classes,
            rule.nms_iou,
        )
        candidates = candidates[keep]
    count = len(candidates)
    if count > rule.post_nms_topk > 0:
        last = candidates.scores.kthvalue(count - rule.post_nms_topk + 1).values
        candidates = candidates[candidates.scores >= last]
    return candidates
