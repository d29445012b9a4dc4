from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from detectron2.structures import Instances

from sor_ppa.errors import DataError
from sor_ppa.evaluation.results_io import instances_to_records, read_results, write_results
from sor_ppa.evaluation.rle import decode_masks, encode_masks
from tests.evaluation.scenes import PLACES, SIZE_HW, instances, rectangle

HEIGHT, WIDTH = SIZE_HW
IMAGES = [
    {"id": 7, "file_name": "a.jpg", "height": HEIGHT, "width": WIDTH},
    {"id": "b", "file_name": "b.jpg", "height": HEIGHT, "width": WIDTH},
]


def _record(**changes: Any) -> dict[str, Any]:
    """A sound result, changed; a change to None removes the key."""
    record = {
        "image_id": 7,
        "category_id": 1,
        "bbox": [2.0, 2.0, 20.0, 18.0],
        "score": 0.75,
        "rank": 1,
        "segmentation": encode_masks(rectangle(*PLACES[0])[None])[0],
        **changes,
    }
    return {key: value for key, value in record.items() if value is not None}


def _write(path: Path, document: object) -> Path:
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def _envelope(*records: dict[str, Any]) -> dict[str, Any]:
    return {"info": {}, "images": IMAGES, "results": list(records)}


def test_no_instance_gives_no_record() -> None:
    assert instances_to_records(instances([], []), 7) == []
    assert instances_to_records(Instances(SIZE_HW), 7) == []  # a detector that found nothing


def test_instances_to_records() -> None:
    output = instances([0, 3], [2, 0], [0.5, 0.25])
    output.mask_scores = output.scores * 2
    first, second = instances_to_records(output, "x")
    mask = {"segmentation": encode_masks(rectangle(*PLACES[0])[None])[0]}
    expected = {"image_id": "x", "category_id": 1, "bbox": list(PLACES[0]), "score": 0.5, "rank": 2}
    assert first == {**expected, "mask_score": 1.0, **mask}
    assert (second["rank"], second["bbox"]) == (0, list(PLACES[3]))
    json.dumps([first, second])  # plain Python all through


def test_fields_that_are_not_there() -> None:
    output = instances([0], [1])
    output.remove("pred_ranks")
    output.remove("pred_masks")
    with pytest.raises(DataError, match="pred_ranks") as error:
        instances_to_records(output, 7)
    assert len(error.value.problems) == 2


@pytest.mark.parametrize("places, ranks", [([], []), ([0, 1], [1, 2])])
def test_there_and_back(tmp_path: Path, places: list[int], ranks: list[int]) -> None:
    records = instances_to_records(instances(places, ranks), 7)
    write_results(tmp_path / "deep" / "r.json", IMAGES, records, {"model": "tiny"})
    found = read_results(tmp_path / "deep" / "r.json")
    assert found.records == records
    assert found.info == {"model": "tiny", "format": "sor_ppa ranked instances", "version": 1}
    assert list(found.images or {}) == [7, "b"]
    assert found.by_image() == {7: records, "b": []}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["r.json"]


@pytest.mark.parametrize("document", [[], [_record()], _envelope(), {"results": [_record()]}])
def test_shapes_that_are_read(tmp_path: Path, document: Any) -> None:
    records = document if isinstance(document, list) else document["results"]
    assert read_results(_write(tmp_path / "r.json", document)).records == records


@pytest.mark.parametrize(
    "segmentation",
    [
        {"size": [HEIGHT, WIDTH], "counts": [HEIGHT * WIDTH - 5, 5]},
        [[1.0, 1.0, 9.0, 1.0, 9.0, 9.0, 1.0, 9.0]],
        {"size": [HEIGHT, WIDTH], "counts": [HEIGHT * WIDTH]},  # empty
    ],
)
def test_masks_become_compressed(tmp_path: Path, segmentation: Any) -> None:
    record = _record(segmentation=segmentation, bbox=None)
    found = read_results(_write(tmp_path / "r.json", _envelope(record))).records[0]
    mask = decode_masks([found["segmentation"]], size_hw=SIZE_HW)[0]
    ys, xs = np.nonzero(mask)
    expected = [0, 0, 0, 0]
    if len(xs):
        expected = [xs.min(), ys.min(), xs.max() - xs.min() + 1, ys.max() - ys.min() + 1]
    assert found["bbox"] == expected


