"""Small sets with fixations."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from sor_ppa.data.fixation.maps import points_to_map

SIZE_HW = (48, 64)


def write_gaze_set(folder: Path, count: int = 3, *, marks: bool = False) -> dict[str, np.ndarray]:
    """Pictures of a bright disc that three people looked at; returns the points by stem.

    ``image/``, ``saliency/`` (blurred), ``fixation/`` (a pixel a point) and ``fixations.json`` in
    OSIE's form. ``marks``: maps end in _fixMap and _fixPts as in MIT1003.
    """
    rng = np.random.default_rng(0)
    for kind in ("image", "saliency", "fixation"):
        (folder / kind).mkdir(parents=True)
    listed, points = {}, {}
    for index in range(count):
        stem = f"p{index}"
        centre = np.array([10 + 44 * rng.random(), 10 + 28 * rng.random()])
        looks = np.trunc(centre + rng.normal(0, 2, (6, 2)))
        image = _disc(centre, rng)
        Image.fromarray(image).save(folder / "image" / f"{stem}.png")
        listed[f"{stem}.jpg"] = [[[x + 1, y + 1, 200] for x, y in looks[k::3]] for k in range(3)]
        points[stem] = np.concatenate([looks[k::3] for k in range(3)]).astype(np.int64)
        blurred = points_to_map(points[stem], SIZE_HW, 4)
        end = ("_fixMap", "_fixPts") if marks else ("", "")
        name = folder / "saliency" / f"{stem}{end[0]}.png"
        Image.fromarray(np.rint(blurred).astype(np.uint8)).save(name)
        binary = np.zeros(SIZE_HW, np.uint8)
        binary[points[stem][:, 1], points[stem][:, 0]] = 255
        Image.fromarray(binary).save(folder / "fixation" / f"{stem}{end[1]}.png")
    (folder / "fixations.json").write_text(json.dumps(listed))
    return points


def _disc(centre: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width = SIZE_HW
    y, x = np.mgrid[:height, :width]
    inside = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < 36
    image = rng.integers(60, 90, (height, width, 3), dtype=np.uint8)
    image[inside] = (250, 200, 40)
    return image
