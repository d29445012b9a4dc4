from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from sor_ppa.evaluation.rank_metrics import mean_with_nan_rule, ranked_order
from sor_ppa.evaluation.ranking import (
    PROTOCOLS,
    greys_of_objects,
    map_mae,
    modal_grey,
    sor_score,
    spearman_rho_of_instances,
    spearman_rho_of_map,
    top1_hit,
)
from tests.evaluation import slow

NAN = math.nan


def _columns(widths: list[int], height: int = 4) -> np.ndarray:
    """Masks that stand side by side, each as wide as asked: bool (R, height, sum of widths)."""
    masks = np.zeros((len(widths), height, sum(widths)), dtype=bool)
    for index, width in enumerate(widths):
        left = sum(widths[:index])
        masks[index, :, left : left + width] = True
    return masks


def _painted(masks: np.ndarray, greys: list[int]) -> np.ndarray:
    canvas = np.zeros(masks.shape[1:], dtype=np.uint8)
    for mask, grey in zip(masks, greys, strict=True):
        canvas[mask] = grey
    return canvas


@pytest.mark.parametrize(
    "values, expected",
    [
        ([], 0),
        ([0, 0], 0),
        ([0, 0, 0, 9], 9),
        ([7, 7, 200, 200, 200], 200),
        ([7, 7, 200, 200], 7),  # a tie: the darker one
        ([255, 1], 1),
    ],
)
def test_mode(values: list[int], expected: int) -> None:
    assert modal_grey(np.array(values, dtype=np.uint8)) == expected


@pytest.mark.parametrize(
    "size, covered, found",
    [(10, 5, False), (10, 6, True), (11, 5, False), (11, 6, True), (1, 0, False), (1, 1, True)],
)
def test_coverage_is_strictly_more_than_half(size: int, covered: int, found: bool) -> None:
    mask = np.ones((1, 1, size), dtype=bool)
    canvas = np.zeros((1, size), dtype=np.uint8)
    canvas[0, :covered] = 178
    assert greys_of_objects(canvas, mask).tolist() == [178 if found else 0]


@pytest.mark.parametrize("covered, found", [(0, False), (4, False), (5, True), (6, True)])
def test_coverage_of_at_least_half(covered: int, found: bool) -> None:
    protocol = dataclasses.replace(PROTOCOLS["ppa"], coverage_strict=False)
    canvas = np.zeros((1, 10), dtype=np.uint8)
    canvas[0, :covered] = 178
    mask = np.ones((1, 1, 10), dtype=bool)
    assert bool(greys_of_objects(canvas, mask, protocol=protocol)[0]) is found


def test_an_empty_mask_is_not_found() -> None:
    canvas = np.full((2, 2), 255, dtype=np.uint8)
    assert greys_of_objects(canvas, np.zeros((1, 2, 2), dtype=bool)).tolist() == [0]


@pytest.mark.parametrize(
    "ranks, greys, rho, kind, used",
    [
        ([], [], NAN, "none", ()),
        ([1], [0], NAN, "none", ()),
        ([0, 0], [255, 229], NAN, "none", ()),
        ([1], [153], 1.0, "single", (0,)),
        ([1, 2], [0, 229], 1.0, "single", (1,)),
        ([1, 2], [255, 229], 1.0, "spearman", (0, 1)),
        ([1, 2], [229, 255], -1.0, "spearman", (0, 1)),
        ([2, 1], [229, 255], 1.0, "spearman", (0, 1)),
        ([1, 2, 3], [200, 200, 200], NAN, "nan", (0, 1, 2)),
        ([1, 1], [255, 229], NAN, "nan", (0, 1)),  # the true ranks are constant
        ([0, 1, 2], [255, 229, 204], 1.0, "spearman", (1, 2)),
        ([1, 2, 3, 4], [255, 229, 178, 204], 0.8, "spearman", (0, 1, 2, 3)),
    ],
)
def test_rho_of_map(
    ranks: list[int], greys: list[int], rho: float, kind: str, used: tuple[int, ...]
) -> None:
    masks = _columns([3] * len(ranks)) if ranks else np.zeros((0, 4, 3), dtype=bool)
    found = spearman_rho_of_map(_painted(masks, greys), masks, ranks)
    assert found.rho == pytest.approx(rho, abs=1e-12, nan_ok=True)
    assert (found.kind, found.used) == (kind, used)


