"""Derived ranks against slow, obvious versions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sor_ppa.data.derived.ranks import (
    fixation_scores,
    map_shares,
    object_mass,
    prior_score,
    rank_by_fixations,
    rank_by_map,
    rank_by_prior,
    scores_to_ranks,
)

H, W = 12, 16


def box(y1: int, y2: int, x1: int, x2: int) -> np.ndarray:
    mask = np.zeros((H, W), bool)
    mask[y1:y2, x1:x2] = True
    return mask


@pytest.mark.parametrize(
    ("scores", "top", "ranks"),
    [
        ([], 5, []),
        ([0.0], 5, [0]),
        ([0.3], 5, [1]),
        ([0.1, 0.5, 0.3], 5, [3, 1, 2]),
        ([0.1, 0.5, 0.3], 2, [0, 1, 2]),
        ([0.1, 0.5, 0.3], 0, [3, 1, 2]),
        ([0.5, 0.5, 0.5], 5, [1, 2, 3]),
        ([-1.0, 0.0, 2.0], 5, [0, 0, 1]),
        ([math.nan, 1.0, math.inf], 5, [0, 2, 1]),
        ([1, 2, 3, 4, 5, 6, 7], 5, [0, 0, 5, 4, 3, 2, 1]),
    ],
)
def test_ranks_of_scores(scores: list[float], top: int, ranks: list[int]) -> None:
    found = scores_to_ranks(scores, top=top)
    assert found.dtype == np.int64
    assert found.tolist() == ranks


@given(st.lists(st.floats(-2, 2), max_size=12), st.integers(0, 6))
def test_ranks_of_scores_slowly(scores: list[float], top: int) -> None:
    wanted = [0] * len(scores)
    left = [index for index, score in enumerate(scores) if score > 0]
    for rank in range(1, (top or len(scores)) + 1):
        if left:
            best = max(left, key=lambda index: (scores[index], -index))
            wanted[best] = rank
            left.remove(best)
    assert scores_to_ranks(scores, top=top).tolist() == wanted


def test_mass_is_the_mean_inside() -> None:
    saliency = np.random.default_rng(0).integers(0, 256, (H, W), dtype=np.uint8)
    mask = box(2, 7, 3, 11)
    values = [int(saliency[y, x]) for y in range(2, 7) for x in range(3, 11)]
    assert object_mass(saliency, mask) == pytest.approx(sum(values) / 40)
    assert object_mass(saliency, mask, statistic="sum") == pytest.approx(sum(values))
    assert object_mass(saliency, np.zeros((H, W), bool)) == 0.0


def test_mass_refuses_nonsense() -> None:
    with pytest.raises(ValueError, match="differ in size"):
        object_mass(np.zeros((H, W)), np.zeros((W, H), bool))
    with pytest.raises(ValueError, match="or 'max', got 'median'"):
        object_mass(np.zeros((H, W)), box(0, 1, 0, 1), statistic="median")


def test_rank_by_map() -> None:
    assert rank_by_map(np.zeros((H, W)), []).tolist() == []
    masks = [box(0, 4, 0, 4), box(4, 8, 4, 8), box(8, 12, 8, 16)]
    saliency = 0.2 * masks[0] + 0.9 * masks[1]
    assert rank_by_map(saliency, masks).tolist() == [2, 1, 0]
    # By sum the larger of two objects gains.
    assert rank_by_map(0.3 * masks[0] + 0.2 * masks[2], masks, statistic="sum").tolist() == [
        2,
        0,
        1,
    ]


def slow_fixation_scores(observers: list[np.ndarray], masks: list[np.ndarray]) -> list[float]:
    total = [0.0] * len(masks)
    counted = 0
    for points in observers:
        if len(points) == 0:
            continue
        counted += 1
        order: list[int] = []
        for x, y, *_ in points:
            if not (math.isfinite(x) and math.isfinite(y)):
                continue
            column, row = math.floor(x), math.floor(y)
            if not (0 <= column < W and 0 <= row < H):
                continue
            under = [index for index, mask in enumerate(masks) if mask[row, column]]
            if under:
                # The smallest; of equal ones the last, which is drawn on top.
                smallest = min(masks[index].sum() for index in under)
                chosen = [index for index in under if masks[index].sum() == smallest][-1]
                if chosen not in order:
                    order.append(chosen)
        for place, index in enumerate(order):
            total[index] += (len(masks) - place) / len(masks)
    return [value / counted if counted else 0.0 for value in total]


@given(st.integers(0, 2**32 - 1), st.integers(0, 5), st.integers(0, 4))
def test_fixation_scores_slowly(seed: int, objects: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    masks = []
    for _ in range(objects):
        y, x = rng.integers(0, H - 3), rng.integers(0, W - 3)
        masks.append(box(y, y + rng.integers(2, 9), x, x + rng.integers(2, 9)))
    observers = [
        np.column_stack([rng.uniform(-2, W + 2, n), rng.uniform(-2, H + 2, n), rng.random(n)])
        for n in rng.integers(0, 7, count)
    ]
    if observers and len(observers[0]):
        observers[0][0, 0] = math.nan
    found = fixation_scores(observers, masks)
    np.testing.assert_allclose(found, slow_fixation_scores(observers, masks), atol=1e-12)
    assert ((found >= 0) & (found <= 1)).all()


def test_rank_by_fixations() -> None:
    masks = [box(0, 4, 0, 4), box(4, 8, 4, 8), box(8, 12, 8, 16)]
    first, second = [2.0, 2.0], [5.5, 6.9]
    nowhere = [15.0, 0.0]
    observers = [np.array(p) for p in ([second, first], [nowhere, second, first], [first, second])]
    scores = fixation_scores(observers, masks)
    np.testing.assert_allclose(scores, [(2 / 3 + 2 / 3 + 1) / 3, (1 + 1 + 2 / 3) / 3, 0])
    assert rank_by_fixations(observers, masks).tolist() == [2, 1, 0]
    assert rank_by_fixations([], masks).tolist() == [0, 0, 0]
    assert rank_by_fixations([np.zeros((0, 2))], masks).tolist() == [0, 0, 0]
    assert rank_by_fixations(observers, []).tolist() == []


def test_later_looks_do_not_count() -> None:
    masks = [box(0, 4, 0, 4), box(4, 8, 4, 8)]
    once = [np.array([[1, 1], [5, 5]])]
    often = [np.array([[1, 1], [5, 5], [5, 6], [5, 7], [1, 2], [6, 6]])]
    np.testing.assert_array_equal(fixation_scores(once, masks), fixation_scores(often, masks))


def test_point_on_two_objects_belongs_to_the_smaller() -> None:
    masks = [box(0, 12, 0, 16), box(2, 4, 2, 4)]
    assert fixation_scores([np.array([[3.0, 3.0]])], masks).tolist() == [0.0, 1.0]


def slow_prior(mask: np.ndarray, sigma: float) -> float:
    pixels = [(y, x) for y in range(H) for x in range(W) if mask[y, x]]
    if not pixels:
        return 0.0
    dy = sum(y + 0.5 for y, _ in pixels) / len(pixels) / H - 0.5
    dx = sum(x + 0.5 for _, x in pixels) / len(pixels) / W - 0.5
    centre = math.exp(-(dx**2 + dy**2) / (2 * sigma**2))
    return math.sqrt(len(pixels) / (H * W)) * centre


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 2))
def test_prior_slowly(seed: int, sigma: float) -> None:
    mask = np.random.default_rng(seed).random((H, W)) < 0.3
    assert prior_score(mask, sigma=sigma) == pytest.approx(slow_prior(mask, sigma))


def test_prior_likes_large_and_central() -> None:
    assert prior_score(np.ones((H, W), bool)) == pytest.approx(1.0)
    small, corner, central = box(5, 7, 7, 9), box(0, 4, 0, 4), box(4, 8, 6, 10)
    nothing = np.zeros((H, W), bool)
    assert rank_by_prior([small, corner, central, nothing]).tolist() == [2, 3, 1, 0]
    assert rank_by_prior([small, corner, central], top=1).tolist() == [0, 0, 1]
    assert rank_by_prior([]).tolist() == []


def test_the_largest_value_inside() -> None:
    saliency = np.arange(H * W, dtype=float).reshape(H, W)
    mask = box(0, 2, 0, 3)
    assert object_mass(saliency, mask, statistic="max") == saliency[1, 2]
    assert object_mass(saliency, np.zeros((H, W), bool), statistic="max") == 0


@pytest.mark.parametrize("factor", [1.0, 1e-7])
def test_shares_of_a_map(factor: float) -> None:
    saliency = np.ones((H, W)) * factor
    masks = [box(0, H, 0, W), box(0, H, 0, W // 4), np.zeros((H, W), bool)]
    assert map_shares(saliency, masks).tolist() == pytest.approx([1, 0.25, 0])
    assert map_shares(saliency * 0, masks).tolist() == [0, 0, 0]
    assert map_shares(saliency, []).shape == (0,)
