"""The table of benchmarks and its registration."""

from __future__ import annotations

import builtins
import importlib
import logging
import os
from pathlib import Path
from typing import Any

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from sor_ppa.data import registry
from sor_ppa.data.benchmarks import BENCHMARKS, Benchmark, Split
from sor_ppa.data.registry import datasets_root, register_all
from sor_ppa.errors import DataError
from tests.data.benchmark_sets import STEMS, write_set
from tests.data.sets import irsr_records, write_assr, write_irsr

RANKING = ["assr_train", "assr_val", "assr_test", "irsr_train", "irsr_test"]
NAMES = [name for row in BENCHMARKS for name in row.registered()]
# What must be there, whatever the table says.
WANTED = (
    "duts_train duts_test dut_omron ecssd hku_is pascal_s msra_b_train msra_b_val "
    "msra_b_test msb_train msra10k fss1000 sod duts_hq_train davis_s hrsod_train hrsod_test "
    "uhrsd_train uhrsd_test hrsod_train_lr uhrsd_train_lr dis5k_train dis5k_val dis5k_te1 "
    "dis5k_te2 dis5k_te3 dis5k_te4 rgbd_train_2185 rgbd_train_2985 dut_rgbd_test "
    "dut_rgbd_train lfsd njud_test njud_train nlpr_test nlpr_train rgbd135 sip ssd stere1000 "
    "stereo797 vt821 vt1000 vt5000_train vt5000_test segv2 fbms_train fbms davis16_train "
    "davis16_test davsod_train davsod_val davsod_test davsod_test_normal "
    "davsod_test_difficult vsod_train salicon_train salicon_val mit1003_train mit1003_val "
    "cat2000_train cat2000_val dut_omron_fix_train dut_omron_fix_val pascal_s_fix_train "
    "pascal_s_fix_val osie_train osie_val fiwi_train fiwi_val assr_train assr_val assr_test "
    "irsr_train irsr_test"
)


@pytest.mark.parametrize("name", RANKING)
def test_registered_with_metadata(name: str) -> None:
    assert name in DatasetCatalog.list()
    metadata = MetadataCatalog.get(name)
    assert metadata.evaluator_type == metadata.task == "ranking"
    assert metadata.thing_classes == ["salient_obj"]
    assert metadata.expected_count > 1000
    assert metadata.homepage.startswith("https://")
    assert metadata.paper and metadata.licence


def test_names_are_unique_and_lower_case() -> None:
    assert sorted(NAMES) == sorted(WANTED.split())
    assert all(name == name.lower() for name in NAMES)


@pytest.mark.parametrize("row", BENCHMARKS, ids=lambda row: row.name)
def test_metadata_of_every_set(row: Benchmark) -> None:
    evaluator = {"sod": "dense"}.get(row.task, row.task)
    for name, split in row.registered().items():
        assert name in DatasetCatalog.list()
        metadata = MetadataCatalog.get(name)
        assert (metadata.task, metadata.evaluator_type) == (row.task, evaluator)
        assert metadata.expected_count == split.count
        assert metadata.licence and metadata.paper and metadata.image_root
        assert metadata.homepage == "" or metadata.homepage.startswith("http")
        if evaluator == "dense":
            assert metadata.mask_threshold == 127 and metadata.gt_root
            assert metadata.modalities[0] == "image" and "mask" not in metadata.modalities
            assert metadata.mask_mode in ("soft", "threshold") and metadata.has_masks
            assert metadata.video == ("flow" in metadata.modalities)


def test_sets_whose_masks_must_be_thresholded() -> None:
    modes = {name: MetadataCatalog.get(name).get("mask_mode") for name in NAMES}
    assert {name for name, mode in modes.items() if mode == "threshold"} == {
        *("pascal_s", "vt821", "vt1000", "segv2", "fbms", "fbms_train")
    }


