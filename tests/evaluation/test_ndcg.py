from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest

from sor_ppa.evaluation.ndcg import ndcg_of_map


def _scene(greys: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """One pixel an object: (map (1, R), masks (R, 1, R))."""
    count = len(greys)
    return np.array([greys], dtype=np.uint8), np.eye(count, dtype=bool)[:, None, :]


@pytest.mark.parametrize(
    "greys, ranks, expected",
    [
        ([], [], math.nan),
        ([255], [0], math.nan),
        ([255], [6], math.nan),  # no such rank among five
        ([255], [1], 1.0),
        ([0], [1], 0.0),
        ([255, 229], [1, 2], 1.0),
        ([0, 0], [1, 2], 0.0),
        ([255, 100, 9], [1, 0, 2], 1.0),  # objects without a rank take no part
    ],
)
def test_ndcg(greys: list[int], ranks: list[int], expected: float) -> None:
    canvas, masks = _scene(greys)
    masks = masks if greys else np.zeros((0, 1, 1), dtype=bool)
    canvas = canvas if greys else np.zeros((1, 1), dtype=np.uint8)
    assert ndcg_of_map(canvas, masks, ranks) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("gain", ["linear", "exponential"])
def test_ndcg_of_a_swap(gain: str) -> None:
    canvas, masks = _scene([229, 255])
    high, low = (5, 4) if gain == "linear" else (31, 15)
    expected = (low + high / math.log2(3)) / (high + low / math.log2(3))
    assert ndcg_of_map(canvas, masks, [1, 2], gain=gain) == pytest.approx(expected)


def test_ties_get_the_mean_over_all_orders() -> None:
    canvas, masks = _scene([200, 200, 200])
    values = []
    for order in permutations([250, 200, 150]):
        values.append(ndcg_of_map(_scene(list(order))[0], masks, [1, 2, 4]))
    assert ndcg_of_map(canvas, masks, [1, 2, 4]) == pytest.approx(np.mean(values))


def test_unknown_gain() -> None:
    canvas, masks = _scene([1])
    with pytest.raises(ValueError, match="'linear' or 'exponential'"):
        ndcg_of_map(canvas, masks, [1], gain="square")
