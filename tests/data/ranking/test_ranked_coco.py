"""The ranked COCO format: what is loaded, and every fault named."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import BoxMode
from pycocotools import mask as mask_utils

from sor_ppa.config import get_cfg
from sor_ppa.data.extra import register_extra
from sor_ppa.data.ranking import load_ranked_coco, register_ranked_coco
from sor_ppa.errors import ConfigError, DataError
from tests.data.sets import HEIGHT, WIDTH, coco, coco_object, write_coco


def test_empty_set(tmp_path: Path) -> None:
    files = write_coco(tmp_path, {"images": [], "annotations": []})
    assert load_ranked_coco(*files) == []


def test_dataset_dicts(tmp_path: Path) -> None:
    json_file, images = write_coco(tmp_path, coco())
    first, second = load_ranked_coco(json_file, images)
    assert first["file_name"] == str(images / "a.png")
    assert (first["image_id"], first["height"], first["width"]) == (10, HEIGHT, WIDTH)
    assert first["annotations"][0] == {
        "bbox": [1.0, 1.0, 4.0, 4.0],
        "bbox_mode": BoxMode.XYWH_ABS,
        "segmentation": [[1, 1, 5, 1, 5, 5, 1, 5]],
        "category_id": 0,
        "iscrowd": 0,
        "gt_rank": 2,
    }
    assert [item["gt_rank"] for item in first["annotations"]] == [2, 1, 0]
    assert {item["category_id"] for item in first["annotations"]} == {0}
    # The second picture's size was not in the file; its masks are run lengths.
    assert (second["height"], second["width"]) == (HEIGHT, WIDTH)
    assert [item["iscrowd"] for item in second["annotations"]] == [0, 1]
    areas = [int(mask_utils.area(item["segmentation"])) for item in second["annotations"]]
    assert areas == [49, 100]


def test_unused_images_are_kept(tmp_path: Path) -> None:
    data = coco()
    data["annotations"] = data["annotations"][:3]
    assert load_ranked_coco(*write_coco(tmp_path, data))[1]["annotations"] == []


def test_derived_ranks_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = coco(info={"ranks": {"source": "derived", "rule": "by size"}})
    with caplog.at_level(logging.INFO):
        load_ranked_coco(*write_coco(tmp_path, data))
    assert "ranks are derived (by size)" in caplog.text


def changed(index: int, **fields: Any) -> dict[str, Any]:
    """The set with some fields of one annotation changed; "..." deletes."""
    data = coco()
    data["annotations"][index].update(fields)
    for key in [key for key, value in fields.items() if value is ...]:
        del data["annotations"][index][key]
    return data


def changed_image(**fields: Any) -> dict[str, Any]:
    data = coco(annotations=[])
    data["images"][0].update(fields)
    return data


WHERE = "annotations[0] (id 1, image 10)"
FAULTS = [
    # top level
    ([], "line 1 column 1: expected a JSON object, got a list"),
    ({}, "has no list 'images'"),
    ({"images": [], "annotations": {}}, "has no list 'annotations'"),
    ({"images": [], "annotations": [], "categories": 3}, "categories must be a list"),
    (coco(annotations=[coco_object(1, 10, (1, 1, 5, 5))]), "prepare_ranked_coco.py"),
    (coco(categories=[{"name": "x"}]), "categories[0]: needs an id"),
    # images
    (coco(images=[3], annotations=[]), "images[0]: must be an object, got a int"),
    (
        coco(images=[{"file_name": "a.png"}], annotations=[]),
        "images[0]: id must be an integer or a string, got None",
    ),
    (changed_image(id=[1]), "id must be an integer or a string, got [1]"),
    (changed_image(id=11), "images[1]: id 11 was used before"),
    (changed_image(file_name=3), "images[0]: file_name must be a non-empty string, got 3"),
    (changed_image(file_name=""), "file_name must be a non-empty string"),
    (changed_image(file_name="a\0.png"), "file_name must be a non-empty string"),
    (changed_image(file_name="gone.png"), "image 10: file_name: no picture at"),
    (changed_image(height="12"), "images[0]: height and width must be integers, got '12' and 16"),
    (changed_image(height=0), "height and width must be at least 1, got 0 and 16"),
    (changed_image(height=200000, width=200000), "more than 100000000 pixels"),
    # references
    (coco(annotations=[*coco()["annotations"], 7]), "annotations[5]: must be an object, got a int"),
    (changed(0, id=...), "annotations[0]: has no 'id'"),
    (changed(0, image_id=...), "annotations[0]: has no 'image_id'"),
    (changed(0, category_id=...), "annotations[0]: has no 'category_id'"),
    (changed(0, id=2), "annotations[1]: id 2 was used before"),
    (changed(0, id=None), "annotations[0]: id must be an integer or a string, got None"),
    (changed(0, image_id=99), "annotations[0]: image_id 99 is not among the images"),
    (changed(0, image_id={}), "image_id must be an integer or a string, got {}"),
    (changed(0, category_id=4), "category_id 4 is not among the categories"),
    # shapes
    (changed(0, bbox=...), f"{WHERE}: has no 'bbox'"),
    (changed(0, segmentation=...), f"{WHERE}: has no 'segmentation'"),
    (changed(0, bbox=[1, 2, 3]), f"{WHERE}: bbox must be four numbers, got [1, 2, 3]"),
    (changed(0, bbox=[1, 2, 3, "4"]), "bbox must be four numbers"),
    (changed(0, segmentation=[]), "segmentation must be a list of polygons or an RLE dict"),
    (changed(0, segmentation=[[1, 1, 2, 2]]), f"{WHERE}: polygon 0: needs an even number"),
    (changed(0, segmentation=[[1, 1, 2, 2, 3, 3, 4]]), "6 or more, got 7"),
    (changed(0, segmentation=[[1, 1, math.nan, 2, 3, 3]]), "not finite or far outside"),
    (changed(0, segmentation=[[1, 1, math.inf, 2, 3, 3]]), "not finite or far outside"),
    (changed(0, segmentation=[[1, 1, 1e9, 2, 3, 3]]), "far outside the 12 x 16 image"),
    (changed(0, segmentation={"size": [12, 16], "counts": [5]}), "add up to 5, not to 12 x 16"),
    (changed(0, segmentation={"size": [99, 99], "counts": [5]}), "RLE size [99, 99]"),
    (changed(0, segmentation={"size": [12, 16], "counts": "zz~~"}), "RLE counts:"),
    (changed(0, iscrowd=2), f"{WHERE}: iscrowd: must be 0 or 1, got 2"),
    (changed(0, iscrowd=[]), "iscrowd: must be 0 or 1, got []"),
    # ranks
    (changed(0, rank="2"), f"{WHERE}: rank: rank must be an integer, got '2'"),
    (changed(0, rank=2.0), "rank must be an integer, got 2.0"),
    (changed(0, rank=True), "rank must be an integer, got True"),
    (changed(0, rank=None), "rank must be an integer, got None"),
    (changed(0, rank=-1), "rank must be 0 (not ranked) or 1, 2, ..., got -1"),
    (changed(0, rank=3), "image 10: rank: rank 2 is missing among [1, 3]"),
    (changed(0, rank=1), "image 10: rank: rank 1 is given to 2 objects"),
    (changed(4, rank=2), "rank: a crowd region cannot have a rank, got 2"),
]


@pytest.mark.parametrize(("data", "message"), FAULTS)
def test_faults(tmp_path: Path, data: Any, message: str) -> None:
    json_file, images = write_coco(tmp_path, data)
    with pytest.raises(DataError) as caught:
        load_ranked_coco(json_file, images)
    assert message in str(caught.value)
    assert str(json_file) in str(caught.value)
    assert len(caught.value.problems) == 1, caught.value.problems


def test_all_faults_at_once(tmp_path: Path) -> None:
    data = coco()
    data["annotations"][0]["segmentation"] = [[1, 2]]
    data["annotations"][1]["rank"] = "first"
    data["annotations"][2]["image_id"] = 5
    data["annotations"][3]["rank"] = 4
    data["images"].append({"id": 12, "file_name": "gone.png", "height": 3, "width": 3})
    # Objects of a faulty picture are not reported on top.
    data["annotations"].append(coco_object(9, 12, (0, 0, 2, 2), rank=1))
    with pytest.raises(DataError) as caught:
        load_ranked_coco(*write_coco(tmp_path, data))
    text = "\n".join(caught.value.problems)
    for part in ("polygon 0", "got 'first'", "image_id 5", "rank 1 is missing", "gone.png"):
        assert part in text
    # Image 10 has a rank that is unknown: nothing is said about gaps there.
    assert len(caught.value.problems) == 5


@pytest.mark.parametrize(
    "bbox", [[3, 3, 0, 4], [3, 3, 4, -1], [16, 0, 3, 3], [math.nan, 0, 3, 3], [0, 0, math.inf, 3]]
)
def test_unusable_boxes_are_left_out_or_refused(
    tmp_path: Path, bbox: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    files = write_coco(tmp_path, changed(0, bbox=bbox))
    with caplog.at_level(logging.WARNING):
        dicts = load_ranked_coco(*files)
    assert [item["gt_rank"] for item in dicts[0]["annotations"]] == [1, 0]
    assert "1 x unusable box (object left out)" in caplog.text
    with pytest.raises(DataError, match=r"annotations\[0\] \(id 1, image 10\): bbox: bbox "):
        load_ranked_coco(*files, strict=True)


def test_stated_sizes_are_compared_when_strict(tmp_path: Path) -> None:
    data = coco()
    data["images"][0].update(height=16, width=12)
    data["annotations"] = data["annotations"][3:]
    files = write_coco(tmp_path, data)
    assert load_ranked_coco(*files)[0]["height"] == 16
    with pytest.raises(DataError, match="image 10: the picture is 12 x 16.*are for 16 x 12.*EXIF"):
        load_ranked_coco(*files, strict=True)


def test_shared_ranks_are_allowed_when_the_file_says_so(tmp_path: Path) -> None:
    data = changed(0, rank=1)
    data["info"]["ranks"]["ties"] = True
    dicts = load_ranked_coco(*write_coco(tmp_path, data))
    assert [item["gt_rank"] for item in dicts[0]["annotations"]] == [1, 1, 0]


def test_cut_file_is_reported_with_line_and_column(tmp_path: Path) -> None:
    json_file, images = write_coco(tmp_path, coco())
    json_file.write_text(json.dumps(coco(), indent=1)[:200])
    with pytest.raises(DataError, match=r"line \d+ column \d+: not valid JSON"):
        load_ranked_coco(json_file, images)


def test_enormous_coordinates_cost_nothing(tmp_path: Path) -> None:
    import time

    resource = pytest.importorskip("resource")
    json_file, images = write_coco(tmp_path, changed(0, segmentation=[[1, 1, 1e300, 2, 3, 3]]))
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with pytest.raises(DataError):
        load_ranked_coco(json_file, images)
    assert time.perf_counter() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kilobytes


@pytest.fixture()
def names() -> Any:
    """Collects names to take out of the catalogs again."""
    used: list[str] = []
    yield used
    for name in used:
        DatasetCatalog.pop(name, None)
        MetadataCatalog.pop(name, None)


def test_registration(tmp_path: Path, names: list[str]) -> None:
    names.append("test_ranked")
    # Nothing is read yet: the files do not exist.
    register_ranked_coco("test_ranked", tmp_path / "annotations.json", tmp_path / "images")
    register_ranked_coco("test_ranked", tmp_path / "annotations.json", tmp_path / "images")
    metadata = MetadataCatalog.get("test_ranked")
    assert metadata.evaluator_type == "ranking"
    assert metadata.thing_classes == ["salient_obj"]
    assert metadata.json_file == str(tmp_path / "annotations.json")
    assert metadata.image_root == str(tmp_path / "images")
    write_coco(tmp_path, coco())
    assert len(DatasetCatalog.get("test_ranked")) == 2
    with pytest.raises(ConfigError, match="'test_ranked' is already taken"):
        register_ranked_coco("test_ranked", tmp_path / "other.json", tmp_path / "images")


@pytest.mark.parametrize("name", ["", "../up", "/abs", "a b", "nul\0", ".hidden", "a/b"])
def test_names_that_would_leave_the_output_folder(name: str) -> None:
    with pytest.raises(ConfigError, match="data set name"):
        register_ranked_coco(name, "a.json", "images")


def test_extra_sets_of_a_config(tmp_path: Path, names: list[str]) -> None:
    json_file, images = write_coco(tmp_path, coco())
    cfg = get_cfg()
    register_extra(cfg)
    names += ["test_extra_one", "test_extra_two"]
    cfg.DATASETS.EXTRA = [[name, str(json_file), str(images)] for name in names]
    register_extra(cfg)
    register_extra(cfg)
    assert [len(DatasetCatalog.get(name)) for name in names] == [2, 2]


@pytest.mark.parametrize(
    "extra", [("a", "b", "c"), (("a", "b"),), (("a", "b", 3),), ((None, "b", "c"),), ("abc",)]
)
def test_extra_that_is_no_triple(extra: Any) -> None:
    cfg = get_cfg()
    cfg.DATASETS.EXTRA = extra
    with pytest.raises(ConfigError, match="DATASETS.EXTRA must hold"):
        register_extra(cfg)
