"""Data sets with pseudo labels in place of masks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog

from sor_ppa.config import get_cfg
from sor_ppa.data.aliases import resolve_config
from sor_ppa.data.benchmarks import BENCHMARKS
from sor_ppa.data.dense.pseudo import label_path, pseudo_root, register_pseudo_sets, task_of
from sor_ppa.data.extra import register_extra
from sor_ppa.errors import ConfigError, DataError
from tests.data.benchmark_sets import write_set

pytestmark = pytest.mark.usefixtures("forget_data_sets")


@pytest.fixture()
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    return tmp_path


def config(train: tuple[str, ...] = (), test: tuple[str, ...] = (), **datasets: object) -> CfgNode:
    cfg = get_cfg()
    cfg.DATASETS.TRAIN, cfg.DATASETS.TEST = train, test
    for key, value in datasets.items():
        cfg.DATASETS[key] = value
    return cfg


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


def write_benchmark(root: Path, name: str) -> list[str]:
    row = next(row for row in BENCHMARKS if name in row.registered())
    return write_set(root, row.registered()[name].layouts[0])


def test_nothing_to_register() -> None:
    before = DatasetCatalog.list()
    register_pseudo_sets(config())
    register_pseudo_sets(config(("duts_train", "never_heard_of"), ("ecssd",)))
    assert DatasetCatalog.list() == before


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("duts_train", "rgb"),
        ("MSB-TR", "rgb"),
        ("RGBD-TR", "rgbd"),
        ("RGBD-TR-2985", "rgbd"),
        ("VT5000-TR", "rgbt"),
        ("VSOD-TR", "video"),
        ("davis16_train", "video"),
        ("VSOD-TR_pseudo", "video"),
        (("image",), "rgb"),
        ((), "rgb"),
        (("image", "flow"), "video"),
        (("image", "flow", "thermal"), "rgbt"),
    ],
)
def test_tasks(name: str | tuple[str, ...], task: str) -> None:
    assert task_of(name) == task


def test_task_of_an_unknown_set() -> None:
    with pytest.raises(ConfigError, match="'never_heard_of'.*DATASETS.EXTRA"):
        task_of("never_heard_of")


def test_root_of_the_labels(root: Path) -> None:
    assert pseudo_root(config()) == str(root / "pseudo")
    assert pseudo_root(config(PSEUDO_ROOT="~/p")) == os.path.expanduser("~/p")


def test_path_of_a_label() -> None:
    path = label_path("r", "video", "vsod_train", "bear/00.v1")
    assert path == Path("r/video/vsod_train/bear/00.v1.png")
    assert label_path("r", "rgb", "x", 12) == Path("r/rgb/x/12.png")


@pytest.mark.parametrize(
    ("spelling", "name", "task"),
    [
        ("DUTS-TR_pseudo", "duts_train", "rgb"),
        ("rgbd_train_2185_pseudo", "rgbd_train_2185", "rgbd"),
        ("VT5000-TR_pseudo", "vt5000_train", "rgbt"),
        ("vsod_train_pseudo", "vsod_train", "video"),
    ],
)
def test_benchmarks_with_pseudo_labels(root: Path, spelling: str, name: str, task: str) -> None:
    cfg = config((spelling, "ecssd"))
    register_pseudo_sets(cfg)  # nothing is there yet
    register_pseudo_sets(cfg)
    resolve_config(cfg)
    assert list(cfg.DATASETS.TRAIN) == [f"{name}_pseudo", "ecssd"]
    stems = write_benchmark(root, name)
    for stem in stems:
        touch(root / "pseudo" / task / name / f"{stem}.png")
    base, ours = DatasetCatalog.get(name), DatasetCatalog.get(f"{name}_pseudo")
    assert len(ours) == len(stems) == len(base)
    for item, old in zip(ours, base, strict=True):
        label = item["sem_seg_file_name"]
        assert label == str(label_path(root / "pseudo", task, name, item["image_id"]))
        assert Path(label).is_file()
        assert {**item, "sem_seg_file_name": old["sem_seg_file_name"]} == old
    metadata, known = MetadataCatalog.get(f"{name}_pseudo"), MetadataCatalog.get(name)
    assert metadata.pseudo and metadata.base == name and metadata.has_masks
    assert metadata.gt_root == str(root / "pseudo" / task / name)
    assert metadata.image_root == known.image_root and metadata.modalities == known.modalities
    assert metadata.evaluator_type == "dense" and not known.get("pseudo")


def test_missing_labels_are_all_named_with_the_remedy(root: Path) -> None:
    stems = write_benchmark(root, "duts_train")
    touch(root / "pseudo/rgb/duts_train" / f"{stems[0]}.png")
    register_pseudo_sets(config(test=("duts_train_pseudo",)))
    with pytest.raises(DataError) as caught:
        DatasetCatalog.get("duts_train_pseudo")
    remedy, *gone = caught.value.problems
    folder = root / "pseudo/rgb/duts_train"
    assert "2 of 3 labels" in remedy and "tools/make_pseudo_labels.py" in remedy
    assert "DATASETS.PSEUDO_ROOT" in remedy and str(folder) in str(caught.value)
    assert gone == [f"{folder / stem}.png: no such file" for stem in stems[1:]]


def test_another_root_later(root: Path) -> None:
    for stem in write_benchmark(root, "duts_train"):
        touch(root / "other/rgb/duts_train" / f"{stem}.png")
    register_pseudo_sets(config(("duts_train_pseudo",)))
    register_pseudo_sets(config(("duts_train_pseudo",), PSEUDO_ROOT=str(root / "other")))
    (item, *_) = DatasetCatalog.get("duts_train_pseudo")
    assert item["sem_seg_file_name"].startswith(str(root / "other"))


def test_sets_of_ones_own_without_masks(tmp_path: Path) -> None:
    for name in (
        "i/a/1.jpg",
        "i/a/2.jpg",
        "labels/video/beach/a/1.png",
        "labels/video/beach/a/2.png",
    ):
        touch(tmp_path / name)
    extra = (("beach", str(tmp_path / "i"), "", "video"),)
    cfg = config(("beach_pseudo",), EXTRA=extra, PSEUDO_ROOT=str(tmp_path / "labels"))
    register_extra(cfg)
    register_pseudo_sets(cfg)
    resolve_config(cfg)
    assert cfg.DATASETS.TRAIN == ("beach_pseudo",)
    labels = [item["sem_seg_file_name"] for item in DatasetCatalog.get("beach_pseudo")]
    assert labels == [str(tmp_path / f"labels/video/beach/a/{n}.png") for n in (1, 2)]
    assert not MetadataCatalog.get("beach").has_masks
    assert MetadataCatalog.get("beach_pseudo").has_masks


def test_a_set_whose_own_name_ends_so_stays_itself(tmp_path: Path) -> None:
    touch(tmp_path / "i/1.jpg")
    touch(tmp_path / "m/1.png")
    extra = (("my_pseudo", str(tmp_path / "i"), str(tmp_path / "m")),)
    cfg = config(("my_pseudo",), EXTRA=extra)
    register_extra(cfg)
    register_pseudo_sets(cfg)
    (item,) = DatasetCatalog.get("my_pseudo")
    assert item["sem_seg_file_name"] == str(tmp_path / "m/1.png")
    assert task_of("my_pseudo") == "rgb"


@pytest.mark.parametrize("name", ["nowhere_pseudo", "_pseudo"])
def test_unknown_bases(name: str) -> None:
    with pytest.raises(ConfigError, match="is registered, so .*DATASETS.EXTRA"):
        register_pseudo_sets(config((name,)))
    with pytest.raises(ConfigError, match="ambiguous"):
        register_pseudo_sets(config(("DUTS_pseudo",)))
