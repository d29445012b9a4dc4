"""The adaptive pooler against slow versions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from detectron2.modeling.poolers import ROIPooler
from detectron2.structures import Boxes

from sor_ppa.errors import ConfigError
from sor_ppa.modeling.roi_heads.pooler import AdaptivePooler, coordinate_maps, ratio_levels

STRIDES = (8, 16, 32)


@pytest.mark.parametrize(
    ("share", "level"),
    [(0.0, 3), (0.01, 3), (0.25, 3), (0.2501, 4), (0.5, 4), (0.51, 5), (1.0, 5), (3.0, 5)],
)
def test_level_of_a_share_of_the_picture(share: float, level: int) -> None:
    image_area = 480.0 * 640.0
    assert ratio_levels(torch.tensor([share * image_area]), image_area, 3, 5).tolist() == [level]
    if share > 0:
        slow = math.ceil(5 - math.log2(1 / share))
        assert min(max(slow, 3), 5) == level


def test_empty() -> None:
    pooler = AdaptivePooler(resolution=14, strides=STRIDES)
    maps = [torch.zeros(2, 4, 480 // s, 640 // s) for s in STRIDES]
    none = Boxes(torch.zeros(0, 4))
    assert pooler(maps, [none, none], [(480, 640)] * 2).shape == (0, 4, 14, 14)


def test_area_criterion_equals_detectron2() -> None:
    torch.manual_seed(0)
    maps = [torch.randn(2, 4, 240 // s, 320 // s) for s in STRIDES]
    corner = torch.rand(2, 9, 2) * 150
    boxes = [Boxes(torch.cat([c, c + 5 + torch.rand(9, 2) * 170], 1)) for c in corner]
    ours = AdaptivePooler(resolution=7, strides=STRIDES, criterion="area")
    theirs = ROIPooler(7, [1 / s for s in STRIDES], 0, "ROIAlignV2")
    torch.testing.assert_close(ours(maps, boxes, [(240, 320)] * 2), theirs(maps, boxes))


def test_order_of_boxes_is_kept_across_levels_and_pictures() -> None:
    maps = [
        torch.stack([torch.full((1, 256 // s, 256 // s), 10.0 * n + k) for n in range(2)])
        for k, s in enumerate(STRIDES)
    ]
    sides = torch.tensor([250.0, 20.0, 170.0])
    box = torch.stack([torch.zeros(3), torch.zeros(3), sides, sides], 1)
    pooled = AdaptivePooler(resolution=2, strides=STRIDES)(maps, [Boxes(box)] * 2, [(256, 256)] * 2)
    assert pooled[:, 0, 1, 1].tolist() == [2.0, 0.0, 1.0, 12.0, 10.0, 11.0]


def test_coordinate_maps() -> None:
    features = [torch.zeros(2, 7, 480 // s, 640 // s) for s in STRIDES]
    maps = coordinate_maps(features, STRIDES, (480.0, 640.0))
    for grid, stride in zip(maps, STRIDES):
        height, width = grid.shape[2:]
        slow_y = [(stride / 2 + i * stride) / 480 for i in range(height)]
        slow_x = [(stride / 2 + j * stride) / 640 for j in range(width)]
        np.testing.assert_allclose(grid[0, 0, :, 0], slow_y, rtol=1e-6)
        np.testing.assert_allclose(grid[0, 1, 0], slow_x, rtol=1e-6)
    own = coordinate_maps([torch.zeros(1, 1, 4, 8)], (8,), None)[0]
    assert float(own[0, 0].max()) == pytest.approx(28 / 32)
    assert float(own[0, 1].max()) == pytest.approx(60 / 64)


def test_unknown_criterion() -> None:
    with pytest.raises(ConfigError, match="ASSIGN_CRITERION.*'size'"):
        AdaptivePooler(resolution=7, strides=STRIDES, criterion="size")
