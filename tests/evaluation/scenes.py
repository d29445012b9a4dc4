"""Small made-up data sets and model outputs for the tests of this folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import Boxes, BoxMode, Instances

SIZE_HW = (48, 64)
# Four places where objects stand, x, y, w, h; they do not touch.
PLACES = ((2, 2, 20, 18), (30, 4, 26, 14), (4, 26, 16, 18), (34, 24, 22, 20))


def rectangle(x: int, y: int, w: int, h: int, size_hw: tuple[int, int] = SIZE_HW) -> np.ndarray:
    """Bool mask (H, W), clipped to the picture."""
    mask = np.zeros(size_hw, dtype=bool)
    mask[max(y, 0) : y + h, max(x, 0) : x + w] = True
    return mask


def annotation(place: int, rank: int, **more: Any) -> dict[str, Any]:
    """A true object at a place, as in a dataset dict."""
    x, y, w, h = (float(value) for value in PLACES[place])
    polygon = [x, y, x + w, y, x + w, y + h, x, y + h]
    return {
        "bbox": [x, y, w, h],
        "bbox_mode": BoxMode.XYWH_ABS,
        "segmentation": [polygon],
        "category_id": 0,
        "iscrowd": 0,
        "gt_rank": rank,
        **more,
    }


def dataset_dicts(ranks: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    """One picture for each list of ranks; object i stands at place i."""
    height, width = SIZE_HW
    return [
        {
            "file_name": f"/nowhere/picture_{index}.jpg",
            "image_id": 100 + index,
            "height": height,
            "width": width,
            "annotations": [annotation(place, rank) for place, rank in enumerate(of_image)],
        }
        for index, of_image in enumerate(ranks)
    ]


@contextlib.contextmanager
def registered(name: str, dicts: list[dict[str, Any]], **metadata: Any) -> Iterator[str]:
    """Registers a data set for the length of a with block."""
    DatasetCatalog.register(name, lambda: dicts)
    MetadataCatalog.get(name).set(evaluator_type="ranking", **metadata)
    try:
        yield name
    finally:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


def instances(
    places: Sequence[int],
    ranks: Sequence[int],
    scores: Sequence[float] | None = None,
    *,
    shift: int = 0,
) -> Instances:
    """A model's output: an object at each place, moved by ``shift`` pixels to the right."""
    boxes = [PLACES[place] for place in places]
    masks = [rectangle(x + shift, y, w, h) for x, y, w, h in boxes]
    xyxy = [[x + shift, y, x + shift + w, y + h] for x, y, w, h in boxes]
    result = Instances(SIZE_HW)
    result.pred_boxes = Boxes(torch.tensor(xyxy, dtype=torch.float32).reshape(-1, 4))
    result.scores = torch.tensor(scores if scores is not None else [0.9] * len(boxes))
    result.pred_classes = torch.zeros(len(boxes), dtype=torch.int64)
    result.pred_masks = torch.tensor(np.array(masks, dtype=bool).reshape(-1, *SIZE_HW))
    result.pred_ranks = torch.tensor(ranks, dtype=torch.int64)
    return result


def random_instances(image_id: int) -> Instances:
    """An output that depends on the image id alone, sometimes empty."""
    rng = np.random.default_rng(image_id)
    count = int(rng.integers(0, 5))
    places = rng.permutation(4)[:count].tolist()
    ranks = rng.permutation(6)[:count].tolist()
    scores = rng.random(count).tolist()
    result = instances(places, ranks, scores, shift=int(rng.integers(0, 9)))
    result.mask_scores = result.scores * torch.tensor(rng.random(count), dtype=torch.float32)
    return result
