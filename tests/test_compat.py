"""Tests of the module that knows which detectron2 is installed."""

from __future__ import annotations

import logging
from pathlib import Path

import detectron2
import pytest
import torch
from detectron2.utils import comm

from sor_ppa import compat


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("", (0, 0)),
        ("unknown", (0, 0)),
        ("0.5", (0, 5)),
        ("0.5+pure.1", (0, 5)),
        ("0.6", (0, 6)),
        ("0.10.2rc1", (0, 10)),
        ("1.0", (1, 0)),
    ],
)
def test_release(version: str, expected: tuple[int, int]) -> None:
    assert compat._release(version) == expected


def test_installed_version_is_supported() -> None:
    assert compat.DETECTRON2_VERSION in {(0, 5), (0, 6)}
    assert detectron2.__version__.startswith("{}.{}".format(*compat.DETECTRON2_VERSION))


def test_is_main_agrees_with_a_class_that_only_main_has() -> None:
    from detectron2.engine import HookBase

    assert compat.is_main == hasattr(HookBase, "after_backward")


def test_is_main_looks_at_the_package_folder(tmp_path: Path) -> None:
    assert not compat._is_main(tmp_path)
    backbone = tmp_path / "modeling" / "backbone"
    backbone.mkdir(parents=True)
    assert not compat._is_main(tmp_path)
    (backbone / "vit.py").touch()
    assert compat._is_main(tmp_path)


def test_name_tells_main_from_the_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detectron2, "__version__", "0.6")
    monkeypatch.setattr(compat, "is_main", True)
    assert compat.detectron2_name() == "0.6 (main)"
    monkeypatch.setattr(compat, "is_main", False)
    assert compat.detectron2_name() == "0.6"


@pytest.mark.parametrize(
    ("device", "has_cuda", "expected"),
    [
        ("cpu", False, "cpu"),
        ("cpu", True, "cpu"),
        ("cuda", False, "cpu"),
        ("cuda:1", False, "cpu"),
        ("cuda", True, "cuda"),
        ("cuda:1", True, "cuda:1"),
        ("mps", False, "mps"),
    ],
)
def test_available_device(
    monkeypatch: pytest.MonkeyPatch, device: str, has_cuda: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_cuda)
    assert compat.available_device(device) == expected


def test_the_fall_back_to_cpu_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    compat._log_once.cache_clear()
    with caplog.at_level(logging.INFO, logger="sor_ppa.compat"):
        compat.available_device("cuda")
        compat.available_device("cuda")
    assert [record.name for record in caplog.records] == ["sor_ppa.compat"]
    assert "CPU" in caplog.text


def test_local_process_group_of_one(tmp_path: Path) -> None:
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1
    )
    try:
        compat.create_local_process_group(1)
        assert comm.get_local_size() == 1
        assert comm.get_local_rank() == 0
    finally:
        torch.distributed.destroy_process_group()
        comm._LOCAL_PROCESS_GROUP = None
