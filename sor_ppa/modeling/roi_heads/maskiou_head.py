"""The mask-IoU head: how well does a predicted mask fit its object?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pycocotools.mask as mask_util
import torch
import torch.nn.functional as F
from detectron2.config import CfgNode, configurable
from detectron2.structures import BitMasks, Instances, PolygonMasks
from fvcore.nn import weight_init
from torch import Tensor, nn

from sor_ppa.modeling.weight_init import kaiming_init, normal_init

_TINY_RATIO = 1e-10


class MaskIoUHead(nn.Module):
    """Predicts the IoU of a mask with its object from features and mask.

    Mask Scoring R-CNN (Huang et al., CVPR 2019), section 3.2.

    Args:
        in_channels: of the pooled features; the mask is one more.
        resolution: side of the pooled features.
        num_classes: IoUs per object.
        conv_dim, num_conv: 3x3 convolutions; the last one halves the resolution.
        dense_dim: width of the two hidden linear layers.
    """

    @configurable
    def __init__(
        self,
        *,
        in_channels: int,
        resolution: int,
        num_classes: int,
        conv_dim: int = 256,
        num_conv: int = 4,
        dense_dim: int = 1024,
    ) -> None:
        super().__init__()
        self.num_conv = num_conv
        for k in range(num_conv):
            stride = 2 if k == num_conv - 1 else 1
            conv = nn.Conv2d(in_channels + 1 if k == 0 else conv_dim, conv_dim, 3, stride, 1)
            weight_init.c2_msra_fill(conv)
            self.add_module(f"maskiou_fcn{k + 1}", conv)
        flat = conv_dim * ((resolution + 1) // 2) ** 2
        self.maskiou_fc1 = nn.Linear(flat, dense_dim)
        self.maskiou_fc2 = nn.Linear(dense_dim, dense_dim)
        self.maskiou = nn.Linear(dense_dim, num_classes)
        for layer in (self.maskiou_fc1, self.maskiou_fc2):
            kaiming_init(layer)
        normal_init(self.maskiou, std=0.01)

    @classmethod
    def from_config(cls, cfg: CfgNode, in_channels: int) -> dict[str, Any]:
        """Arguments of the constructor from ``cfg.MODEL.ROI_MASKIOU_HEAD``."""
        head = cfg.MODEL.ROI_MASKIOU_HEAD
        return {
            "in_channels": in_channels,
            "resolution": cfg.MODEL.ROI_MASK_HEAD.POOLER_RESOLUTION,
            "num_classes": cfg.MODEL.ROI_HEADS.NUM_CLASSES,
            "conv_dim": head.CONV_DIM,
            "num_conv": head.NUM_CONV,
            "dense_dim": head.DENSE_DIM,
        }

    def forward(self, features: Tensor, mask_probs: Tensor) -> Tensor:
        """Features (R, C, S, S), mask (R, 1, 2S, 2S) in [0, 1] -> IoUs (R, num_classes)."""
        x = torch.cat([features, F.max_pool2d(mask_probs, 2)], dim=1)
        for k in range(self.num_conv):
            x = F.relu(getattr(self, f"maskiou_fcn{k + 1}")(x))
        x = F.relu(self.maskiou_fc1(x.flatten(1)))
        return self.maskiou(F.relu(self.maskiou_fc2(x)))


def mask_iou_targets(mask_logits: Tensor, gt_masks: Tensor, visible: Tensor) -> Tensor:
    """IoU of each predicted mask with its whole object, of which the box may show only a part.

    Args:
        mask_logits: (R, H, W).
        gt_masks: (R, H, W) bool, the object inside the box.
        visible: (R,) share of the object's area inside the box, in (0, 1].

    Returns:
        (R,) float32 in [0, 1], computed in float64.
    """
    predicted = mask_logits > 0
    area = predicted.flatten(1).sum(1, dtype=torch.float64)
    inside = gt_masks.flatten(1).sum(1, dtype=torch.float64)
    overlap = (predicted & gt_masks).flatten(1).sum(1, dtype=torch.float64)
    union = (area + inside / visible.double() - overlap).clamp(min=1.0)
    return (overlap / union).float()


def visible_share(instances: Sequence[Instances]) -> Tensor:
    """Share of each object's area that lies inside its proposal's box, (R,) float64 in (0, 1].

    Args:
        instances: per picture, with proposal_boxes and gt_masks (polygons or bitmasks).
    """
    shares: list[float] = []
    for per_image in instances:
        boxes = per_image.proposal_boxes.tensor.detach().cpu().double().numpy()
        masks = per_image.gt_masks
        if isinstance(masks, PolygonMasks):
            shares += [_polygon_share(p, box) for p, box in zip(masks.polygons, boxes)]
        elif isinstance(masks, BitMasks):
            bits = masks.tensor.cpu().numpy()
            shares += [_bitmask_share(m, box) for m, box in zip(bits, boxes)]
        else:
            raise TypeError(f"gt_masks must be PolygonMasks or BitMasks, not {type(masks)}")
    device = instances[0].proposal_boxes.device
    return torch.tensor(shares, dtype=torch.float64, device=device)


def _polygon_share(polygons: Sequence[np.ndarray], box_xyxy: np.ndarray) -> float:
    full = sum(_shoelace(np.asarray(polygon)) for polygon in polygons)
    x1, y1, x2, y2 = box_xyxy
    height, width = int(y2 - y1), int(x2 - x1)
    if full <= 0 or height <= 0 or width <= 0:
        return _TINY_RATIO
    shifted = [(np.asarray(p).reshape(-1, 2) - (x1, y1)).reshape(-1).tolist() for p in polygons]
    inside = mask_util.area(mask_util.frPyObjects(shifted, height, width)).sum()
    return float(np.clip(inside / full, _TINY_RATIO, 1.0))


def _shoelace(polygon: np.ndarray) -> float:
    x, y = polygon[0::2], polygon[1::2]
    return 0.5 * abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))))


def _bitmask_share(mask: np.ndarray, box_xyxy: np.ndarray) -> float:
    x1, y1, x2, y2 = np.rint(box_xyxy).astype(int)
    full = int(mask.sum())
    inside = int(mask[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)].sum())
    return float(np.clip(inside / max(full, 1), _TINY_RATIO, 1.0))
