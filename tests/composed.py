"""Six photographs composed of free pictures: real texture, known objects, known ranks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from skimage import data

from tests.synthetic import RankedCoco

HEIGHT, WIDTH = 192, 256
# What is cut out: picture, and its ellipse as centre x, y and radii in pixels.
CUTOUTS = {
    "cat": ("chelsea", (230, 130), (125, 115)),
    "cup": ("coffee", (300, 190), (215, 165)),
    "head": ("astronaut", (225, 115), (85, 105)),
    "helmet": ("astronaut", (350, 330), (70, 70)),
}
# Objects of each picture, most salient first, each at centre x, y with a height in pixels.
SCENES: tuple[tuple[tuple[str, int, int, int], ...], ...] = (
    (("cat", 80, 95, 120), ("cup", 200, 120, 70)),
    (("cup", 95, 100, 110), ("head", 205, 70, 80), ("cat", 205, 155, 50)),
    (("head", 150, 95, 140), ("cat", 50, 130, 70)),
    (("cat", 170, 90, 130), ("helmet", 50, 60, 80), ("cup", 50, 145, 50)),
    (("head", 70, 90, 120), ("cup", 185, 130, 80)),
    (("cup", 140, 105, 120), ("helmet", 40, 150, 60), ("head", 230, 50, 60)),
)


def make_composed(root: Path) -> RankedCoco:
    """Writes the six pictures and their annotations below ``root``."""
    images = root / "images"
    images.mkdir(parents=True)
    rocket = cv2.resize(data.rocket(), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    entries: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, scene in enumerate(SCENES, start=1):
        canvas = np.roll(rocket, 37 * number, axis=1).copy()
        for rank, (name, x, y, height) in enumerate(scene, start=1):
            polygon = _paste(canvas, name, (x, y), height)
            annotations.append(_annotation(len(annotations) + 1, number, rank, polygon))
        cv2.imwrite(str(images / f"{number}.png"), canvas[..., ::-1])
        entries.append(
            {"id": number, "file_name": f"{number}.png", "height": HEIGHT, "width": WIDTH}
        )
    document = {
        "info": {"ranks": {"source": "derived", "rule": "order of the table"}},
        "categories": [{"id": 1, "name": "thing"}],
        "images": entries,
        "annotations": annotations,
    }
    json_file = root / "annotations.json"
    json_file.write_text(json.dumps(document))
    return RankedCoco(json_file, images, len(SCENES))


def _paste(canvas: np.ndarray, name: str, centre: tuple[int, int], height: int) -> np.ndarray:
    """Pastes a cut-out in place; returns its outline (n, 2)."""
    photo, (cx, cy), (rx, ry) = CUTOUTS[name]
    crop = getattr(data, photo)()[max(cy - ry, 0) : cy + ry, max(cx - rx, 0) : cx + rx]
    width = round(height * rx / ry)
    crop = cv2.resize(crop, (width, height), interpolation=cv2.INTER_AREA)
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    radius = np.array([width / 2 - 1, height / 2 - 1])
    polygon = np.array(centre) + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    polygon = polygon.clip(0, [WIDTH - 1, HEIGHT - 1])
    mask = np.zeros(canvas.shape[:2], np.uint8)
    cv2.fillPoly(mask, [polygon.round().astype(np.int32)], 1)
    layer = np.zeros_like(canvas)
    left, top = centre[0] - width // 2, centre[1] - height // 2
    y1, x1 = max(top, 0), max(left, 0)
    y2, x2 = min(top + height, HEIGHT), min(left + width, WIDTH)
    layer[y1:y2, x1:x2] = crop[y1 - top : y2 - top, x1 - left : x2 - left]
    canvas[mask > 0] = layer[mask > 0]
    return polygon


def _annotation(number: int, image_id: int, rank: int, polygon: np.ndarray) -> dict[str, Any]:
    x1, y1 = polygon.min(axis=0).tolist()
    x2, y2 = polygon.max(axis=0).tolist()
    return {
        "id": number,
        "image_id": image_id,
        "category_id": 1,
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": float((x2 - x1) * (y2 - y1) * np.pi / 4),
        "iscrowd": 0,
        "segmentation": [polygon.round(1).ravel().tolist()],
        "rank": rank,
    }
