"""The ASSR loader."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from detectron2.structures import BoxMode

from sor_ppa.data.ranking.assr import load_assr, rank_of_value
from sor_ppa.errors import DataError
from tests.data.sets import HEIGHT, WIDTH, picture, write_assr


@pytest.mark.parametrize(
    ("value", "rank"),
    [
        (1.0, 1),
        (0.9, 2),
        (0.8, 3),
        (0.7, 4),
        (0.6, 5),
        (0.5, 0),
        (0.4, 0),
        (0.0, 0),
        (-0.1, 0),
        (-2.3, 0),
        (1, 1),
        (0, 0),
        (1.0 - 0.1 - 0.1 - 0.1, 4),  # 0.7000000000000001
        (0.6000000000000001, 5),
        (0.5999999999999999, 5),
    ],
)
def test_rank_of_value(value: float, rank: int) -> None:
    assert rank_of_value(value) == rank


def test_dataset_dicts(tmp_path: Path) -> None:
    first, second = load_assr(write_assr(tmp_path), "test", strict=True)
    assert first["file_name"] == str(tmp_path / "images" / "test" / "one.jpg")
    assert (first["image_id"], first["height"], first["width"]) == (0, HEIGHT, WIDTH)
    # 0.7, 1.0, 0.5, 0.9, 0.8, -0.3: the third and the last are not salient.
    assert [item["gt_rank"] for item in first["annotations"]] == [4, 1, 2, 3]
    assert first["annotations"][1] == {
        "bbox": [1.0, 1.0, 5.0, 6.0],
        "bbox_mode": BoxMode.XYXY_ABS,
        "segmentation": [[1, 1, 5, 1, 5, 6, 1, 6]],
        "category_id": 0,
        "iscrowd": 0,
        "gt_rank": 1,
    }
    assert second["image_id"] == 1 and second["annotations"] == []


def test_unranked_objects_can_be_kept(tmp_path: Path) -> None:
    first, second = load_assr(write_assr(tmp_path), "test", keep_unranked=True)
    assert [item["gt_rank"] for item in first["annotations"]] == [4, 1, 0, 2, 3, 0]
    assert [item["gt_rank"] for item in second["annotations"]] == [0]


def test_empty_split(tmp_path: Path) -> None:
    (tmp_path / "obj_seg_data_val.json").write_text("[]")
    assert load_assr(tmp_path, "val") == []


def edit_objects(change: Callable[[list[Any]], None]) -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        path = root / "obj_seg_data_test.json"
        records = json.loads(path.read_text())
        change(records)
        path.write_text(json.dumps(records))

    return edit


def edit_ranks(value: Any) -> Callable[[Path], None]:
    return lambda root: (root / "rank_order/test/one.json").write_text(json.dumps(value)) and None


def ranks(*values: Any) -> Callable[[Path], None]:
    return edit_ranks({"rank_order": list(values)})


def set_object(**fields: Any) -> Callable[[Path], None]:
    return edit_objects(lambda records: records[0]["object_data"][1].update(fields))


FAULTS: list[tuple[Callable[[Path], Any], str]] = [
    (lambda root: (root / "obj_seg_data_test.json").unlink(), "cannot be read"),
    (
        lambda root: (root / "obj_seg_data_test.json").write_text("{}"),
        "expected a list, got a dict",
    ),
    (lambda root: (root / "obj_seg_data_test.json").write_text('[{"img'), "line 1 column 3"),
    (edit_objects(lambda r: r.append(3)), "[2]: img: must be a name without folder, got None"),
    (edit_objects(lambda r: r[0].update(img=7)), "[0]: img: must be a name without folder, got 7"),
    (
        edit_objects(lambda r: r[0].update(object_data=None)),
        "object_data: must be a list, got NoneT",
    ),
    (edit_objects(lambda r: r.append(r[0])), "[2]: img: 'one' was used before"),
    (edit_objects(lambda r: r[0].update(img="../x")), "without folder, got '../x'"),
    (lambda root: (root / "images/test/one.jpg").unlink(), "no picture one.jpg"),
    (lambda root: (root / "images/test/one.jpg").write_text("text"), "not a picture"),
    (lambda root: (root / "rank_order/test/one.json").unlink(), "one.json: cannot be read"),
    (edit_ranks([1.0]), "one.json: expected {'rank_order': [number, ...]}"),
    (edit_ranks({"rank_order": 3}), "one.json: expected {'rank_order'"),
    (ranks(1.0, 0.9), "(img 'one'): object_data has 6 objects, rank_order 2 numbers"),
    (ranks(1.0, 0.9, "0.8", 0, 0, 0), "rank_order[2]: must be a number, got '0.8'"),
    (ranks(1.0, None, 0, 0, 0, 0), "rank_order[1]: must be a number, got None"),
    (ranks(1.0, float("nan"), 0, 0, 0, 0), "rank_order[1]: must be a number, got nan"),
    (ranks(1.1, 0.9, 0, 0, 0, 0), "rank_order[0]: must be 1.0, 0.9, 0.8, ..., got 1.1"),
    (ranks(255, 0.9, 0, 0, 0, 0), "rank_order[0]: must be 1.0"),
    (ranks(1.0, 0.85, 0, 0, 0, 0), "rank_order[1]: must be 1.0, 0.9, 0.8, ..., got 0.85"),
    (edit_objects(lambda r: r[0]["object_data"].__setitem__(1, 3)), "object_data[1]: must be an"),
    (edit_objects(lambda r: r[0]["object_data"][1].pop("bbox")), "object_data[1]: has no 'bbox'"),
    (set_object(bbox=[1, 2]), "object_data[1]: bbox must be four numbers, got [1, 2]"),
    (set_object(segmentation=[[1, 2, 3]]), "object_data[1]: polygon 0: needs an even number"),
    (set_object(segmentation=[[1, 2, 3, 4, 5, 1e9]]), "object_data[1]: polygon 0: x 1"),
    (set_object(segmentation={"size": [9, 9], "counts": "a"}), "RLE size [9, 9]"),
]


@pytest.mark.parametrize(("damage", "message"), FAULTS)
def test_faults(tmp_path: Path, damage: Callable[[Path], Any], message: str) -> None:
    root = write_assr(tmp_path)
    damage(root)
    with pytest.raises(DataError) as caught:
        load_assr(root, "test")
    assert message in str(caught.value), caught.value
    assert len(caught.value.problems) == 1


def test_all_faults_at_once(tmp_path: Path) -> None:
    root = write_assr(tmp_path)
    set_object(segmentation=[[1, 2, 3]])(root)
    (root / "rank_order/test/two.dots.json").write_text('{"rank_order": [1.0, 0.9]}')
    picture(root / "images" / "test" / "three.jpg")
    edit_objects(lambda r: r.append({"img": "three", "object_data": []}))(root)
    with pytest.raises(DataError) as caught:
        load_assr(root, "test")
    assert len(caught.value.problems) == 3


WARNINGS: list[tuple[Callable[[Path], Any], str]] = [
    (set_object(bbox=[5, 1, 1, 6]), "unusable box"),
    (set_object(bbox=[90, 1, 95, 6]), "unusable box"),
    (ranks(1.0, 1.0, 0, 0, 0, 0), "rank 1 is given to 2 objects"),
    (ranks(1.0, 0.8, 0, 0, 0, 0), "rank 2 is missing among [1, 3]"),
    (
        lambda root: (root / "test_images.txt").write_text("one\n"),
        "'two.dots' is in the JSON file, but not in the list",
    ),
    (
        lambda root: (root / "test_images.txt").write_text("one two.dots x"),
        "'x' is in the list, but not in the JSON file",
    ),
]


@pytest.mark.parametrize(("damage", "message"), WARNINGS)
def test_lesser_faults_are_warnings_unless_strict(
    tmp_path: Path, damage: Callable[[Path], Any], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_assr(tmp_path)
    damage(root)
    with caplog.at_level(logging.WARNING):
        assert len(load_assr(root, "test")) == 2
    assert message in caplog.text
    with pytest.raises(DataError):
        load_assr(root, "test", strict=True)


def test_run_lengths_are_kept(tmp_path: Path) -> None:
    root = write_assr(tmp_path)
    set_object(segmentation={"size": [HEIGHT, WIDTH], "counts": [0, 20, HEIGHT * WIDTH - 20]})(root)
    annotation = load_assr(root, "test")[0]["annotations"][1]
    assert isinstance(annotation["segmentation"], dict)
    assert annotation["segmentation"]["size"] == [HEIGHT, WIDTH]


def test_pictures_of_other_suffixes_are_found(tmp_path: Path) -> None:
    root = write_assr(tmp_path)
    (root / "images/test/one.jpg").rename(root / "images/test/one.JPEG")
    assert load_assr(root, "test")[0]["file_name"].endswith("one.JPEG")


def test_no_picture_is_decoded(tmp_path: Path) -> None:
    root = write_assr(tmp_path)
    path = root / "images/test/one.jpg"
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"\xff\xda") + 20])  # the header is whole, the rest gone
    assert load_assr(root, "test")[0]["height"] == HEIGHT
