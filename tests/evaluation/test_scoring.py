from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from sor_ppa.evaluation.protocols import PROTOCOLS
from sor_ppa.evaluation.scoring import ImageScore, RankedObjects, score_image, summarize_scores
from tests.evaluation.scenes import PLACES, SIZE_HW, rectangle

NAN = math.nan


def _objects(
    places: list[int], ranks: list[int], scores: list[float] | None = None
) -> RankedObjects:
    masks = [rectangle(*PLACES[place]) for place in places]
    return RankedObjects.of(masks, ranks, scores, size_hw=SIZE_HW)


def test_no_object_keeps_the_size() -> None:
    none = RankedObjects.of([], [], size_hw=SIZE_HW)
    assert len(none) == 0 and none.masks.shape == (0, *SIZE_HW) and none.size_hw == SIZE_HW
    assert none.paint(num_ranks=5, drawing="exact").shape == SIZE_HW
    assert none.ranked(5).size_hw == SIZE_HW


@pytest.mark.parametrize(
    "masks, ranks, scores",
    [
        (np.zeros((1, 3, 4)), [1, 2], None),
        (np.zeros((1, 4, 3)), [1], None),
        (np.zeros((1, 3, 4)), [1], [0.1, 0.2]),
    ],
)
def test_arrays_that_do_not_fit(masks: np.ndarray, ranks: list, scores: list | None) -> None:
    with pytest.raises(ValueError, match="need masks"):
        RankedObjects.of(masks, ranks, scores, size_hw=(3, 4))


@pytest.mark.parametrize("num_ranks, ranks", [(None, [1, 7, 2]), (5, [1, 2]), (1, [1]), (0, [])])
def test_ranked(num_ranks: int | None, ranks: list[int]) -> None:
    assert _objects([0, 1, 2, 3], [1, 0, 7, 2]).ranked(num_ranks).ranks.tolist() == ranks


def _score(gt: RankedObjects, pred: RankedObjects, name: str = "ppa") -> ImageScore:
    gt_map, pred_map = (o.paint(num_ranks=5, drawing="exact") for o in (gt, pred))
    return score_image(gt, gt_map, pred, pred_map, protocol=PROTOCOLS[name])


@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_nothing_and_nothing(name: str) -> None:
    score = _score(_objects([], []), _objects([], []), name)
    assert math.isnan(score.rho) and math.isnan(score.sa_sor) and math.isnan(score.top1)
    assert (score.rho_kind, score.sa_sor_kind) == ("none", "none")
    assert score.mae == score.mae_binary == 0
    assert (score.num_gt, score.num_found, score.num_pred) == (0, 0, 0)


def test_unranked_objects_take_no_part() -> None:
    gt, pred = _objects([0, 1, 2], [1, 2, 0]), _objects([0, 1, 2, 3], [1, 2, 0, 9])
    assert _score(gt, pred) == _score(_objects([0, 1], [1, 2]), _objects([0, 1], [1, 2]))


@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_order_in_the_lists_does_not_matter(name: str) -> None:
    gt, pred = _objects([0, 1, 2], [2, 3, 1]), _objects([2, 0, 3], [1, 2, 3], [0.1, 0.2, 0.3])
    turned = [o.select(np.arange(len(o))[::-1]) for o in (gt, pred)]
    first, second = _score(gt, pred, name), _score(*turned, name)
    assert dataclasses.replace(second, sa_sor=first.sa_sor) == first
    assert second.sa_sor == pytest.approx(first.sa_sor)


def test_equal_ranks_go_by_score() -> None:
    gt = _objects([0, 1], [1, 2])
    assert _score(gt, _objects([0, 1], [1, 1], [0.9, 0.1])).top1 == 1
    assert _score(gt, _objects([0, 1], [1, 1], [0.1, 0.9])).top1 == 0


def test_protocols_differ_where_they_should() -> None:
    """A single true object: perfect SOR everywhere; SA-SOR skips it, or has no value."""
    scores = {name: _score(_objects([0], [1]), _objects([0], [1]), name) for name in PROTOCOLS}
    assert {score.rho for score in scores.values()} == {1.0}
    assert {name: score.sa_sor_kind for name, score in scores.items()} == {
        "ppa": "skipped",
        "irsr": "skipped",
        "seqrank": "nan",
    }


def _image(**values: float) -> ImageScore:
    base = ImageScore(1.0, "spearman", 0.5, "pearson", 0.1, 0.2, 1.0, 0.8, 2, 2, 2)
    return dataclasses.replace(base, **values)  # type: ignore[arg-type]


UNDEFINED = {"rho": NAN, "rho_kind": "none", "sa_sor": NAN, "top1": NAN, "ndcg": NAN}


@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_summary_of_no_image(name: str) -> None:
    summary = summarize_scores([], protocol=PROTOCOLS[name])
    undefined = [key for key, value in summary.items() if math.isnan(value)]
    assert undefined == ["SOR", "SA-SOR", "MAE", "MAE_binary", "top1", "nDCG"]
    assert all(value == 0 for value in summary.values() if not math.isnan(value))


def test_summary() -> None:
    scores = [_image(), _image(rho=-0.5, mae=0.3, top1=0.0), _image(**UNDEFINED, num_found=0)]
    summary = summarize_scores(scores, protocol=PROTOCOLS["ppa"])
    expected = {
        "SOR": 0.625,
        "SA-SOR": 0.5,
        "MAE": 0.5 / 3,
        "MAE_binary": 0.2,
        "top1": 0.5,
        "nDCG": 0.8,
        "images": 3,
        "images_used": 2,
        "images_positive": 1,
        "images_sa_sor": 2,
        "images_top1": 2,
        "objects": 6,
        "objects_found": 4,
    }
    assert list(summary) == list(expected)
    assert dict(summary) == pytest.approx(expected)
    zero = summarize_scores(scores, protocol=PROTOCOLS["seqrank"])
    assert zero["SOR"] == pytest.approx((0.5 / 3 + 1) / 2)
    assert zero["SA-SOR"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2]])
def test_of_two_predictions_alike_the_less_salient_is_taken(order: list[int]) -> None:
    """SA-SOR takes "the last" on ties of IoU; the last is that of the largest rank."""
    pred = _objects([0, 0, 1], [1, 3, 2]).select(np.array(order))
    assert _score(_objects([0, 1], [1, 2]), pred).sa_sor == -1
