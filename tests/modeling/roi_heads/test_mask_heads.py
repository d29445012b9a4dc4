"""Mask head, mask-IoU head and the targets of the latter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from detectron2.structures import BitMasks, Boxes, Instances, PolygonMasks

from sor_ppa.modeling.roi_heads.mask_head import SpatialAttention, SpatialAttentionMaskHead
from sor_ppa.modeling.roi_heads.maskiou_head import MaskIoUHead, mask_iou_targets, visible_share

SQUARE = np.array([10.0, 10.0, 30.0, 10.0, 30.0, 30.0, 10.0, 30.0])


@pytest.mark.parametrize("count", [0, 3])
def test_shapes(count: int) -> None:
    mask_head = SpatialAttentionMaskHead(in_channels=8, num_classes=2, conv_dim=6, num_conv=2)
    iou_head = MaskIoUHead(in_channels=8, resolution=14, num_classes=2, conv_dim=4, dense_dim=5)
    x = torch.randn(count, 8, 14, 14)
    logits = mask_head.layers(x)
    assert logits.shape == (count, 2, 28, 28)
    assert iou_head(x, logits[:, :1].sigmoid()).shape == (count, 2)


def test_spatial_attention_is_mean_and_maximum() -> None:
    attention = SpatialAttention()
    x = torch.randn(2, 5, 6, 6)
    weights = attention.conv(torch.stack([x.mean(1), x.max(1).values], 1)).sigmoid()
    torch.testing.assert_close(attention(x), x * weights)


def _instances(masks: PolygonMasks | BitMasks, boxes: list) -> list[Instances]:
    instances = Instances((64, 64))
    instances.proposal_boxes = Boxes(torch.tensor(boxes))
    instances.gt_masks = masks
    return [instances]


@pytest.mark.parametrize(
    ("polygons", "box", "share"),
    [
        ([SQUARE], [10.0, 10, 30, 30], 1.0),
        ([SQUARE], [20.0, 10, 40, 30], 0.5),
        ([SQUARE], [20.0, 20, 40, 40], 0.25),
        ([SQUARE], [40.0, 40, 60, 60], 0.0),
        ([SQUARE], [20.0, 20, 20.5, 40], 0.0),  # a canvas without a column
        ([SQUARE, SQUARE + 30], [0.0, 0, 35, 35], 0.5),  # two parts, one outside
        ([SQUARE, SQUARE], [20.0, 10, 40, 30], 0.5),  # overlaps count twice, above and below
        ([SQUARE], [20.9, 10, 40, 30.9], 0.455),  # sides are truncated, corners are not
    ],
)
def test_visible_share_of_polygons(polygons: list, box: list, share: float) -> None:
    value = visible_share(_instances(PolygonMasks([polygons]), [box]))
    assert float(value) == pytest.approx(max(share, 1e-10), abs=0.03)
    assert float(value) > 0


def test_visible_share_of_bitmasks_agrees_with_polygons() -> None:
    boxes = [[10.0, 10, 30, 30], [20, 10, 40, 30], [25, 5, 60, 60], [40, 40, 60, 60]]
    polygons = PolygonMasks([[SQUARE]] * 4)
    bits = torch.zeros(4, 64, 64, dtype=torch.bool)
    bits[:, 10:30, 10:30] = True
    expected = visible_share(_instances(polygons, boxes))
    actual = visible_share(_instances(BitMasks(bits), boxes))
    torch.testing.assert_close(actual, expected, atol=0.03, rtol=0)


def test_mask_iou_targets_equal_slow_version() -> None:
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((6, 28, 28)).astype(np.float32)
    gt = rng.random((6, 28, 28)) > 0.4
    logits[4], gt[5] = -1, False
    share = np.array([1.0, 0.5, 0.2, 1e-10, 1.0, 1.0])
    fast = mask_iou_targets(torch.from_numpy(logits), torch.from_numpy(gt), torch.from_numpy(share))
    for k in range(6):
        predicted = logits[k] > 0
        overlap = (predicted & gt[k]).sum()
        slow = overlap / max(predicted.sum() + gt[k].sum() / share[k] - overlap, 1)
        assert float(fast[k]) == pytest.approx(slow, abs=1e-6)


def test_other_masks_are_refused() -> None:
    instances = Instances((64, 64))
    instances.proposal_boxes = Boxes(torch.zeros(1, 4))
    instances.gt_masks = torch.zeros(1, 64, 64)
    with pytest.raises(TypeError, match="PolygonMasks or BitMasks"):
        visible_share([instances])
