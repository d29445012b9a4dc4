#!/usr/bin/env python3
"""Makes a made-up data set in ASSR's layout and size, to time its loading.

python datasets/make_assr_like.py --root ASSR-like --count 8000
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sor_ppa.data.image_io import write_image
from sor_ppa.data.ranking.annotations import segmentation_to_mask
from sor_ppa.data.ranking.assr import load_assr
from sor_ppa.visualization.rank_maps import paint_rank_map

HEIGHT, WIDTH = 480, 640


def make_assr_like(
    root: str | Path,
    count: int,
    *,
    split: str = "train",
    objects: int = 8,
    points: int = 40,
    maps: bool = False,
) -> Path:
    """Fills ``root`` with ``count`` pictures and their annotations, as ASSR has them.

    Args:
        root: folder to fill; made if need be.
        count: number of pictures (all the same one; loading does not look inside).
        split: "train", "val" or "test".
        objects: per picture; the first five are ranked.
        points: per polygon.
        maps: also paint the true rank maps (slow; only evaluation needs them).

    Returns:
        ``root`` as a path, for :func:`sor_ppa.data.load_assr`.
    """
    root = Path(root)
    images, orders = root / "images" / split, root / "rank_order" / split
    for folder in (images, orders):
        folder.mkdir(parents=True, exist_ok=True)
    picture = root / "picture.jpg"
    Image.linear_gradient("L").resize((WIDTH, HEIGHT)).convert("RGB").save(picture)
    data = picture.read_bytes()
    picture.unlink()
    values = [round(1 - 0.1 * place, 1) for place in range(objects)]
    rng = np.random.default_rng(0)
    records, stems = [], [f"COCO_train2014_{index:012d}" for index in range(count)]
    for stem in stems:
        (images / f"{stem}.jpg").write_bytes(data)
        order = rng.permutation(values).tolist()
        (orders / f"{stem}.json").write_text(json.dumps({"rank_order": order}))
        records.append({"img": stem, "object_data": _objects(rng, objects, points)})
    (root / f"obj_seg_data_{split}.json").write_text(json.dumps(records))
    (root / f"{split}_images.txt").write_text("\n".join(stems) + "\n")
    if maps:
        _paint_maps(root, split)
    return root


def _paint_maps(root: Path, split: str) -> None:
    folder = root / "gt" / split
    folder.mkdir(parents=True, exist_ok=True)
    for item in load_assr(root, split):
        found = item["annotations"]
        masks = [segmentation_to_mask(a["segmentation"], HEIGHT, WIDTH) for a in found]
        ranks = np.array([a["gt_rank"] for a in found])
        grey = paint_rank_map(np.stack(masks), ranks, size_hw=(HEIGHT, WIDTH))
        write_image(folder / f"{Path(item['file_name']).stem}.png", grey)


def _objects(rng: np.random.Generator, count: int, points: int) -> list[dict[str, Any]]:
    """Ellipses anywhere in the picture."""
    angles = np.linspace(0, 2 * np.pi, points, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)  # (points, 2)
    size = np.array([WIDTH, HEIGHT])
    found = []
    for _ in range(count):
        radius = rng.uniform(0.02, 0.2, 2) * size
        centre = radius + rng.random(2) * (size - 2 * radius)
        outline = np.round(centre + radius * circle, 2)
        box = [*outline.min(axis=0), *outline.max(axis=0)]
        found.append({"bbox": box, "segmentation": [outline.ravel().tolist()]})
    return found


def seconds_to_load(root: str | Path, split: str = "train") -> tuple[float, int]:
    """(seconds, pictures) of loading a split of an ASSR tree."""
    start = time.perf_counter()
    pictures = len(load_assr(root, split))
    return time.perf_counter() - start, pictures


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program; returns its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--root", required=True, metavar="DIR", help="folder to fill")
    parser.add_argument("--count", type=int, default=8000, help="number of pictures")
    parser.add_argument("--split", default="train", choices=["train", "val", "test"])
    parser.add_argument("--maps", action="store_true", help="also paint the true rank maps")
    args = parser.parse_args(argv)
    root = make_assr_like(args.root, args.count, split=args.split, maps=args.maps)
    seconds, pictures = seconds_to_load(root, args.split)
    print(f"{args.root}: {pictures} pictures made; annotations loaded in {seconds:.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