@pytest.mark.parametrize("seed", range(20))
def test_rho_of_map_agrees_with_the_slow_version(seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = rng.random((5, 6, 7)) < 0.4
    canvas = rng.choice([0, 0, 153, 178, 255], (6, 7)).astype(np.uint8)
    ranks = [1, 2, 0, 3, 4]
    rho, kind, used = slow.rho_of_map(canvas, masks, ranks)
    found = spearman_rho_of_map(canvas, masks, ranks)
    assert found.rho == pytest.approx(rho, abs=1e-12, nan_ok=True)
    assert (found.kind, list(found.used)) == (kind, used)


@pytest.mark.parametrize(
    "canvas",
    [np.zeros((4, 4)), np.zeros((4, 4, 3), dtype=np.uint8), np.zeros((3, 4), dtype=np.uint8)],
)
def test_rho_of_map_refuses(canvas: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"\(H, W\)"):
        spearman_rho_of_map(canvas, np.ones((1, 4, 4), dtype=bool), [1])


@pytest.mark.parametrize(
    "rhos, rule, sor, used, positive",
    [
        ([], "drop", NAN, 0, 0),
        ([], "zero", NAN, 0, 0),
        ([NAN, NAN], "drop", NAN, 0, 0),
        ([NAN, NAN], "zero", 0.5, 0, 0),
        ([1.0], "drop", 1.0, 1, 1),
        ([-1.0], "drop", 0.0, 1, 0),
        ([1.0, 0.0, NAN], "drop", 0.75, 2, 1),
        ([1.0, 0.0, NAN, NAN], "zero", 0.625, 2, 1),
    ],
)
def test_sor(rhos: list[float], rule: str, sor: float, used: int, positive: int) -> None:
    protocol = dataclasses.replace(PROTOCOLS["ppa"], sor_nan=rule)
    score = sor_score(rhos, protocol=protocol)
    assert score.sor == pytest.approx(sor, abs=1e-12, nan_ok=True)
    assert (score.images_used, score.positive) == (used, positive)


def test_unknown_nan_rule() -> None:
    with pytest.raises(ValueError, match="'drop' or 'zero'"):
        mean_with_nan_rule([1.0], "ignore")


def test_mean_does_not_depend_on_the_order() -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(-1, 1, 1000) * 10.0 ** rng.integers(-12, 3, 1000)
    means = {mean_with_nan_rule(rng.permutation(values), "drop") for _ in range(20)}
    assert len(means) == 1


@pytest.mark.parametrize(
    "iou, gt_ranks, pred_ranks, rho, kind, used",
    [
        (np.zeros((0, 0)), [], [], NAN, "none", ()),
        (np.zeros((2, 0)), [1, 2], [], NAN, "none", ()),
        ([[0.5]], [1], [1], NAN, "none", ()),  # strictly more than 0.5 is wanted
        ([[0.51]], [1], [1], 1.0, "single", (0,)),
        ([[0.9, 0], [0, 0.9]], [1, 2], [1, 2], 1.0, "spearman", (0, 1)),
        ([[0.9, 0], [0, 0.9]], [1, 2], [2, 1], -1.0, "spearman", (0, 1)),
        ([[0.9, 0], [0, 0.9]], [2, 1], [2, 1], 1.0, "spearman", (1, 0)),
        # The first prediction that overlaps counts, not the best one; and it may be taken twice.
        ([[0.6, 0.9], [0.6, 0.0]], [1, 2], [1, 2], NAN, "nan", (0, 1)),
        ([[0.6, 0.9], [0.6, 0.0]], [1, 2], [2, 1], 1.0, "spearman", (0, 1)),
        # Objects without a rank take no part.
        ([[0.9, 0], [0, 0.9]], [1, 0], [1, 2], 1.0, "single", (0,)),
        ([[0.9, 0], [0, 0.9]], [1, 2], [0, 1], 1.0, "single", (1,)),
    ],
)
def test_rho_of_instances(
    iou: np.ndarray,
    gt_ranks: list[int],
    pred_ranks: list[int],
    rho: float,
    kind: str,
    used: tuple[int, ...],
) -> None:
    found = spearman_rho_of_instances(np.asarray(iou), gt_ranks, pred_ranks)
    assert found.rho == pytest.approx(rho, abs=1e-12, nan_ok=True)
    assert (found.kind, found.used) == (kind, used)


@pytest.mark.parametrize(
    "pred, gt, mae, binary",
    [
        ([[0]], [[0]], 0.0, 0.0),
        ([[255]], [[0]], 1.0, 1.0),
        ([[255, 0]], [[0, 255]], 1.0, 1.0),
        ([[51, 0]], [[0, 0]], 0.1, 0.5),
        ([[1, 200]], [[2, 255]], 56 / 510, 0.0),
    ],
)
def test_mae(pred: list, gt: list, mae: float, binary: float) -> None:
    pair = np.array(pred, dtype=np.uint8), np.array(gt, dtype=np.uint8)
    assert map_mae(*pair) == pytest.approx(mae, abs=1e-7)
    assert map_mae(*pair, binary=True) == pytest.approx(binary, abs=1e-7)


def test_mae_of_no_pixel_is_undefined() -> None:
    assert math.isnan(map_mae(np.zeros((0, 3), np.uint8), np.zeros((0, 3), np.uint8)))


@pytest.mark.parametrize(
    "pred, gt",
    [
        (np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8)),
        (np.zeros((2, 3)), np.zeros((2, 3), np.uint8)),
        (np.zeros((2, 3), np.uint8), np.zeros((2, 3), bool)),
        (np.zeros((2, 3, 1), np.uint8), np.zeros((2, 3, 1), np.uint8)),
    ],
)
def test_mae_refuses(pred: np.ndarray, gt: np.ndarray) -> None:
    with pytest.raises(ValueError, match="map"):
        map_mae(pred, gt)


