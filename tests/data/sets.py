"""Small made-up sets in the layouts that the loaders read."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as mask_utils

from tests.data.pictures import save

HEIGHT, WIDTH = 12, 16


def polygon(x1: float, y1: float, x2: float, y2: float) -> list[float]:
    """A rectangle as a flat polygon."""
    return [x1, y1, x2, y1, x2, y2, x1, y2]


def rectangle_rle(x1: int, y1: int, x2: int, y2: int) -> dict[str, Any]:
    """A rectangle as compressed run lengths (counts as str)."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[y1:y2, x1:x2] = 1
    rle = mask_utils.encode(np.asfortranarray(mask))
    return {"size": [HEIGHT, WIDTH], "counts": rle["counts"].decode()}


def picture(path: Path, height: int = HEIGHT, width: int = WIDTH) -> Path:
    """A picture whose pixels differ from one another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.arange(height * width * 3, dtype=np.uint32).reshape(height, width, 3) * 7 % 256
    return save(path, pixels.astype(np.uint8))


def coco(**changes: Any) -> dict[str, Any]:
    """A ranked COCO object: two pictures, four objects (polygons, run lengths, a crowd)."""
    data: dict[str, Any] = {
        "info": {"ranks": {"source": "human", "rule": "asked"}},
        "categories": [{"id": 3, "name": "cat"}, {"id": 5, "name": "dog"}],
        "images": [
            {"id": 10, "file_name": "a.png", "height": HEIGHT, "width": WIDTH},
            {"id": 11, "file_name": "sub/b.png"},
        ],
        "annotations": [
            coco_object(1, 10, (1, 1, 5, 5), rank=2),
            coco_object(2, 10, (6, 2, 12, 9), category_id=5, rank=1),
            coco_object(3, 10, (0, 0, 2, 2)),
            {**coco_object(4, 11, (2, 2, 9, 9), rank=1), "segmentation": rectangle_rle(2, 2, 9, 9)},
            {
                **coco_object(5, 11, (0, 0, 8, 4), iscrowd=1),
                "segmentation": {"size": [HEIGHT, WIDTH], "counts": [0, 100, 92]},
            },
        ],
    }
    return copy.deepcopy({**data, **changes})


def coco_object(
    number: int, image_id: int, xyxy: tuple[float, float, float, float], **fields: Any
) -> dict[str, Any]:
    """One rectangular object."""
    x1, y1, x2, y2 = xyxy
    return {
        "id": number,
        "image_id": image_id,
        "category_id": 3,
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "segmentation": [polygon(*xyxy)],
        **fields,
    }


def write_coco(root: Path, data: Any) -> tuple[Path, Path]:
    """(annotations.json, image folder) of a COCO object, with its two pictures."""
    picture(root / "images" / "a.png")
    picture(root / "images" / "sub" / "b.png")
    (root / "annotations.json").write_text(json.dumps(data))
    return root / "annotations.json", root / "images"


def write_assr(root: Path, split: str = "test") -> Path:
    """An ASSR tree: "one" has six objects, "two" none that is salient."""
    boxes = [(n, n, n + 4, n + 5) for n in range(6)]
    objects = [{"bbox": list(box), "segmentation": [polygon(*box)]} for box in boxes]
    records = [
        {"img": "one", "object_data": objects},
        {"img": "two.dots", "object_data": objects[:1]},
    ]
    orders = {"one": [0.7, 1.0, 0.5, 0.9, 0.0, -0.3], "two.dots": [0.5]}
    orders["one"][4] = 0.8
    root.mkdir(parents=True, exist_ok=True)
    (root / f"obj_seg_data_{split}.json").write_text(json.dumps(records))
    (root / f"{split}_images.txt").write_text("one\ntwo.dots\n")
    for name, values in orders.items():
        picture(root / "images" / split / f"{name}.jpg")
        folder = root / "rank_order" / split
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps({"rank_order": values}))
    return root


def irsr_records() -> list[dict[str, Any]]:
    """Two records as in IRSR's pickle: polygons and run lengths, higher = more salient."""
    polygons = {"bbox": [1.0, 2.0, 4.0, 5.0], "segmentation": [polygon(1, 2, 5, 7)]}
    runs = {"bbox": [3, 3, 6, 6], "segmentation": rectangle_rle(3, 3, 9, 9)}
    return [
        {
            "file_name": "/home/author/dataset/Images/test/rgb/COCO_val2014_1.png",
            "annotations": [
                {**polygons, "is_person": True},
                {**runs, "is_person": False},
                {**polygons, "is_person": False},
            ],
            "rank": [0, 2, 1],
        },
        {
            "file_name": "C:\\data\\COCO_val2014_2.png",
            "annotations": [{**runs, "is_person": False}],
            "rank": [0],
        },
    ]


def write_irsr(root: Path, records: Any, split: str = "test", protocol: int = 4) -> Path:
    """An IRSR tree around those records."""
    for number in (1, 2):
        picture(root / "Images" / split / "rgb" / f"COCO_val2014_{number}.png")
    (root / "Annotations").mkdir(parents=True, exist_ok=True)
    (root / "Annotations" / f"{split}.pkl").write_bytes(pickle.dumps(records, protocol))
    return root
