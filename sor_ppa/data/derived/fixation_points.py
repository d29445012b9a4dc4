"""Files of gaze points: who looked where, in which order."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import numpy as np

from sor_ppa.data.problems import PathLike, Problems, read_json
from sor_ppa.data.ranking.annotations import is_finite_number


def read_fixation_points(
    path: PathLike, *, zero_based: bool = False
) -> dict[str, list[np.ndarray]]:
    """Reads gaze points in either of two published forms, told apart by their shape.

    * SALICON: ``{"images": [{"id", "file_name"}], "annotations": [{"image_id", "fixations":
      [[row, column], ...]}]}``, one annotation an observer;
    * OSIE: ``{"name.jpg": [[[x, y, milliseconds], ...], ...]}``, one inner list an observer.

    Both count pixels from 1 and list points in time order.

    Args:
        path: the JSON file.
        zero_based: the file counts pixels from 0 instead.

    Returns:
        For each picture, by name without folder and suffix, the observers' points: float64
        (K, 2), x and y in pixels counted from 0.

    Raises:
        DataError: not JSON, of neither form, or with points that are not numbers.
    """
    data = read_json(path)
    problems = Problems(str(path))
    if not isinstance(data, dict):
        problems.add(str(path), f"expected a JSON object, got a {type(data).__name__}")
        found: dict[str, list[np.ndarray]] = {}
    elif isinstance(data.get("images"), list) and isinstance(data.get("annotations"), list):
        found = _salicon(data, str(path), problems)
    else:
        found = _osie(data, str(path), problems)
    problems.finish()
    first = 0.0 if zero_based else 1.0
    return {name: [points - first for points in seen] for name, seen in found.items()}


def _salicon(data: dict[str, Any], name: str, problems: Problems) -> dict[str, list[np.ndarray]]:
    stems: dict[Any, str] = {}
    for index, image in enumerate(data["images"]):
        try:
            stems[image["id"]] = PurePath(image["file_name"]).stem
        except (KeyError, TypeError):
            problems.add(f"{name}: images[{index}]", "needs 'id' and 'file_name'")
    found: dict[str, list[np.ndarray]] = {stem: [] for stem in stems.values()}
    for index, item in enumerate(data["annotations"]):
        where = f"{name}: annotations[{index}]"
        if not isinstance(item, dict) or not {"image_id", "fixations"} <= item.keys():
            problems.add(where, "needs 'image_id' and 'fixations'")
        elif not isinstance(item["image_id"], (int, str)) or item["image_id"] not in stems:
            problems.add(where, f"image_id {item['image_id']!r} is not among the images")
        else:
            points = _points(item["fixations"], f"{where}: fixations", problems)
            found[stems[item["image_id"]]].append(points[:, ::-1])  # (row, column) -> (x, y)
    return found


def _osie(data: dict[str, Any], name: str, problems: Problems) -> dict[str, list[np.ndarray]]:
    found = {}
    for file_name, observers in data.items():
        where = f"{name}: {file_name}"
        if not isinstance(observers, list):
            problems.add(where, f"expected a list of observers, got a {type(observers).__name__}")
            continue
        found[PurePath(file_name).stem] = [
            _points(points, f"{where}: observer {index}", problems)
            for index, points in enumerate(observers)
        ]
    return found


def _points(points: object, where: str, problems: Problems) -> np.ndarray:
    """The first two numbers of each point: float64 (K, 2)."""
    if isinstance(points, list):
        pairs = [point[:2] for point in points if isinstance(point, list) and len(point) >= 2]
        if len(pairs) == len(points) and all(is_finite_number(v) for pair in pairs for v in pair):
            return np.array(pairs, dtype=np.float64).reshape(-1, 2)
    problems.add(where, "must be a list of points, two finite numbers or more each")
    return np.zeros((0, 2))
