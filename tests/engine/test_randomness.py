from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from sor_ppa.engine.randomness import seed_everything


def _draw(*numbers: int) -> tuple[float, float, float]:
    seed_everything(*numbers)
    return random.random(), float(np.random.rand()), torch.rand(()).item()


@pytest.mark.parametrize("numbers", [(0,), (5, 1, 0, 0), (2**31, 2, 10**9)])
def test_the_same_numbers_give_the_same_draws(numbers: tuple[int, ...]) -> None:
    first = _draw(*numbers)
    random.random(), np.random.rand(3), torch.rand(3)
    assert _draw(*numbers) == first


def test_every_number_counts_for_every_generator() -> None:
    seeds = [(1, 0, 0), (2, 0, 0), (1, 1, 0), (1, 0, 1), (0, 1, 0), (1, 0, 0, 1)]
    for draws in zip(*(_draw(*seed) for seed in seeds)):
        assert len(set(draws)) == len(seeds)


def test_seeds_are_not_correlated() -> None:
    """Neighbouring iterations must not see similar noise."""
    draws = np.array([_draw(7, 1, i) for i in range(500)])
    for column in draws.T:
        assert abs(np.corrcoef(column[:-1], column[1:])[0, 1]) < 0.15
        assert 0.4 < column.mean() < 0.6