@pytest.mark.parametrize(
    "iou, gt_ranks, pred_ranks, scores, hit",
    [
        (np.zeros((0, 0)), [], [], None, NAN),
        (np.zeros((0, 1)), [], [1], None, NAN),
        ([[0.9]], [0], [1], None, NAN),  # no ranked true object
        (np.zeros((1, 0)), [1], [], None, 0.0),
        ([[0.9]], [1], [0], None, 0.0),  # no ranked prediction
        ([[0.5]], [1], [1], None, 1.0),  # exactly 0.5 is enough
        ([[0.49]], [1], [1], None, 0.0),
        ([[0.9, 0], [0, 0.9]], [1, 2], [2, 1], None, 0.0),
        ([[0.9, 0], [0, 0.9]], [2, 3], [4, 7], None, 1.0),  # only the order counts
        ([[0.9, 0], [0, 0.9]], [1, 1], [2, 1], None, 1.0),  # either of two true tops
        ([[0.9, 0], [0, 0.9]], [1, 2], [1, 1], None, 1.0),  # the first of two predicted tops
        ([[0.9, 0], [0, 0.9]], [1, 2], [1, 1], [0.2, 0.3], 0.0),  # the one with the higher score
    ],
)
def test_top1(
    iou: np.ndarray, gt_ranks: list, pred_ranks: list, scores: list | None, hit: float
) -> None:
    found = top1_hit(np.asarray(iou), gt_ranks, pred_ranks, scores)
    assert found == pytest.approx(hit, nan_ok=True)


def test_top1_of_a_strict_protocol() -> None:
    assert top1_hit(np.array([[0.5]]), [1], [1], protocol=PROTOCOLS["seqrank"]) == 0.0


@pytest.mark.parametrize("ranks, order", [([], []), ([0, 0], []), ([3, 0, 1, 3, 1], [2, 4, 0, 3])])
def test_ranked_order(ranks: list[int], order: list[int]) -> None:
    assert ranked_order(ranks).tolist() == order