@pytest.mark.parametrize("name", ["duts_test", "davsod_test", "sip", "vt1000"])
def test_a_dense_set_is_loaded(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
) -> None:
    row = next(row for row in BENCHMARKS if name in row.registered())
    split = row.registered()[name]
    layout = split.layouts[-1]
    write_set(tmp_path, layout)
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    dicts = DatasetCatalog.get(name)
    assert len(dicts) in (3, 4) and dicts[0]["image_id"].split("/")[-1] == STEMS[0]
    metadata = MetadataCatalog.get(name)
    assert metadata.image_root == str(tmp_path / layout.folders["image"].path)
    assert metadata.gt_root == str(tmp_path / layout.folders["mask"].path)
    if split.count:
        who = "its authors state" if split.is_stated else "commonly it has"
        assert f"{name} has 3 pictures, {who} {split.count}" in caplog.text


def test_missing_dense_set_says_where_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path / "none"))
    with pytest.raises(DataError, match="duts_test .*none.*DUTS-TE-Image.*saliencydetection.net"):
        raise DataError([" ".join(str(_error_of("duts_test")).split())])


def _error_of(name: str) -> DataError:
    with pytest.raises(DataError) as caught:
        DatasetCatalog.get(name)
    return caught.value


def test_registering_again_changes_nothing() -> None:
    before = DatasetCatalog.list()
    register_all()
    importlib.reload(registry).register_all()
    assert DatasetCatalog.list() == before


def test_registration_touches_no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **_: object) -> None:
        raise AssertionError(f"touched {args}")

    for name in NAMES:
        DatasetCatalog.pop(name)
    for module, name in ((builtins, "open"), (os, "listdir"), (os, "stat"), (os, "scandir")):
        monkeypatch.setattr(module, name, refuse)
    register_all()
    monkeypatch.undo()
    assert set(NAMES) <= set(DatasetCatalog.list())


def test_root_is_read_when_a_set_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write_assr(tmp_path / "first" / "ASSR")
    write_assr(tmp_path / "second" / "ASSR")
    write_irsr(tmp_path / "second" / "IRSR", irsr_records())
    for folder in ("first", "second"):
        monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path / folder))
        with caplog.at_level(logging.WARNING):
            dicts = DatasetCatalog.get("assr_test")
        root = tmp_path / folder / "ASSR"
        assert dicts[0]["file_name"] == str(root / "images/test/one.jpg")
        metadata = MetadataCatalog.get("assr_test")
        assert metadata.image_root == str(root / "images/test")
        assert metadata.gt_root == str(root / "gt/test")
    assert "assr_test has 2 pictures, commonly it has 2418" in caplog.text
    assert len(DatasetCatalog.get("irsr_test")) == 2
    metadata = MetadataCatalog.get("irsr_test")
    assert metadata.image_root == str(tmp_path / "second/IRSR/Images/test/rgb")


def test_default_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DETECTRON2_DATASETS", raising=False)
    assert datasets_root() == "datasets"
    monkeypatch.setenv("DETECTRON2_DATASETS", "~/sets")
    assert datasets_root() == os.path.expanduser("~/sets")


def test_missing_set_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    for name, part in (("assr_train", "obj_seg_data_train.json"), ("irsr_test", "test.pkl")):
        with pytest.raises(DataError, match=part) as caught:
            DatasetCatalog.get(name)
        assert str(tmp_path) in str(caught.value)


def test_a_row_can_be_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))

    def load(folder: str, split: str) -> list[dict[str, Any]]:
        return [{"file_name": f"{folder}/{split}.jpg"}]

    row = Benchmark(
        name="made_up",
        task="ranking",
        folder="MadeUp",
        loader=load,
        splits={"test": Split(None, {"image_root": "MadeUp/images"})},
        paper="none",
        homepage="https://example.org",
        licence="free",
    )
    try:
        register_all((row,))
        assert DatasetCatalog.get("made_up_test") == [{"file_name": f"{tmp_path}/MadeUp/test.jpg"}]
        assert MetadataCatalog.get("made_up_test").image_root == f"{tmp_path}/MadeUp/images"
    finally:
        DatasetCatalog.pop("made_up_test")
        MetadataCatalog.pop("made_up_test")
