from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from sor_ppa.evaluation.coco_ap import METRICS, coco_scores
from sor_ppa.evaluation.rle import encode_masks
from tests.evaluation import slow

SIDE = 64


def _box(x: int, y: int, w: int, h: int) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[y : y + h, x : x + w] = True
    return mask


def _record(image_id: int, box: tuple[int, int, int, int], **more: Any) -> dict[str, Any]:
    mask = encode_masks(_box(*box)[None])[0]
    return {"image_id": image_id, "bbox": list(box), "segmentation": mask, **more}


A, B = (4, 4, 20, 20), (34, 34, 20, 10)
TRUE = [_record(0, A), _record(0, B), _record(1, A)]


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
@pytest.mark.parametrize(
    "gt, predictions, image_ids, ap50, ar",
    [
        ([], [], [], math.nan, math.nan),
        ([], [], [0], math.nan, math.nan),
        ([], [_record(0, A, score=1)], [0], math.nan, math.nan),
        (TRUE, [], [0, 1], 0.0, 0.0),
        (TRUE, [_record(0, A, score=1)], [0, 1], 100 * 34 / 101, 100 / 3),
        (TRUE, [{**r, "score": 0.5} for r in TRUE], [0, 1], 100.0, 100.0),
        # A crowd is neither hit nor miss, nor what lies on it.
        ([TRUE[0], _record(0, B, iscrowd=1)], [_record(0, A, score=0.1), _record(0, B, score=1)],
         [0], 100.0, 100.0),
    ],
)  # fmt: skip
def test_coco_scores(
    gt: list, predictions: list, image_ids: list, ap50: float, ar: float, iou_type: str
) -> None:
    scores = coco_scores(gt, predictions, image_ids, iou_type=iou_type)
    assert tuple(scores) == METRICS
    assert scores["AP50"] == pytest.approx(ap50, abs=1e-9, nan_ok=True)
    assert scores["AR"] == pytest.approx(ar, abs=1e-9, nan_ok=True)


def test_sizes_without_objects_are_undefined() -> None:
    scores = coco_scores(TRUE, [{**r, "score": 0.5} for r in TRUE], [0, 1])
    assert scores["APs"] == pytest.approx(100.0)  # all are below 32 x 32 pixels
    assert math.isnan(scores["APm"]) and math.isnan(scores["APl"])


def test_masks_are_ordered_by_their_own_score() -> None:
    good = _record(0, A, score=0.1, mask_score=0.9)
    bad = _record(0, B, score=0.9, mask_score=0.1)
    assert coco_scores([TRUE[0]], [bad, good], [0], iou_type="segm")["AP50"] == pytest.approx(100.0)
    assert coco_scores([TRUE[0]], [bad, good], [0], iou_type="bbox")["AP50"] == pytest.approx(50.0)


def test_boxes_and_masks_are_different_things() -> None:
    record = {**_record(0, A, score=1), "bbox": list(B)}
    assert coco_scores([TRUE[0]], [record], [0], iou_type="segm")["AP50"] == pytest.approx(100.0)
    assert coco_scores([TRUE[0]], [record], [0], iou_type="bbox")["AP50"] == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_ap50_agrees_with_the_slow_version(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gt: list[dict[str, Any]] = []
    predictions: list[dict[str, Any]] = []
    for image in range(3):
        for _ in range(rng.integers(1, 4)):
            box = tuple(int(v) for v in (*rng.integers(0, 30, 2), *rng.integers(10, 30, 2)))
            gt.append(_record(image, box))
            for _ in range(rng.integers(0, 3)):
                x, y, w, h = box
                dx, dy = (int(v) for v in rng.integers(0, 8, 2))
                score = float(rng.random())
                predictions.append(_record(image, (x + dx, y + dy, w, h), score=score))
    masks: dict[int, list[np.ndarray]] = {image: [] for image in range(3)}
    for record in gt:
        masks[record["image_id"]].append(_box(*record["bbox"]))
    found = [(r["image_id"], r["score"], _box(*r["bbox"])) for r in predictions]
    expected = slow.average_precision_50(masks, found)
    scores = coco_scores(gt, predictions, range(3), iou_type="segm")
    # One of the 101 recall points may fall on the other side by rounding.
    assert scores["AP50"] == pytest.approx(expected, abs=1.0)


def test_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    coco_scores(TRUE, [], [0, 1])
    assert capfd.readouterr().out == ""


def test_unknown_kind() -> None:
    with pytest.raises(ValueError, match="bbox, segm"):
        coco_scores([], [], [], iou_type="keypoints")
