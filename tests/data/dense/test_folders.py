"""Folders of pictures with masks, and their registration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from sor_ppa.config import get_cfg
from sor_ppa.data.dense.folders import load_sod_folder, register_sod_folder
from sor_ppa.data.extra import register_extra
from sor_ppa.errors import ConfigError, DataError


def touch(root: Path, *names: str) -> Path:
    """Empty files: a loader that opened one would fail."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


@pytest.fixture()
def names() -> Iterator[list[str]]:
    used: list[str] = []
    yield used
    for name in used:
        DatasetCatalog.pop(name, None)
        MetadataCatalog.pop(name, None)


def ids(root: Path, **options: object) -> list[str]:
    return [item["image_id"] for item in load_sod_folder(root / "i", root / "m", **options)]


def test_empty_and_missing_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        ids(tmp_path)
    assert len(caught.value.problems) == 2
    (tmp_path / "i").mkdir()
    (tmp_path / "m").mkdir()
    with pytest.raises(DataError, match="no picture in .*i has files of the same stem in .*m"):
        ids(tmp_path)


def test_dicts_and_their_order(tmp_path: Path) -> None:
    touch(tmp_path / "i", "b.jpg", "a10.jpg", "A9.JPEG", "a.b.c.png", "notes.txt", "._b.jpg")
    touch(tmp_path / "m", "b.png", "a10.PNG", "A9.bmp", "a.b.c.tif", ".DS_Store", "Thumbs.db")
    assert ids(tmp_path) == ["A9", "a10", "a.b.c", "b"]
    dicts = load_sod_folder(tmp_path / "i", str(tmp_path / "m"))
    assert dicts[0] == {
        "file_name": str(tmp_path / "i/A9.JPEG"),
        "image_id": "A9",
        "sem_seg_file_name": str(tmp_path / "m/A9.bmp"),
    }


def test_folders_inside_are_part_of_the_name(tmp_path: Path) -> None:
    touch(tmp_path / "i", "x/1.jpg", "y/1.jpg", "1.jpg")
    touch(tmp_path / "m", "x/1.png", "y/1.png", "1.png")
    assert ids(tmp_path) == ["1", "x/1", "y/1"]


def test_pictures_and_masks_in_one_folder(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "1.png", "2.JPG", "2.PNG")
    dicts = load_sod_folder(tmp_path, tmp_path)
    assert [Path(item["file_name"]).name for item in dicts] == ["1.jpg", "2.JPG"]
    assert [Path(item["sem_seg_file_name"]).name for item in dicts] == ["1.png", "2.PNG"]


def test_masks_inside_the_folder_of_pictures(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "masks/1.png")
    (item,) = load_sod_folder(tmp_path, tmp_path / "masks")
    assert item["image_id"] == "1"


def test_links_that_lead_back_end(tmp_path: Path) -> None:
    touch(tmp_path, "i/1.jpg", "i/x/2.jpg", "m/1.png", "m/x/2.png")
    (tmp_path / "i" / "x" / "loop").symlink_to(tmp_path / "i")
    assert ids(tmp_path) == ["1", "x/2"]


def test_modalities(tmp_path: Path) -> None:
    touch(tmp_path, "i/1.jpg", "m/1.png", "d/1.bmp")
    (item,) = load_sod_folder(tmp_path / "i", tmp_path / "m", depth=tmp_path / "d")
    assert item["depth_file_name"] == str(tmp_path / "d/1.bmp")
    for modality in ("dept", "mask", "image"):
        with pytest.raises((ConfigError, TypeError), match="modality|multiple values"):
            load_sod_folder(tmp_path / "i", tmp_path / "m", **{modality: tmp_path / "d"})


def test_missing_partners_are_all_listed_or_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    touch(tmp_path / "i", *(f"{n}.jpg" for n in range(40)))
    touch(tmp_path / "m", "3.png", "x.png")
    with pytest.raises(DataError, match="... and 20 more") as caught:
        ids(tmp_path)
    assert len(caught.value.problems) == 40
    assert ids(tmp_path, on_missing="skip") == ["3"]
    assert "40 files left out" in caplog.text
    with pytest.raises(ConfigError, match="'error' or 'skip', got 'no'"):
        ids(tmp_path, on_missing="no")


def test_registration(tmp_path: Path, names: list[str]) -> None:
    names.append("test_sod")
    for _ in range(2):  # the folders do not exist yet
        register_sod_folder("test_sod", tmp_path / "i", tmp_path / "m", thermal=tmp_path / "t")
    metadata = MetadataCatalog.get("test_sod")
    assert (metadata.evaluator_type, metadata.task) == ("dense", "sod")
    assert (metadata.image_root, metadata.gt_root) == (str(tmp_path / "i"), str(tmp_path / "m"))
    assert metadata.modalities == ("image", "thermal") and metadata.mask_threshold == 127
    touch(tmp_path, "i/1.jpg", "m/1.png", "t/1.jpg")
    (item,) = DatasetCatalog.get("test_sod")
    assert item["thermal_file_name"] == str(tmp_path / "t/1.jpg")
    with pytest.raises(ConfigError, match="'test_sod' is already taken"):
        register_sod_folder("test_sod", tmp_path / "i", tmp_path / "other")
    with pytest.raises(ConfigError, match="data set name '../up'"):
        register_sod_folder("../up", tmp_path / "i", tmp_path / "m")
    with pytest.raises(ConfigError, match="unknown modality 'lidar'; known are depth"):
        register_sod_folder("test_sod_2", tmp_path / "i", tmp_path / "m", lidar="l")
    assert "test_sod_2" not in DatasetCatalog.list()


def test_names_of_benchmarks_are_taken(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'ecssd' is already taken"):
        register_sod_folder("ecssd", tmp_path / "i", tmp_path / "m")


def test_extra_sets_of_a_config(tmp_path: Path, names: list[str]) -> None:
    names.append("test_extra_dense")
    touch(tmp_path, "i/1.jpg", "m/1.png")
    cfg = get_cfg()
    cfg.DATASETS.EXTRA = (("test_extra_dense", str(tmp_path / "i"), str(tmp_path / "m")),)
    register_extra(cfg)
    register_extra(cfg)
    assert len(DatasetCatalog.get("test_extra_dense")) == 1
    assert MetadataCatalog.get("test_extra_dense").evaluator_type == "dense"
