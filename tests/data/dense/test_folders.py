"""Folders of pictures with masks, and their registration."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from detectron2.config import CfgNode
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


def test_folders_without_masks(tmp_path: Path) -> None:
    touch(tmp_path, "i/1.jpg", "i/2.jpg", "t/1.png", "t/2.png")
    dicts = load_sod_folder(tmp_path / "i", thermal=tmp_path / "t")
    assert [set(item) for item in dicts] == [{"file_name", "image_id", "thermal_file_name"}] * 2
    assert load_sod_folder(tmp_path / "i", "") == load_sod_folder(tmp_path / "i")
    touch(tmp_path, "i/3.jpg", "t/4.png")
    with pytest.raises(DataError) as caught:
        load_sod_folder(tmp_path / "i", thermal=tmp_path / "t")
    assert caught.value.problems == [
        f"{tmp_path}/i/3.jpg: no file of the same stem in {tmp_path}/t (thermal)",
        f"{tmp_path}/t/4.png: no file of the same stem in {tmp_path}/i (image)",
    ]
    with pytest.raises(DataError, match=r"none: no such folder \(depth\)"):
        load_sod_folder(tmp_path / "i", depth=tmp_path / "none")


def frames(root: Path, **options: object) -> list[tuple[object, ...]]:
    """(image_id, video, index, next, previous) of each frame, the latter two as names."""
    keys = ("image_id", "video_id", "frame_index", "next_file_name", "previous_file_name")
    found = []
    for item in load_sod_folder(root / "i", video=True, **options):
        paths = [os.path.basename(item[key]) if key in item else None for key in keys[3:]]
        found.append((*(item[key] for key in keys[:3]), *paths))
    return found


def test_a_flat_folder_is_one_video(tmp_path: Path) -> None:
    touch(tmp_path, "i/f9.jpg")
    assert frames(tmp_path) == [("f9", "", 0, None, None)]
    touch(tmp_path, "i/f10.jpg", "i/f11.jpg")
    assert frames(tmp_path) == [
        ("f9", "", 0, "f10.jpg", None),
        ("f10", "", 1, "f11.jpg", None),
        ("f11", "", 2, None, "f10.jpg"),
    ]


def test_folders_inside_are_videos(tmp_path: Path) -> None:
    touch(
        tmp_path, "i/a/1.jpg", "i/a/2.jpg", "i/b/c/1.jpg", "f/a/1.png", "f/a/2.png", "f/b/c/1.png"
    )
    assert frames(tmp_path) == [
        ("a/1", "a", 0, "2.jpg", None),
        ("a/2", "a", 1, None, "1.jpg"),
        ("b/c/1", "b/c", 0, None, None),
    ]
    with_flow = load_sod_folder(tmp_path / "i", video=True, flow=tmp_path / "f")
    assert [item["frame_index"] for item in with_flow] == [0, 1, 0]
    assert with_flow[0]["flow_file_name"] == str(tmp_path / "f/a/1.png")
    assert not any("next_file_name" in item for item in with_flow)


def test_masks_say_which_frames_belong_to_the_set(tmp_path: Path) -> None:
    touch(tmp_path, *(f"i/{n}.jpg" for n in range(1, 5)), "m/2.png", "m/4.png")
    assert frames(tmp_path, mask_root=tmp_path / "m") == [
        ("2", "", 0, "3.jpg", None),
        ("4", "", 1, None, "3.jpg"),
    ]
    touch(tmp_path, "m/9.png")
    with pytest.raises(DataError, match="9.png: no file of the same stem in .*i .image"):
        frames(tmp_path, mask_root=tmp_path / "m")


def config(*entries: object) -> CfgNode:
    cfg = get_cfg()
    cfg.DATASETS.EXTRA = entries
    return cfg


def test_extra_sets_of_a_config(tmp_path: Path, names: list[str]) -> None:
    names.append("test_extra_dense")
    touch(tmp_path, "i/1.jpg", "m/1.png")
    cfg = config(("test_extra_dense", str(tmp_path / "i"), str(tmp_path / "m")))
    register_extra(config())
    register_extra(cfg)
    register_extra(cfg)
    assert len(DatasetCatalog.get("test_extra_dense")) == 1
    metadata = MetadataCatalog.get("test_extra_dense")
    assert (metadata.evaluator_type, metadata.has_masks, metadata.video) == ("dense", True, False)


def test_extra_sets_with_more_beside_the_picture(tmp_path: Path, names: list[str]) -> None:
    names += ["test_extra_1", "test_extra_2"]
    touch(tmp_path, "i/a/1.jpg", "t=x/a/1.png", "d/a/1.png")
    images, thermal, depth = (str(tmp_path / name) for name in ("i", "t=x", "d"))
    cfg = config(
        ["test_extra_1", images, "", f"thermal={thermal}", f"depth={depth}"],
        ["test_extra_2", images, "", "video"],
    )
    register_extra(cfg)
    register_extra(cfg)
    (item,), (frame,) = (DatasetCatalog.get(name) for name in names)
    assert item.keys() == {"file_name", "image_id", "thermal_file_name", "depth_file_name"}
    assert item["thermal_file_name"] == str(tmp_path / "t=x/a/1.png")
    assert frame["video_id"] == "a"
    facts = [(m.has_masks, m.video, m.modalities) for m in map(MetadataCatalog.get, names)]
    assert facts == [(False, False, ("image", "thermal", "depth")), (False, True, ("image",))]
    # The same name for the same folders, but other ones beside them.
    with pytest.raises(ConfigError, match="'test_extra_1' is already taken"):
        register_extra(config(["test_extra_1", images, "", f"thermal={thermal}"]))


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ((), "must hold"),
        ("abc", "must hold"),
        (("x", "i"), "must hold"),
        (("x", "", "m"), "must hold"),
        (("x", "i", 3), "must hold"),
        (("x", "i", "", "lidar=l"), "set 'x': 'lidar=l' must be video or one of depth=folder, "),
        (("x", "i", "", "depth"), "'depth' must be"),
        (("x", "i", "", "depth="), "'depth=' must be"),
        (("x", "i", "", "video=1"), "'video=1' must be"),
        (("x", "i", "", "image_root=i"), "'image_root=i' must be"),
        (("x", "i", "m", "mask=m"), "'mask=m' must be"),
        (("x", "i", "", "depth=a", "depth=b"), "depth is given twice"),
        (("x", "i", "", "video", "video"), "video is given twice"),
        (("x", "a.json", "i", "depth=d"), "'depth=d' has no meaning for the ranked set 'x'"),
    ],
)
def test_faulty_extra_sets(entry: object, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        register_extra(config(entry))
    assert "x" not in DatasetCatalog.list()
