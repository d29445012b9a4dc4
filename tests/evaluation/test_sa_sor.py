from __future__ import annotations

import math

import numpy as np
import pytest

from sor_ppa.evaluation.ranking import (
    PROTOCOLS,
    mask_iou,
    match_greedy,
    match_hungarian,
    sa_sor_of_image,
    sa_sor_score,
)
from tests.evaluation import slow

NAN = math.nan
HIT, MISS = 0.9, 0.1


@pytest.mark.parametrize("num_gt, num_pred", [(0, 0), (0, 2), (2, 0), (3, 2)])
def test_mask_iou_shapes(num_gt: int, num_pred: int) -> None:
    iou = mask_iou(np.zeros((num_gt, 3, 4), bool), np.zeros((num_pred, 3, 4), bool))
    assert iou.shape == (num_gt, num_pred) and iou.dtype == np.float64
    assert not iou.any()  # empty masks overlap nothing


def test_mask_iou_agrees_with_counting() -> None:
    rng = np.random.default_rng(0)
    gt, pred = rng.random((3, 5, 6)) < 0.5, rng.random((4, 5, 6)) < 0.3
    expected = [[slow.iou(a, b) for b in pred] for a in gt]
    assert mask_iou(gt, pred).tolist() == expected


@pytest.mark.parametrize(
    "iou, matches",
    [
        (np.zeros((0, 0)), []),
        (np.zeros((0, 2)), []),
        (np.zeros((2, 0)), [-1, -1]),
        ([[0.5]], [0]),  # exactly 0.5 matches
        ([[np.nextafter(0.5, 0)]], [-1]),
        ([[0.6, 0.8]], [1]),
        ([[0.8, 0.8]], [1]),  # step 2, a tie: the last prediction
        ([[0.0, 0.0]], [-1]),
        ([[0.9, 0.6], [0.8, 0.6]], [0, -1]),  # step 3: no second choice for the second object
        ([[0.8, 0.6], [0.9, 0.6]], [-1, 0]),
        ([[0.8], [0.8]], [0, -1]),  # step 3, a tie: the first object
        ([[0.7, 0.7], [0.7, 0.7]], [1, -1]),  # both ties at once
        ([[0.9, 0.1], [0.4, 0.2]], [0, -1]),  # a taker below the threshold is none
        ([[0.4], [0.3]], [-1, -1]),
    ],
)
def test_greedy_matching(iou: np.ndarray, matches: list[int]) -> None:
    assert match_greedy(np.asarray(iou, dtype=float)).tolist() == matches


@pytest.mark.parametrize(
    "iou, matches",
    [
        (np.zeros((0, 0)), []),
        (np.zeros((0, 2)), []),
        (np.zeros((2, 0)), [-1, -1]),
        ([[0.5]], [-1]),  # strictly more than 0.5
        ([[0.51]], [0]),
        ([[0.9, 0.6], [0.8, 0.0]], [1, 0]),  # the best sum, not the best pair
        ([[0.9, 0.4], [0.8, 0.0]], [-1, 0]),  # a pair of that sum overlaps too little
        ([[0.9], [0.8]], [0, -1]),
    ],
)
def test_hungarian_matching(iou: np.ndarray, matches: list[int]) -> None:
    assert match_hungarian(np.asarray(iou, dtype=float)).tolist() == matches


def _diagonal(num_gt: int, num_pred: int) -> np.ndarray:
    """Object i is found by prediction i, as far as there are any."""
    iou = np.full((num_gt, num_pred), MISS)
    np.fill_diagonal(iou, HIT)
    return iou


