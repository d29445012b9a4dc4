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
from sor_ppa.data.registry import BENCHMARKS, Benchmark, Split, datasets_root, register_all
from sor_ppa.errors import DataError
from tests.data.sets import irsr_records, write_assr, write_irsr

NAMES = ["assr_train", "assr_val", "assr_test", "irsr_train", "irsr_test"]


@pytest.mark.parametrize("name", NAMES)
def test_registered_with_metadata(name: str) -> None:
    assert name in DatasetCatalog.list()
    metadata = MetadataCatalog.get(name)
    assert metadata.evaluator_type == metadata.task == "ranking"
    assert metadata.thing_classes == ["salient_obj"]
    assert metadata.expected_count > 1000
    assert metadata.homepage.startswith("https://")
    assert metadata.paper and metadata.licence


def test_names_are_unique_and_lower_case() -> None:
    names = [f"{row.name}_{split}" for row in BENCHMARKS for split in row.splits]
    assert sorted(names) == sorted(NAMES)
    assert all(name == name.lower() for name in names)


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
    assert "assr_test has 2 pictures, its authors state 2418" in caplog.text
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
