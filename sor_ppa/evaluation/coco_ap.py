"""COCO average precision and recall without classes, on boxes and on masks.

pycocotools does the arithmetic; here it is a function from records to numbers, silent, and with
the cases without objects or without predictions defined.
"""

from __future__ import annotations

import contextlib
import io
import math
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]

# Names of the first nine of pycocotools' twelve numbers; its last three, recall by size, stay out.
METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR")
IOU_TYPES = ("bbox", "segm")


def coco_scores(
    gt: Sequence[Record],
    predictions: Sequence[Record],
    image_ids: Iterable[int],
    *,
    iou_type: str = "bbox",
) -> OrderedDict[str, float]:
    """COCO AP and AR with all objects as one class.

    Args:
        gt: true objects: ``image_id``, ``bbox`` [x, y, w, h], ``segmentation`` RLE, optionally
            ``area`` (else that of the mask) and ``iscrowd`` (neither hit nor miss).
        predictions: ``image_id``, ``bbox``, ``segmentation``, ``score``; ``mask_score``, where
            present, orders the masks (iou_type "segm").
        image_ids: integers of all images that count, with or without objects.
        iou_type: ``"bbox"`` or ``"segm"``.

    Returns:
        AP (IoU 0.5 ... 0.95), AP50, AP75, APs, APm, APl (small, medium, large objects), and AR1,
        AR10, AR with 1, 10 and 100 predictions an image, all in percent. Without a prediction
        they are 0; NaN where there is no true object (of that size).

    Raises:
        ValueError: an unknown ``iou_type``.
    """
    if iou_type not in IOU_TYPES:
        raise ValueError(f"iou_type must be one of {', '.join(IOU_TYPES)}, got {iou_type!r}")
    from pycocotools.cocoeval import COCOeval

    images = sorted(image_ids)
    if not images:
        return OrderedDict((name, math.nan) for name in METRICS)
    true = [_annotation(record, number) for number, record in enumerate(gt, start=1)]
    found = [_detection(r, number, iou_type) for number, r in enumerate(predictions, start=1)]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(_coco(true, images), _coco(found, images), iou_type)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    stats = [float(value) for value in evaluation.stats[: len(METRICS)]]
    percent = [100 * value if value >= 0 else math.nan for value in stats]  # -1 = undefined
    return OrderedDict(zip(METRICS, percent, strict=True))


def _coco(annotations: list[dict[str, Any]], image_ids: Sequence[int]) -> Any:
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = {
        # The size is asked for, but not used: every mask is run-length encoded already.
        "images": [{"id": image_id, "height": 0, "width": 0} for image_id in image_ids],
        "categories": [{"id": 1, "name": "salient_obj"}],
        "annotations": annotations,
    }
    coco.createIndex()
    return coco


def _annotation(record: Record, number: int) -> dict[str, Any]:
    """A true object as pycocotools wants it."""
    area = record.get("area")
    area = _area(record, iou_type="segm") if area is None else area
    return {**_entry(record, number, area), "iscrowd": int(record.get("iscrowd", 0))}


def _detection(record: Record, number: int, iou_type: str) -> dict[str, Any]:
    score = record["score"]
    if iou_type == "segm":
        score = record.get("mask_score", score)
    area = _area(record, iou_type=iou_type)
    return {**_entry(record, number, area), "iscrowd": 0, "score": float(score)}


def _entry(record: Record, number: int, area: float) -> dict[str, Any]:
    """What both have; ids start at 1, for pycocotools takes 0 as "no match"."""
    return {
        "id": number,
        "image_id": record["image_id"],
        "category_id": 1,
        "bbox": list(record["bbox"]),
        "segmentation": record["segmentation"],
        "area": area,
    }


def _area(record: Record, *, iou_type: str) -> float:
    """Area in pixels: of the box, or of the mask."""
    if iou_type == "bbox":
        return float(record["bbox"][2] * record["bbox"][3])
    from pycocotools import mask as mask_utils

    return float(mask_utils.area(record["segmentation"]))
