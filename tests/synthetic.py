"""Made-up pictures: a tiny ranked COCO set (shapes whose colour tells their rank) and folders."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from sor_ppa.data.image_io import write_image

HEIGHT, WIDTH = 96, 128
# Colour (RGB) of rank 1, 2, 3: whoever learns the set must look at the colour.
_COLOURS = ((230, 40, 40), (40, 200, 60), (50, 80, 230))


@dataclass(frozen=True)
class RankedCoco:
    """Where a set lies.

    Attributes:
        json_file: annotations.
        image_root: folder of the pictures.
        count: number of pictures.
    """

    json_file: Path
    image_root: Path
    count: int

    def extra(self, name: str) -> tuple[tuple[str, str, str]]:
        """Value of DATASETS.EXTRA that registers the set under ``name``."""
        return ((name, str(self.json_file), str(self.image_root)),)


def make_ranked_coco(root: Path, count: int = 6, seed: int = 0) -> RankedCoco:
    """Draws ``count`` pictures with two or three objects each.

    Every second picture is turned to portrait when ``count`` is above 6, so that larger sets have
    both aspect ratios.

    Args:
        root: folder to fill (``images/`` and ``annotations.json``).
        count: number of pictures.
        seed: other seeds, other pictures.
    """
    images = root / "images"
    images.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    data: dict[str, Any] = {
        "info": {"ranks": {"source": "derived", "rule": "red, green, blue"}},
        "categories": [{"id": 1, "name": "thing"}],
        "images": [],
        "annotations": [],
    }
    for image_id in range(1, count + 1):
        size = (WIDTH, HEIGHT) if count <= 6 or image_id % 2 else (HEIGHT, WIDTH)
        _draw(images / f"{image_id:03d}.png", size, image_id, rng, data)
    json_file = root / "annotations.json"
    json_file.write_text(json.dumps(data))
    return RankedCoco(json_file, images, count)


def _draw(
    path: Path, size: tuple[int, int], image_id: int, rng: np.random.Generator, data: dict[str, Any]
) -> None:
    width, height = size
    noise = rng.integers(90, 120, (height, width, 3), dtype=np.uint8)
    picture = Image.fromarray(noise)
    pen = ImageDraw.Draw(picture)
    # Shapes stand in columns of their own: they never overlap.
    objects = int(rng.integers(2, 4))
    column = width / objects
    for place, rank in enumerate(rng.permutation(objects) + 1):
        polygon = _polygon(rng, place * column, column, height)
        pen.polygon([tuple(point) for point in polygon], fill=_COLOURS[rank - 1])
        left, top = polygon.min(axis=0).tolist()
        right, bottom = polygon.max(axis=0).tolist()
        data["annotations"].append(
            {
                "id": len(data["annotations"]) + 1,
                "image_id": image_id,
                "category_id": 1,
                "bbox": [left, top, right - left, bottom - top],
                "area": float((right - left) * (bottom - top)),
                "segmentation": [polygon.ravel().tolist()],
                "iscrowd": 0,
                "rank": int(rank),
            }
        )
    picture.save(path)
    entry = {"id": image_id, "file_name": path.name, "width": width, "height": height}
    data["images"].append(entry)


def _polygon(rng: np.random.Generator, left: float, column: float, height: int) -> np.ndarray:
    """A triangle, rectangle or ellipse within a column, as float points (n, 2)."""
    corners = int(rng.choice([3, 4, 16]))
    radius = np.array([column * 0.42, rng.uniform(0.2, 0.4) * height])
    centre = np.array([left + column / 2, rng.uniform(0.42, 0.58) * height])
    angles = 2 * np.pi * (np.arange(corners) + 0.25) / corners
    points = centre + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.round(points, 1)


def picture_folder(folder: Path) -> Path:
    """Three grey pictures: two of one name in two folders, and one that is a pixel high."""
    for name, size in (("a/x.png", (40, 50)), ("b/x.png", (50, 40)), ("b/y.jpg", (1, 30))):
        write_image(folder / name, np.full((*size, 3), 100, np.uint8))
    return folder


def files_below(folder: Path) -> list[str]:
    """All files below a folder, as sorted relative paths."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
