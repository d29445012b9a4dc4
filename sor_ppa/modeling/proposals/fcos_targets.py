"""FCOS (Tian et al., ICCV 2019): where the locations are and which box each one is to predict.

Pure functions on tensors. ``L`` counts locations of all levels, ``M`` ground-truth boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

INFINITE_SIZE = 1e8


class LocationTargets(NamedTuple):
    """What each location has to predict."""

    labels: Tensor  # (L,) int64 class; the number of classes stands for background
    distances: Tensor  # (L, 4) left, top, right, bottom in strides; only meaningful on foreground


def level_locations(height: int, width: int, stride: int, device: torch.device) -> Tensor:
    """Centres of a level's cells in input pixels, row by row: (height * width, 2) as x, y."""
    xs = torch.arange(width, device=device, dtype=torch.float32) * stride + stride // 2
    ys = torch.arange(height, device=device, dtype=torch.float32) * stride + stride // 2
    grid_y, grid_x = torch.meshgrid(ys, xs, indexing="ij")
    return torch.stack([grid_x.reshape(-1), grid_y.reshape(-1)], dim=1)


def size_ranges(sizes_of_interest: Sequence[float]) -> list[tuple[float, float]]:
    """Limits (pixels, both inclusive) of the largest box distance that each level predicts."""
    bounds = [-1.0, *(float(size) for size in sizes_of_interest), INFINITE_SIZE]
    return list(zip(bounds[:-1], bounds[1:]))


def assign_locations(
    locations: Sequence[Tensor],
    strides: Sequence[int],
    ranges: Sequence[tuple[float, float]],
    boxes: Tensor,
    classes: Tensor,
    *,
    num_classes: int,
    center_radius: float | None,
) -> LocationTargets:
    """Targets of every location of one picture.

    A location is positive for a box when it lies in the box (strictly inside the central part of
    ``center_radius`` strides, if given) and the box's size fits the location's level. Among
    several boxes the one of smallest area wins.

    Args:
        locations: per level (L_level, 2) x, y in input pixels.
        strides: per level.
        ranges: per level, limits of max(l, t, r, b) in pixels.
        boxes: (M, 4) XYXY in input pixels.
        classes: (M,) int64.
        num_classes: label of the background.
        center_radius: in strides; None = the whole box counts.
    """
    points = torch.cat(list(locations))  # (L, 2)
    counts = [len(level) for level in locations]
    stride = _repeat([float(s) for s in strides], counts, points)  # (L,)
    if len(boxes) == 0:
        labels = classes.new_full((len(points),), num_classes)
        return LocationTargets(labels, points.new_zeros(len(points), 4))

    distances = _distances(points, boxes)  # (L, M, 4)
    inside = (
        distances.amin(2) > 0
        if center_radius is None
        else _in_center(points, boxes, stride * center_radius)
    )
    low = _repeat([r[0] for r in ranges], counts, points)
    high = _repeat([r[1] for r in ranges], counts, points)
    reach = distances.amax(2)
    fits = (reach >= low[:, None]) & (reach <= high[:, None])

    areas = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).expand(len(points), -1)
    areas = areas.masked_fill(~(inside & fits), float("inf"))
    smallest, chosen = areas.min(dim=1)  # (L,)
    labels = torch.where(torch.isinf(smallest), num_classes, classes[chosen])
    picked = distances[torch.arange(len(points), device=points.device), chosen]
    return LocationTargets(labels, picked / stride[:, None])


def _repeat(values: Sequence[float], counts: Sequence[int], like: Tensor) -> Tensor:
    """(L,): each level's value at each of its locations."""
    return torch.cat([like.new_full((n,), value) for value, n in zip(values, counts)])


def _distances(points: Tensor, boxes: Tensor) -> Tensor:
    """(L, M, 4): left, top, right, bottom distances from each point to each box's sides."""
    to_top_left = points[:, None] - boxes[None, :, :2]
    to_bottom_right = boxes[None, :, 2:] - points[:, None]
    return torch.cat([to_top_left, to_bottom_right], dim=2)


def _in_center(points: Tensor, boxes: Tensor, radius: Tensor) -> Tensor:
    """(L, M): point strictly inside the box cut to +- radius (L,) around its centre."""
    center = (boxes[:, :2] + boxes[:, 2:]) / 2  # (M, 2)
    reach = radius[:, None, None]
    top_left = torch.maximum(boxes[None, :, :2], center - reach)  # (L, M, 2)
    bottom_right = torch.minimum(boxes[None, :, 2:], center + reach)
    inside = (points[:, None] > top_left) & (points[:, None] < bottom_right)
    return inside.all(dim=2)
