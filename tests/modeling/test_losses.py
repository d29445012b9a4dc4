"""Losses against identities and slow versions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from sor_ppa.modeling import losses

ONE = torch.tensor(1.0)


@pytest.mark.parametrize(
    ("distances", "expected"),
    [([[1.0, 1, 1, 1]], 1.0), ([[1, 1, 3, 1]], math.sqrt(1 / 3)), ([[1, 2, 4, 8]], 0.25)],
)
def test_centerness(distances: list, expected: float) -> None:
    value = losses.centerness(torch.tensor(distances, dtype=torch.float32))
    assert value.tolist() == pytest.approx([expected])


def test_centerness_of_nothing() -> None:
    assert losses.centerness(torch.zeros(0, 4)).shape == (0,)


def _slow_box_loss(p: np.ndarray, t: np.ndarray, kind: str) -> float:
    def box(d: np.ndarray) -> tuple[float, float, float, float]:
        return -d[0], -d[1], d[2], d[3]

    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = box(p), box(t)
    inter = (min(ax2, bx2) - max(ax1, bx1)) * (min(ay2, by2) - max(ay1, by1))
    union = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - inter
    hull = (max(ax2, bx2) - min(ax1, bx1)) * (max(ay2, by2) - min(ay1, by1))
    iou = (inter + 1) / (union + 1)
    return {"giou": 1 - iou + (hull - union) / hull, "iou": -math.log(iou), "linear_iou": 1 - iou}[
        kind
    ]


@pytest.mark.parametrize("kind", ["giou", "iou", "linear_iou"])
def test_box_loss_equals_slow_version(kind: str) -> None:
    rng = np.random.default_rng(0)
    p, t = rng.uniform(0.1, 9, (2, 50, 4))
    fast = losses.box_distance_loss(torch.tensor(p), torch.tensor(t), kind=kind)
    slow = [_slow_box_loss(a, b, kind) for a, b in zip(p, t)]
    np.testing.assert_allclose(fast, slow, rtol=1e-9)


@pytest.mark.parametrize("kind", ["giou", "iou", "linear_iou"])
def test_box_loss_of_equal_boxes_is_zero(kind: str) -> None:
    box = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    assert losses.box_distance_loss(box, box, kind=kind).abs().max() < 1e-6


def test_box_loss_unknown_kind() -> None:
    with pytest.raises(ValueError, match="'diou'"):
        losses.box_distance_loss(torch.ones(1, 4), torch.ones(1, 4), kind="diou")


def test_mask_loss() -> None:
    assert losses.mask_bce_loss(torch.zeros(0, 4, 4), torch.zeros(0, 4, 4), ONE) == 0
    logits, target = torch.randn(3, 4, 4), torch.rand(3, 4, 4) > 0.5
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, target.float())
    actual = losses.mask_bce_loss(logits, target, torch.tensor(3.0))
    torch.testing.assert_close(actual, expected)


def test_mask_iou_loss_counts_only_targets_above_zero() -> None:
    prediction, target = torch.tensor([0.5, 9.0, 0.0]), torch.tensor([1.0, 0.0, 0.5])
    loss = losses.mask_iou_loss(prediction, target, torch.tensor(2.0))
    assert float(loss) == pytest.approx(0.5 * (0.25 + 0.25) / 2)
    assert losses.mask_iou_loss(prediction[:0], target[:0], ONE) == 0


@pytest.mark.parametrize("ranks", [[], [0, 0], [6, 0]])
def test_rank_loss_without_ranked_objects(ranks: list[int]) -> None:
    logits = torch.randn(len(ranks), 5, requires_grad=True)
    loss = losses.rank_loss(logits, torch.tensor(ranks, dtype=torch.int64), ONE)
    loss.backward()
    assert loss == 0
    assert not logits.grad.any()


def test_rank_one_is_the_last_column() -> None:
    logits = torch.tensor([[0.0, 0, 0, 0, 50], [50, 0, 0, 0, 0], [9, 9, 9, 9, 9]])
    ranks = torch.tensor([1, 5, 0])
    assert losses.rank_loss(logits, ranks, torch.tensor(2.0)) < 1e-6
    assert losses.rank_loss(logits, torch.tensor([5, 1, 0]), torch.tensor(2.0)) > 1


def test_halves_of_a_batch_average_to_the_whole() -> None:
    """What lets two processes train like one: sums over a shared mean count."""
    logits, ranks = torch.randn(7, 5), torch.tensor([1, 2, 3, 4, 5, 1, 2])
    whole = losses.rank_loss(logits, ranks, torch.tensor(7.0))
    mean_count = torch.tensor(3.5)
    parts = [losses.rank_loss(logits[s], ranks[s], mean_count) for s in (slice(2), slice(2, 7))]
    torch.testing.assert_close(sum(parts) / 2, whole)
