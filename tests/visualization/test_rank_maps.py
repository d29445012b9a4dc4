from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from sor_ppa.visualization import rank_maps
from sor_ppa.visualization.rank_maps import (
    grey_to_rank,
    paint_rank_map,
    rank_greys,
    rank_to_grey,
)

GOLDENS = Path(__file__).parents[1] / "goldens"


@pytest.mark.parametrize(
    "num_ranks, expected",
    [
        (1, [0, 255]),
        (2, [0, 255, 153]),
        (5, [0, 255, 229, 204, 178, 153]),  # those of the ASSR data set
        (8, [0, 255, 240, 225, 211, 196, 182, 167, 153]),
    ],
)
def test_greys(num_ranks: int, expected: list[int]) -> None:
    assert rank_greys(num_ranks).tolist() == expected
    assert rank_greys(num_ranks).dtype == np.uint8


@pytest.mark.parametrize("num_ranks", [1, 2, 3, 5, 8, 50, 103])
def test_greys_differ_and_come_back(num_ranks: int) -> None:
    ranks = np.arange(num_ranks + 1)
    greys = rank_to_grey(ranks, num_ranks)
    assert len(set(greys.tolist())) == num_ranks + 1
    assert (np.diff(greys[1:].astype(int)) < 0).all()
    assert (grey_to_rank(greys, num_ranks) == ranks).all()


@pytest.mark.parametrize("num_ranks", [0, -1, 104])
def test_too_many_or_no_ranks(num_ranks: int) -> None:
    with pytest.raises(ValueError, match="1 ... 103"):
        rank_greys(num_ranks)


def test_rank_to_grey_keeps_shapes() -> None:
    assert rank_to_grey(np.zeros((0,), dtype=int)).shape == (0,)
    assert rank_to_grey(2) == 229 and isinstance(rank_to_grey(2), int)
    assert rank_to_grey(np.array([[0, 1], [5, 3]])).tolist() == [[0, 255], [153, 204]]


@pytest.mark.parametrize("rank", [-1, 6, np.array([1, 9])])
def test_rank_without_grey(rank: int) -> None:
    with pytest.raises(ValueError, match="0 ... 5"):
        rank_to_grey(rank)


@pytest.mark.parametrize(
    "grey, rank",
    [(0, 0), (76, 0), (77, 5), (153, 5), (165, 5), (166, 4), (241, 2), (242, 2), (243, 1)],
)
def test_nearest_rank(grey: int, rank: int) -> None:
    # 242 lies midway between 229 and 255: the darker one wins.
    assert grey_to_rank(grey) == rank


def test_nearest_rank_agrees_with_a_search() -> None:
    greys = [0, 255, 229, 204, 178, 153]
    for grey in range(256):
        best = min(range(6), key=lambda rank: (abs(greys[rank] - grey), greys[rank]))
        assert grey_to_rank(grey) == best


@pytest.mark.parametrize("grey", [-1, 256, np.array([0, 300])])
def test_grey_out_of_range(grey: int) -> None:
    with pytest.raises(ValueError, match="0 ... 255"):
        grey_to_rank(grey)


@pytest.mark.parametrize("drawing", rank_maps.DRAWINGS)
@pytest.mark.parametrize("masks", [[], np.zeros((0, 4, 6), dtype=bool), np.zeros((0,))])
def test_no_object_is_black(drawing: str, masks: np.ndarray) -> None:
    painted = paint_rank_map(masks, [], size_hw=(4, 6), drawing=drawing)
    assert painted.shape == (4, 6) and painted.dtype == np.uint8
    assert not painted.any()


def _slow_paint(masks: np.ndarray, ranks: list[int], size_hw: tuple[int, int]) -> np.ndarray:
    """A pixel has the grey of the smallest ranked object on it, the last of equal ones."""
    canvas = np.zeros(size_hw, dtype=np.uint8)
    areas = [int(mask.sum()) for mask in masks]
    for y in range(size_hw[0]):
        for x in range(size_hw[1]):
            here = [i for i in range(len(ranks)) if masks[i, y, x] and ranks[i] > 0]
            if here:
                top = min(here, key=lambda i: (areas[i], -i))
                canvas[y, x] = [0, 255, 229, 204, 178, 153][ranks[top]]
    return canvas


