"""Spellings of data set names."""

from __future__ import annotations

import pytest
from detectron2.data import DatasetCatalog

from sor_ppa.config import get_cfg
from sor_ppa.data.aliases import resolve_config, resolve_name, spellings
from sor_ppa.errors import ConfigError


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("dut_omron", "DUT-OMRON DUTOMRON DUT_OMRON dut_omron dut-omron"),
        ("njud_test", "NJUD NJU2K njud"),
        ("stere1000", "STERE STEREO1000 SSB STERE1000"),
        ("rgbd135", "DES RGBD135"),
        ("dut_rgbd_test", "DUT-RGBD DUTLF-Depth dutlf_depth"),
        ("msra10k", "MSRA-10K MSRA10K"),
        ("hrsod_test", "HRSOD HRSOD-TE"),
        ("fss1000", "FSS FSS-1000"),
        ("duts_train", "DUTS-TR duts-train"),
        ("pascal_s", "PASCAL-S PascalS"),
        ("dis5k_val", "DIS-VD"),
        ("davis16_test", "DAVIS-TE"),
        ("msb_train", "MSB-TR"),
        ("irsr_test", "IRSR-test"),
        ("sod", "sod"),
        ("ssd", "ssd"),
        ("davis_s", "DAVIS-S"),
        ("rgbd_train_2185", "RGBD-TR RGBD-TR-2185"),
        ("rgbd_train_2985", "RGBD-TR-2985"),
        ("msra_b_test", "MSB-TE"),
        ("duts_test", "DUTS-TE"),
        ("hku_is", "HKU-IS"),
        ("nlpr_test", "NLPR"),
        ("sip", "SIP"),
        ("vt5000_train", "VT5000-TR"),
        ("vt5000_test", "VT5000-TE"),
        ("vt1000", "VT1000"),
        ("vt821", "VT821"),
        ("vsod_train", "VSOD-TR"),
        ("fbms", "FBMS"),
        ("segv2", "SegV2"),
        ("davsod_test", "DAVSOD-TE"),
        ("duts_train_pseudo", "DUTS-TR_pseudo duts_train_pseudo"),
    ],
)
def test_any_spelling(wanted: str, found: str) -> None:
    assert [resolve_name(name) for name in found.split()] == [wanted] * len(found.split())


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("DUT", "dut_omron, dut_rgbd_test, duts_test"),
        ("Ssd", "ssd"),
        ("SOD", "sod"),
        ("davis", "davis16_test, davis_s"),
        ("DUTS", "duts_train, duts_test"),
        ("MSRA-B", "msra_b_train, msra_b_val, msra_b_test"),
        ("assr", "assr_train, assr_val, assr_test"),
    ],
)
def test_spellings_of_several_sets_are_refused(name: str, named: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name!r} is ambiguous.*\({named}\)"):
        resolve_name(name)


@pytest.mark.parametrize("name", ["", "my_own_set", "../duts", "数据", "mine_pseudo", "_pseudo"])
def test_unknown_names_stay(name: str) -> None:
    assert resolve_name(name) == name


def test_every_registered_name_stands_for_itself() -> None:
    for names in spellings().values():
        for name in names:
            assert name in DatasetCatalog.list() and resolve_name(name) == name


def test_names_of_a_config() -> None:
    cfg = get_cfg()
    resolve_config(cfg)
    assert tuple(cfg.DATASETS.TRAIN) == tuple(cfg.DATASETS.TEST) == ()
    cfg.DATASETS.TRAIN = ("DUTS-TR", "duts_train", "HRSOD-TR")
    cfg.DATASETS.TEST = ["ECSSD", "mine"]
    resolve_config(cfg)
    assert cfg.DATASETS.TRAIN == ("duts_train", "hrsod_train")
    assert cfg.DATASETS.TEST == ("ecssd", "mine")
