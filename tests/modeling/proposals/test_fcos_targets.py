"""Which location predicts which box: tables and a slow version."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sor_ppa.modeling.proposals.fcos_targets import (
    assign_locations,
    level_locations,
    size_ranges,
)

STRIDES = (8, 16, 32, 64, 128)
RANGES = size_ranges([64, 128, 256, 512])


def _locations(height: int, width: int) -> list[torch.Tensor]:
    cpu = torch.device("cpu")
    return [level_locations(-(-height // s), -(-width // s), s, cpu) for s in STRIDES]


def test_level_locations() -> None:
    points = level_locations(2, 3, 8, torch.device("cpu"))
    expected = [[4, 4], [12, 4], [20, 4], [4, 12], [12, 12], [20, 12]]
    assert points.tolist() == expected


def test_ranges() -> None:
    assert RANGES[0] == (-1.0, 64.0)
    assert RANGES[-1] == (512.0, 1e8)


def test_no_boxes_is_all_background() -> None:
    targets = assign_locations(
        _locations(64, 64), STRIDES, RANGES, torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64),
        num_classes=1, center_radius=1.5,
    )  # fmt: skip
    assert (targets.labels == 1).all()
    assert targets.distances.shape == (len(targets.labels), 4)


def _slow(
    point: np.ndarray, stride: int, limits: tuple, boxes: np.ndarray, radius: float | None
) -> int:
    """Index of the box that this location predicts, or -1."""
    best, best_area = -1, np.inf
    for index, (x1, y1, x2, y2) in enumerate(boxes):
        reach = max(point[0] - x1, point[1] - y1, x2 - point[0], y2 - point[1])
        bx1, by1, bx2, by2 = x1, y1, x2, y2
        if radius is not None:
            cx, cy = (x1 + x2) / 2, (y1 + y2) / 2
            r = radius * stride
            bx1, by1, bx2, by2 = max(x1, cx - r), max(y1, cy - r), min(x2, cx + r), min(y2, cy + r)
        inside = bx1 < point[0] < bx2 and by1 < point[1] < by2
        area = (x2 - x1) * (y2 - y1)
        if inside and limits[0] <= reach <= limits[1] and area < best_area:
            best, best_area = index, area
    return best


@pytest.mark.parametrize("radius", [None, 1.5, 0.7])
@pytest.mark.parametrize("seed", range(4))
def test_equals_slow_version(radius: float | None, seed: int) -> None:
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 200, (6, 2)).astype(np.float32)
    boxes = np.concatenate([corner, corner + rng.integers(4, 256, (6, 2))], 1).astype(np.float32)
    locations = _locations(256, 320)
    classes = torch.arange(6)
    targets = assign_locations(
        locations, STRIDES, RANGES, torch.from_numpy(boxes), classes,
        num_classes=6, center_radius=radius,
    )  # fmt: skip
    row = 0
    for points, stride, limits in zip(locations, STRIDES, RANGES):
        for point in points.numpy():
            chosen = _slow(point, stride, limits, boxes, radius)
            assert int(targets.labels[row]) == (6 if chosen < 0 else chosen)
            if chosen >= 0:
                x1, y1, x2, y2 = boxes[chosen]
                expected = np.array([point[0] - x1, point[1] - y1, x2 - point[0], y2 - point[1]])
                np.testing.assert_allclose(targets.distances[row], expected / stride, rtol=1e-6)
            row += 1
    assert (targets.labels < 6).any()


def test_smallest_of_two_nested_boxes_wins() -> None:
    boxes = torch.tensor([[0.0, 0, 60, 60], [20, 20, 40, 40]])
    targets = assign_locations(
        _locations(64, 64), STRIDES, RANGES, boxes, torch.tensor([0, 1]),
        num_classes=2, center_radius=None,
    )  # fmt: skip
    points = _locations(64, 64)[0]
    at = int(((points == torch.tensor([28.0, 28.0])).all(1)).nonzero())
    assert int(targets.labels[at]) == 1


def test_a_box_around_the_origin_counts() -> None:
    """The reference takes a picture whose boxes' centres sum to zero for an empty one."""
    targets = assign_locations(
        _locations(64, 64), STRIDES, RANGES, torch.tensor([[-30.0, 0, 30, 60]]),
        torch.tensor([0]), num_classes=1, center_radius=1.5,
    )  # fmt: skip
    assert (targets.labels == 0).any()
