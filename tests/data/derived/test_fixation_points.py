"""Both published forms of gaze points."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sor_ppa.data.derived.fixation_points import read_fixation_points
from sor_ppa.errors import DataError


def written(tmp_path: Path, value: Any) -> Path:
    path = tmp_path / "points.json"
    path.write_text(json.dumps(value))
    return path


def plain(found: dict[str, Any]) -> dict[str, Any]:
    return {name: [points.tolist() for points in seen] for name, seen in found.items()}


SALICON = {
    "images": [{"id": 7, "file_name": "folder/a.b.jpg"}, {"id": 8, "file_name": "c.jpg"}],
    "annotations": [
        {"image_id": 7, "id": 1, "worker_id": 3, "fixations": [[1, 1], [240, 320]]},
        {"image_id": 7, "id": 2, "worker_id": 4, "fixations": []},
    ],
}
OSIE = {"a.b.jpg": [[[1.0, 1.0, 203], [320.5, 240, 170]], []], "c.jpg": []}


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ({}, {}),
        ({"images": [], "annotations": []}, {}),
        (SALICON, {"a.b": [[[0, 0], [319, 239]], []], "c": []}),
        (OSIE, {"a.b": [[[0, 0], [319.5, 239]], []], "c": []}),
    ],
)
def test_forms(tmp_path: Path, value: Any, wanted: Any) -> None:
    assert plain(read_fixation_points(written(tmp_path, value))) == wanted


def test_zero_based(tmp_path: Path) -> None:
    found = read_fixation_points(written(tmp_path, OSIE), zero_based=True)
    assert plain(found)["a.b"][0] == [[1, 1], [320.5, 240]]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "expected a JSON object, got a list"),
        ({"a.jpg": 3}, "a.jpg: expected a list of observers, got a int"),
        ({"a.jpg": [[[1, 2], [3]]]}, "a.jpg: observer 0: must be a list of points"),
        ({"a.jpg": [[["1", 2]]]}, "observer 0"),
        ({"a.jpg": [[[1, float("nan")]]]}, "two finite numbers"),
        ({"a.jpg": [None]}, "observer 0"),
        ({"images": [{}], "annotations": []}, "images[0]: needs 'id' and 'file_name'"),
        ({"images": [3], "annotations": []}, "images[0]: needs"),
        ({**SALICON, "annotations": [{}]}, "annotations[0]: needs 'image_id' and 'fixations'"),
        (
            {**SALICON, "annotations": [{"image_id": 1, "fixations": []}]},
            "annotations[0]: image_id 1 is not among the images",
        ),
        (
            {**SALICON, "annotations": [{"image_id": [7], "fixations": []}]},
            "image_id [7] is not among",
        ),
        (
            {**SALICON, "annotations": [{"image_id": 7, "fixations": [5]}]},
            "annotations[0]: fixations: must be a list of points",
        ),
    ],
)
def test_faults(tmp_path: Path, value: Any, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_fixation_points(written(tmp_path, value))
    assert message in str(caught.value) and "points.json" in str(caught.value)
