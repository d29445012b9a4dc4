from __future__ import annotations

import numpy as np
import pytest

from sor_ppa.evaluation.map_objects import ranks_by_saliency, split_rank_map
from sor_ppa.visualization.rank_maps import DRAWINGS, paint_rank_map


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (1, 1), (2, 9), (9, 2), (5, 5)])
def test_a_black_map_has_no_object(shape: tuple[int, int]) -> None:
    masks, ranks = split_rank_map(np.zeros(shape, dtype=np.uint8))
    assert masks.shape == (0, *shape) and ranks.shape == (0,)


def _blocks() -> np.ndarray:
    """Three separate blocks in a 60 x 80 picture: bool (3, 60, 80)."""
    masks = np.zeros((3, 60, 80), dtype=bool)
    masks[0, 5:25, 5:25] = True
    masks[1, 30:55, 10:40] = True
    masks[2, 10:40, 50:75] = True
    return masks


@pytest.mark.parametrize("drawing", DRAWINGS)
def test_objects_come_back_in_order(drawing: str) -> None:
    masks = _blocks()
    canvas = paint_rank_map(masks, [2, 3, 1], size_hw=(60, 80), drawing=drawing)
    found, ranks = split_rank_map(canvas)
    assert ranks.tolist() == [1, 2, 3]
    for mask, original in zip(found, masks[[2, 0, 1]], strict=True):
        overlap = (mask & original).sum() / (mask | original).sum()
        assert overlap == 1.0 if drawing == "exact" else overlap > 0.75


def test_mixed_greys_along_an_outline_are_no_objects() -> None:
    canvas = np.zeros((8, 8), dtype=np.uint8)
    canvas[2:6, 2:6] = 90
    canvas[0:2] = np.arange(8)
    canvas[2, 0] = 17  # of mixed grey and alone
    canvas[6, 3] = 40  # of mixed grey and at the object
    masks, ranks = split_rank_map(canvas)
    assert ranks.tolist() == [1]
    expected = canvas == 90
    expected[1, 1:7] = True
    expected[6, 3] = True
    assert (masks[0] == expected).all()


@pytest.mark.parametrize("shape", [(1, 4), (4, 1), (2, 2)])
def test_in_tiny_maps_every_grey_counts(shape: tuple[int, int]) -> None:
    canvas = np.array([0, 255, 9, 9], dtype=np.uint8).reshape(shape)
    masks, ranks = split_rank_map(canvas)
    assert ranks.tolist() == [1, 2] and masks.sum(axis=(1, 2)).tolist() == [1, 2]


@pytest.mark.parametrize("seed", range(5))
def test_flat_greys_agree_with_a_search(seed: int) -> None:
    canvas = np.random.default_rng(seed).choice([0, 1, 2], (12, 13), p=[0.2, 0.4, 0.4])
    canvas = np.kron(canvas, np.ones((2, 2))).astype(np.uint8)
    expected = set()
    for y in range(canvas.shape[0] - 2):
        for x in range(canvas.shape[1] - 2):
            block = canvas[y : y + 3, x : x + 3]
            if block.min() == block.max() > 0:
                expected.add(int(block[0, 0]))
    masks, _ = split_rank_map(canvas)
    greys = sorted(expected, reverse=True)
    assert len(masks) == len(greys)
    for mask, grey in zip(masks, greys, strict=True):
        assert mask[canvas == grey].all()


@pytest.mark.parametrize(
    "means, ranks",
    [
        ([], []),
        ([0], [0]),
        ([9], [1]),
        ([9, 10, 0], [2, 1, 0]),
        ([7, 9, 9, 3], [3, 1, 1, 4]),  # equal means share a rank
    ],
)
def test_ranks_by_saliency(means: list[int], ranks: list[int]) -> None:
    saliency = np.array([means], dtype=np.uint8).reshape(1, -1)
    masks = np.eye(len(means), dtype=bool)[:, None, :]
    assert ranks_by_saliency(saliency, masks).tolist() == ranks


def test_an_empty_object_has_no_rank() -> None:
    masks = np.stack([np.zeros((2, 2), bool), np.ones((2, 2), bool)])
    assert ranks_by_saliency(np.full((2, 2), 5, np.uint8), masks).tolist() == [0, 1]
