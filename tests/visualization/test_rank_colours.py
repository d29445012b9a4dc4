from __future__ import annotations

import itertools

import pytest

from sor_ppa.errors import ConfigError
from sor_ppa.visualization.rank_colours import UNRANKED_RGB, is_light, rank_colour


def luma(rgb: tuple[int, int, int]) -> float:
    return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]


@pytest.mark.parametrize("num_ranks", [1, 2, 3, 5, 8])
def test_colours_get_darker_with_the_rank(num_ranks: int) -> None:
    colours = [rank_colour(rank, num_ranks=num_ranks) for rank in range(1, num_ranks + 1)]
    assert len(set(colours)) == num_ranks
    assert colours[0] == rank_colour(1)
    lumas = [luma(colour) for colour in colours]
    assert all(a - b > 5 for a, b in itertools.pairwise(lumas))
    assert all(0 <= channel <= 255 for colour in colours for channel in colour)


def test_last_rank_is_the_end_of_the_ramp() -> None:
    assert rank_colour(5) == rank_colour(3, num_ranks=3) == rank_colour(9, num_ranks=9)


def test_unranked_is_grey() -> None:
    assert rank_colour(0) == UNRANKED_RGB and len(set(UNRANKED_RGB)) == 1


@pytest.mark.parametrize(("rank", "num_ranks"), [(-1, 5), (6, 5), (2, 1)])
def test_ranks_without_colour(rank: int, num_ranks: int) -> None:
    with pytest.raises(ConfigError, match="num_ranks"):
        rank_colour(rank, num_ranks=num_ranks)


def test_ink() -> None:
    assert is_light((255, 255, 255)) and is_light(rank_colour(1))
    assert not is_light((0, 0, 0)) and not is_light(rank_colour(5))