def _raw(counts: object, size: object = None) -> dict[str, Any]:
    return {"size": [HEIGHT, WIDTH] if size is None else size, "counts": counts}


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"image_id": None}, "image_id: must be an integer or a string"),
        ({"image_id": 1.5}, "image_id: must be an integer or a string"),
        ({"image_id": True}, "image_id: must be an integer or a string"),
        ({"image_id": 8}, "not among the file's images"),
        ({"score": None}, "score: must be a finite number"),
        ({"score": "0.5"}, "score: must be a finite number"),
        ({"score": float("nan")}, "score: must be a finite number"),
        ({"score": float("inf")}, "score: must be a finite number"),
        ({"mask_score": "high"}, "mask_score: must be a finite number"),
        ({"rank": None}, "rank: is missing"),
        ({"rank": -1}, "got -1"),
        ({"rank": "1"}, "must be an integer"),
        ({"rank": 1.0}, "must be an integer"),
        ({"rank": True}, "must be an integer"),
        ({"segmentation": None}, "segmentation"),
        ({"segmentation": []}, "segmentation"),
        ({"segmentation": [[0, 0, 1, 1]]}, "6 or more"),
        ({"segmentation": [[0, 0, 1, 1, 2, 2, 3]]}, "even number"),
        ({"segmentation": [[0, 0, 1, 1, 2, float("nan")]]}, "not finite or far outside"),
        ({"segmentation": [[0, 0, 1e9, 1, 2, 2]]}, "not finite or far outside"),
        ({"segmentation": _raw([HEIGHT * WIDTH], [WIDTH, HEIGHT])}, "not the image's"),
        ({"segmentation": _raw([4e10], [200000, 200000])}, "not the image's"),
        ({"segmentation": _raw([5])}, "add up to 5"),
        ({"segmentation": _raw([HEIGHT * WIDTH, 1])}, "add up to"),
        ({"segmentation": _raw([-1, HEIGHT * WIDTH + 1])}, "negative"),
        ({"segmentation": _raw("\u0000\u0001")}, "alphabet"),
        ({"segmentation": _raw("")}, "empty"),
        ({"segmentation": _raw(None)}, "expected a list"),
        ({"bbox": [1, 2, 3]}, "four numbers"),
        ({"bbox": "here"}, "four numbers"),
        ({"bbox": [1, 2, 3, "4"]}, "four numbers"),
    ],
)
def test_faulty_records(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    document = _envelope(_record(), _record(**changes))
    with pytest.raises(DataError, match=r"results\[1\]") as error:
        read_results(_write(tmp_path / "r.json", document))
    assert message in str(error.value)
    assert "r.json" in str(error.value)


@pytest.mark.parametrize(
    "document, message",
    [
        ("", "line 1 column 1"),
        ('{"results": [\n  {"image', "line 2 column"),
        ("\ufeff[]", "byte-order mark"),
        ("<html>", "line 1 column 1"),
        ('"text"', "'results'"),
        ("3", "'results'"),
        ({"results": {}}, "'results'"),
        ({"images": [], "annotations": []}, "looks like ground truth"),
        ({"results": [], "info": 3}, "info: must be an object"),
        ({"results": [], "images": 3}, "images: must be a list"),
        ({"results": [], "images": [3]}, "images[0]"),
        ({"results": [], "images": [IMAGES[0], IMAGES[0]]}, "images[1]: id 7 was used before"),
        ({"results": [], "images": [{**IMAGES[0], "height": 0}]}, "at least 1"),
        ({"results": [], "images": [{**IMAGES[0], "height": 200000, "width": 200000}]}, "pixels"),
        ({"results": [], "images": [{**IMAGES[0], "file_name": 3}]}, "file_name"),
        ({"results": [], "images": [{**IMAGES[0], "id": None}]}, "id must be"),
        ([3], "results[0]: must be an object"),
        ([_record(segmentation=[[0, 0, 5, 0, 5, 5]])], "without 'images'"),
        ([_record(segmentation=_raw([4e10], [200000, 200000]))], "pixels"),
        ([_record(segmentation=_raw([5], [1, 2, 3]))], "size must be"),
        ({"info": {"format": "sor_ppa ranked instances", "version": 9}, "results": []}, "version"),
    ],
)
def test_faulty_files(tmp_path: Path, document: Any, message: str) -> None:
    with pytest.raises(DataError) as error:
        read_results(_write(tmp_path / "r.json", document))
    assert message in str(error.value)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing.json"):
        read_results(tmp_path / "nothing.json")


def test_all_faults_are_listed(tmp_path: Path) -> None:
    records = [_record(rank=-k) for k in range(1, 31)]
    with pytest.raises(DataError) as error:
        read_results(_write(tmp_path / "r.json", records))
    assert len(error.value.problems) == 30


@pytest.mark.parametrize(
    "box", [[1, 1, -5, 3], [1, 1, 0, 3], [500, 1, 4, 4], [float("nan"), 1, 4, 4]]
)
def test_impossible_boxes(tmp_path: Path, box: list, caplog: pytest.LogCaptureFixture) -> None:
    path = _write(tmp_path / "r.json", _envelope(_record(bbox=box), _record(bbox=box, rank=2)))
    with caplog.at_level(logging.WARNING):
        found = read_results(path)
    assert [record["bbox"] for record in found.records] == [list(PLACES[0])] * 2
    assert "2 x unusable box" in caplog.text
    with pytest.raises(DataError) as error:
        read_results(path, strict=True)
    assert len(error.value.problems) == 2


@pytest.mark.parametrize("ranks, equal", [([], False), ([0, 0], False), ([1, 3], False),
                                          ([2, 2], True)])  # fmt: skip
def test_equal_ranks(
    tmp_path: Path, ranks: list[int], equal: bool, caplog: pytest.LogCaptureFixture
) -> None:
    path = _write(tmp_path / "r.json", _envelope(*[_record(rank=rank) for rank in ranks]))
    with caplog.at_level(logging.WARNING):
        assert len(read_results(path).records) == len(ranks)
    assert ("equal ranks" in caplog.text) == equal
    if equal:
        with pytest.raises(DataError, match="image 7"):
            read_results(path, strict=True)


def test_objects_without_ranks(tmp_path: Path) -> None:
    path = _write(tmp_path / "r.json", _envelope(_record(rank=None), _record(rank=3)))
    ranks = [record["rank"] for record in read_results(path, need_ranks=False).records]
    assert ranks == [0, 3]