@pytest.mark.parametrize(
    "iou, levels, scores, value, kind",
    [
        (np.zeros((0, 0)), [], [], NAN, "none"),
        (np.zeros((0, 2)), [], [1, 2], NAN, "none"),
        # 1: one true object
        (_diagonal(1, 1), [1], [0.4], NAN, "skipped"),
        (_diagonal(1, 0), [1], [], NAN, "skipped"),
        # 7: no prediction at all
        (_diagonal(3, 0), [3, 2, 1], [], 0.0, "constant"),
        # 5: the order counts, not the numbers
        (_diagonal(3, 3), [3, 2, 1], [0.9, 0.8, 0.1], 1.0, "pearson"),
        (_diagonal(3, 3), [3, 2, 1], [1, 2, 3], -1.0, "pearson"),
        # 5: unmatched objects get 0
        (_diagonal(3, 2), [3, 2, 1], [0.9, 0.8], 1.0, "pearson"),
        (_diagonal(3, 2), [1, 2, 3], [0.8, 0.9], -0.5, "pearson"),
        # 5: ties share the lowest number: (1, 1, 3) against (1, 2, 3)
        (_diagonal(3, 3), [1, 2, 3], [5, 5, 7], math.sqrt(3) / 2, "pearson"),
        # 4: more predictions than objects: the surplus one shifts (2, 3, 1) to (2, 4, 1)
        (_diagonal(3, 4), [2, 3, 1], [0.5, 0.9, 0.1, 0.7], 1.5 / math.sqrt(7 / 3), "pearson"),
        # 4: as many predictions as objects: unmatched ones are ignored, (0, 1, 2) not (0, 1, 3)
        ([[MISS] * 3, [HIT, MISS, MISS], [MISS, HIT, MISS]], [1, 2, 3], [1, 3, 2], 1.0, "pearson"),
        # 4: the same with one object less has a surplus: (1, 3)
        ([[HIT, MISS, MISS], [MISS, HIT, MISS]], [1, 2], [1, 3, 2], 1.0, "pearson"),
        # 7: all predictions equal
        (_diagonal(2, 2), [2, 1], [0.5, 0.5], 0.0, "constant"),
        # 7: constant truth only: not counted
        (_diagonal(2, 2), [1, 1], [0.5, 0.6], NAN, "nan"),
        # 7: both constant: the prediction is looked at first
        (_diagonal(2, 2), [1, 1], [0.5, 0.5], 0.0, "constant"),
        (_diagonal(2, 0), [1, 1], [], 0.0, "constant"),
        # 2: exactly 0.5 matches
        ([[0.5, 0.0], [0.0, 0.5]], [1, 2], [1, 2], 1.0, "pearson"),
        # 3: of two objects on one prediction the better keeps it
        ([[0.6, 0.0], [0.8, 0.0]], [1, 2], [1, 2], 1.0, "pearson"),
        ([[0.8, 0.0], [0.6, 0.0]], [1, 2], [1, 2], -1.0, "pearson"),
    ],
)
def test_sa_sor_by_its_steps(
    iou: np.ndarray, levels: list, scores: list, value: float, kind: str
) -> None:
    found = sa_sor_of_image(np.asarray(iou), levels, scores)
    assert found.value == pytest.approx(value, abs=1e-12, nan_ok=True)
    assert found.kind == kind
    assert len(found.matches) == len(levels)
    expected = slow.sa_sor(np.asarray(iou).tolist(), levels, list(scores))
    assert found.value == pytest.approx(expected, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("seed", range(200))
def test_sa_sor_agrees_with_the_slow_version(seed: int) -> None:
    rng = np.random.default_rng(seed)
    num_gt, num_pred = rng.integers(0, 5), rng.integers(0, 7)
    iou = rng.choice([0.0, 0.3, 0.5, 0.5, 0.7, 0.9], (num_gt, num_pred))  # many ties
    levels = rng.integers(1, 4, num_gt)
    scores = rng.integers(1, 5, num_pred).astype(float)
    found = sa_sor_of_image(iou, levels, scores).value
    expected = slow.sa_sor(iou.tolist(), levels.tolist(), scores.tolist())
    assert found == pytest.approx(expected, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize(
    "iou, levels, scores, value, kind",
    [
        (np.zeros((0, 0)), [], [], NAN, "none"),
        (_diagonal(1, 1), [1], [1], NAN, "nan"),  # counted, as 0 in the mean
        (_diagonal(3, 0), [3, 2, 1], [], NAN, "nan"),
        (_diagonal(3, 3), [3, 2, 1], [9, 8, 1], 1.0, "pearson"),
        # Places in the whole list: the unmatched third prediction lies between: (3, 1), not (2, 1).
        (_diagonal(2, 3), [2, 1], [9, 1, 5], 1.0, "pearson"),
        # ... (1, 2, 4) against (1, 2, 3)
        (_diagonal(3, 4), [1, 2, 3], [1, 2, 9, 5], 3 / math.sqrt(2 * 14 / 3), "pearson"),
        # Equal scores stand in the order of the list.
        (_diagonal(2, 2), [2, 1], [5, 5], 1.0, "pearson"),
        ([[0.5, 0], [0, 0.5]], [2, 1], [2, 1], NAN, "nan"),  # exactly 0.5 is no match
    ],
)
def test_sa_sor_of_seqrank(
    iou: np.ndarray, levels: list, scores: list, value: float, kind: str
) -> None:
    found = sa_sor_of_image(np.asarray(iou), levels, scores, protocol=PROTOCOLS["seqrank"])
    assert found.value == pytest.approx(value, abs=1e-12, nan_ok=True)
    assert found.kind == kind


@pytest.mark.parametrize(
    "values, irsr, seqrank",
    [
        ([], NAN, NAN),
        ([NAN], NAN, 0.0),
        ([0.5, NAN], 0.5, 0.25),
        ([-1.0, 1.0, 0.0], 0.0, 0.0),
    ],
)
def test_mean_over_images(values: list[float], irsr: float, seqrank: float) -> None:
    assert sa_sor_score(values) == pytest.approx(irsr, nan_ok=True)
    protocol = PROTOCOLS["seqrank"]
    assert sa_sor_score(values, protocol=protocol) == pytest.approx(seqrank, nan_ok=True)


def test_same_output_scores_lower_under_seqrank() -> None:
    """Single-object images are skipped by one protocol and count as 0 in the other."""
    images = [(_diagonal(1, 1), [1], [1]), (_diagonal(2, 2), [2, 1], [9, 8])]
    scores = {}
    for name in ("irsr", "seqrank"):
        protocol = PROTOCOLS[name]
        values = [sa_sor_of_image(*image, protocol=protocol).value for image in images]
        scores[name] = sa_sor_score(values, protocol=protocol)
    assert scores == {"irsr": 1.0, "seqrank": 0.5}
