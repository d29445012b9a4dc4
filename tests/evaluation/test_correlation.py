from __future__ import annotations

import math

import numpy as np
import pytest

from sor_ppa.evaluation.correlation import average_ranks, is_constant, pearson, spearman
from tests.evaluation import slow


@pytest.mark.parametrize(
    "values, expected",
    [([], []), ([7], [1]), ([3, 1, 2], [3, 1, 2]), ([5, 5, 1], [2.5, 2.5, 1])],
)
def test_average_ranks(values: list[float], expected: list[float]) -> None:
    assert average_ranks(np.array(values)).tolist() == expected


@pytest.mark.parametrize(
    "x, y, expected",
    [
        ([], [], math.nan),
        ([1], [2], math.nan),
        ([1, 1], [1, 2], math.nan),
        ([1, 2], [3, 3], math.nan),
        ([0.1, 0.1, 0.1], [1, 2, 3], math.nan),  # the mean of these is not exactly 0.1
        ([1, 2], [10, 20], 1.0),
        ([1, 2, 3], [3, 2, 1], -1.0),
        ([1, 2, 3, 4], [1, 2, 4, 3], 0.8),
    ],
)
def test_pearson(x: list[float], y: list[float], expected: float) -> None:
    assert pearson(np.array(x), np.array(y)) == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_both_agree_with_slow_versions() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        x, y = rng.integers(0, 5, (2, rng.integers(2, 7)))
        expected = slow.pearson(x.tolist(), y.tolist())
        assert pearson(x, y) == pytest.approx(expected, abs=1e-12, nan_ok=True)
        assert average_ranks(x).tolist() == slow.average_ranks(x.tolist())
        expected = slow.pearson(slow.average_ranks(x.tolist()), slow.average_ranks(y.tolist()))
        assert spearman(x, y) == pytest.approx(expected, abs=1e-12, nan_ok=True)
        assert not spearman(x, x) > 1


@pytest.mark.parametrize(
    "values, expected", [([], True), ([3], True), ([3, 3], True), ([3, 4], False)]
)
def test_is_constant(values: list[float], expected: bool) -> None:
    assert is_constant(np.array(values)) is expected
