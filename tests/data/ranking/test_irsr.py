"""The IRSR loader."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from detectron2.structures import BoxMode
from pycocotools import mask as mask_utils

from sor_ppa.data.ranking.irsr import load_irsr, ranks_of_levels
from sor_ppa.errors import DataError
from tests.data.sets import HEIGHT, WIDTH, irsr_records, write_irsr


@pytest.mark.parametrize(
    ("levels", "ranks"),
    [
        ([], []),
        ([0], [1]),
        ([0, 1, 2], [3, 2, 1]),
        ([2, 0, 1, 3], [2, 4, 3, 1]),
        ([1, 1, 0], [1, 1, 2]),
        ([7, 5], [1, 2]),
    ],
)
def test_ranks_of_levels(levels: list[int], ranks: list[int]) -> None:
    assert ranks_of_levels(levels) == ranks


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_dataset_dicts(tmp_path: Path, protocol: int) -> None:
    root = write_irsr(tmp_path, irsr_records(), protocol=protocol)
    first, second = load_irsr(root, "test", strict=True)
    assert first["file_name"] == str(root / "Images/test/rgb/COCO_val2014_1.png")
    assert second["file_name"] == str(root / "Images/test/rgb/COCO_val2014_2.png")
    assert (first["image_id"], first["height"], first["width"]) == (0, HEIGHT, WIDTH)
    assert [item["gt_rank"] for item in first["annotations"]] == [3, 1, 2]
    annotation = first["annotations"][0]
    assert annotation["bbox"] == [1.0, 2.0, 4.0, 5.0]
    assert annotation["bbox_mode"] == BoxMode.XYWH_ABS
    assert annotation["segmentation"] == [[1, 2, 5, 2, 5, 7, 1, 7]]
    runs = first["annotations"][1]["segmentation"]
    wanted = np.zeros((HEIGHT, WIDTH))
    wanted[3:9, 3:9] = 1
    np.testing.assert_array_equal(mask_utils.decode(runs), wanted)


def test_numpy_values_are_understood(tmp_path: Path) -> None:
    records = irsr_records()
    records[0]["rank"] = np.array([0, 2, 1])
    records[0]["annotations"][0]["bbox"] = np.array([1.0, 2.0, 4.0, 5.0])
    records[1]["rank"] = [np.int64(0)]
    first, second = load_irsr(write_irsr(tmp_path, records), "test")
    assert [item["gt_rank"] for item in first["annotations"]] == [3, 1, 2]
    assert first["annotations"][0]["bbox"] == [1.0, 2.0, 4.0, 5.0]
    assert second["annotations"][0]["gt_rank"] == 1


def test_empty_split(tmp_path: Path) -> None:
    assert load_irsr(write_irsr(tmp_path, []), "test") == []


def changed(record: int = 0, **fields: Any) -> list[dict[str, Any]]:
    records = irsr_records()
    records[record].update(fields)
    return records


def changed_object(**fields: Any) -> list[dict[str, Any]]:
    records = irsr_records()
    records[0]["annotations"][0].update(fields)
    return records


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ({}, "expected a list of records, got a dict"),
        ([*irsr_records(), 3], "test.pkl: [2]: file_name: must be a name, got None"),
        (changed(file_name=7), "[0]: file_name: must be a name, got 7"),
        (changed(file_name="/a/gone.png"), "[0]: file_name: no picture at"),
        (changed(1, file_name="x/COCO_val2014_1.png"), "[1]: file_name: 'COCO_val2014_1.png' was"),
        (changed(rank=None), "[0] (COCO_val2014_1.png): needs the lists 'annotations' and 'rank'"),
        (changed(rank=[0, 1]), "has 3 annotations, but 2 ranks"),
        (changed(rank=[0, 1, "2"]), "rank[2]: must be an integer, 0 or more, got '2'"),
        (changed(rank=[0, 1, -1]), "rank[2]: must be an integer, 0 or more, got -1"),
        (changed(rank=[0, 1, 2.0]), "rank[2]: must be an integer"),
        (
            changed(height=99),
            "the picture is 12 x 16 (height x width), its annotations are for 99 x 16",
        ),
        (changed_object(bbox=[1, 2, 3]), "annotations[0]: bbox must be four numbers"),
        (changed_object(segmentation=[[1, 2]]), "annotations[0]: polygon 0"),
        (changed_object(segmentation={"size": [1, 1], "counts": "x"}), "RLE size [1, 1]"),
    ],
)
def test_faults(tmp_path: Path, records: Any, message: str) -> None:
    root = write_irsr(tmp_path, records)
    with pytest.raises(DataError) as caught:
        load_irsr(root, "test")
    assert message in str(caught.value)
    assert len(caught.value.problems) == 1


def test_all_faults_at_once(tmp_path: Path) -> None:
    records = changed(rank=[0, 1])
    records[1]["annotations"][0]["segmentation"] = []
    records.append({"file_name": "gone.png", "annotations": [], "rank": []})
    with pytest.raises(DataError) as caught:
        load_irsr(write_irsr(tmp_path, records), "test")
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (changed_object(bbox=[1, 2, 0, 5]), "unusable box"),
        (changed(rank=[0, 1, 7]), "7 of 3 objects"),
    ],
)
def test_lesser_faults_are_warnings_unless_strict(
    tmp_path: Path, records: Any, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_irsr(tmp_path, records)
    with caplog.at_level(logging.WARNING):
        assert len(load_irsr(root, "test")) == 2
    assert message in caplog.text
    with pytest.raises(DataError):
        load_irsr(root, "test", strict=True)


def test_damaged_picture(tmp_path: Path) -> None:
    root = write_irsr(tmp_path, irsr_records())
    (root / "Images/test/rgb/COCO_val2014_2.png").write_text("text")
    with pytest.raises(DataError, match=r"\[1\].*not a picture"):
        load_irsr(root, "test")


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.mkdir, ("evil",)


def test_pickles_are_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    root = write_irsr(tmp_path, [])
    (root / "Annotations/test.pkl").write_bytes(pickle.dumps([Evil()]))
    with pytest.raises(DataError, match="code, not data"):
        load_irsr(root, "test")
    assert not (tmp_path / "evil").exists()