@pytest.mark.parametrize("seed", range(5))
def test_smaller_objects_lie_on_top(seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = rng.random((6, 9, 7)) < rng.uniform(0.2, 0.9, (6, 1, 1))
    masks[3] = np.roll(masks[2], 1)  # equal areas
    ranks = [3, 0, 1, 5, 2, 4]
    painted = paint_rank_map(masks, ranks, size_hw=(9, 7))
    assert (painted == _slow_paint(masks, ranks, (9, 7))).all()


def test_order_is_by_area_not_by_rank() -> None:
    masks = np.zeros((2, 4, 4), dtype=bool)
    masks[0, :2, :2] = True  # small, rank 5
    masks[1] = True  # large, rank 1
    painted = paint_rank_map(masks, [5, 1], size_hw=(4, 4))
    assert painted[0, 0] == 153 and painted[3, 3] == 255


@pytest.mark.parametrize(
    "masks, ranks, drawing, message",
    [
        (np.ones((2, 4, 4)), [1], "exact", "expected masks of shape"),
        (np.ones((1, 4, 5)), [1], "exact", "expected masks of shape"),
        (np.ones((4, 4)), [1, 2, 3, 4], "exact", "expected masks of shape"),
        (np.ones((1, 4, 4)), [6], "exact", "0 ... 5"),
        (np.ones((1, 4, 4)), [6], "published", "0 ... 5"),
        (np.ones((1, 4, 4)), [1], "cubist", "exact, published"),
    ],
)
def test_paint_refuses(masks: np.ndarray, ranks: list[int], drawing: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        paint_rank_map(masks, ranks, size_hw=(4, 4), drawing=drawing)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDENS / "sor_ppa_full.npz") as arrays:
        names = ("a_drawn_map", "b_drawn_map", "b_out_ranks")
        names += ("b_ranked_index", "b_ranked_masks_packed")
        return {name: arrays[name] for name in names}


def test_published_drawing_bit_for_bit(golden: dict[str, np.ndarray]) -> None:
    height, width = size_hw = golden["b_drawn_map"].shape
    bits = np.unpackbits(golden["b_ranked_masks_packed"], axis=1)[:, : height * width]
    masks = bits.reshape(-1, height, width).astype(bool)
    ranks = 5 - golden["b_out_ranks"][golden["b_ranked_index"]]  # levels 4 ... 0
    painted = paint_rank_map(masks, ranks, size_hw=size_hw, drawing="published")
    assert (painted == golden["b_drawn_map"]).all()
    # These ragged masks are an extreme case: the drawing matters.
    exact = paint_rank_map(masks, ranks, size_hw=size_hw)
    assert (exact != painted).mean() == pytest.approx(0.116, abs=0.001)
    assert np.abs(exact.astype(int) - painted).mean() / 255 == pytest.approx(0.046, abs=0.001)


def test_published_drawing_without_ranks(golden: dict[str, np.ndarray]) -> None:
    masks = np.ones((30, 320, 416), dtype=bool)
    painted = paint_rank_map(masks, [0] * 30, size_hw=(320, 416), drawing="published")
    assert (painted == golden["a_drawn_map"]).all()


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 9), (9, 1), (7, 13), (333, 500), (500, 333)])
def test_published_drawing_keeps_the_size(size_hw: tuple[int, int]) -> None:
    masks = np.ones((1, *size_hw), dtype=bool)
    assert paint_rank_map(masks, [1], size_hw=size_hw, drawing="published").shape == size_hw


def test_published_drawing_fills_holes_and_darkens_outlines() -> None:
    mask = np.zeros((40, 60), dtype=bool)
    mask[10:30, 15:45] = True
    mask[18:22, 28:34] = False
    painted = paint_rank_map(mask[None], [2], size_hw=(40, 60), drawing="published")
    assert painted[20, 31] == 229  # inside the hole
    assert 0 < painted[10, 30] < 229  # on the outline
    assert painted[2, 2] == 0


@pytest.mark.parametrize("module", ["matplotlib", "cv2"])
def test_published_drawing_says_what_it_needs(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = [name for name in sys.modules if name.split(".")[0] == module]
    for name in [module, *loaded]:
        monkeypatch.setitem(sys.modules, name, None)
    masks = np.ones((1, 4, 4), dtype=bool)
    with pytest.raises(ImportError, match="drawing='exact'"):
        paint_rank_map(masks, [1], size_hw=(4, 4), drawing="published")
    assert (paint_rank_map(masks, [1], size_hw=(4, 4)) == 255).all()
