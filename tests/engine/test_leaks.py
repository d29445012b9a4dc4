"""Is it noticed when a model is tested on what it was trained on?"""

from __future__ import annotations

import logging

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from sor_ppa.config import get_cfg
from sor_ppa.data.registry import BENCHMARKS
from sor_ppa.engine.leaks import scored_sets, warn_of_leaks


@pytest.fixture(autouse=True)
def folders() -> None:
    """Own sets: two over one folder, one over another, one below a benchmark's folder."""
    ecssd = MetadataCatalog.get("ecssd").image_root
    for name, folder in (("a", "/x/one"), ("b", "/x/../x/one"), ("c", "/x/two"), ("e", ecssd)):
        DatasetCatalog.register(name, list)
        MetadataCatalog.get(name).set(image_root=folder)


@pytest.mark.parametrize(
    ("train", "test", "wanted"),
    [
        ((), (), []),
        (("duts_train",), ("duts_test", "ecssd"), []),
        (("msra10k", "fss1000", "duts_hq_train"), ("hku_is",), []),
        (("msra_b_train",), ("msra_b_test",), []),  # one folder, two lists
        (("a",), ("c",), []),
        (("unknown",), ("unknown_too",), []),
        (("a",), ("a",), ["a is trained on and tested on"]),
        (("a",), ("c", "b"), ["b is trained on and tested on"]),
        (("e",), ("ecssd",), ["ecssd is trained on and tested on"]),
        (("duts_train", "dut_omron"), (), ["holds dut_omron"]),
        (("duts_test",), ("duts_test",), ["duts_test is trained on", "holds duts_test"]),
        (("dis5k_te3", "davis_s"), (), ["holds dis5k_te3", "holds davis_s"]),
        (("irsr_test",), ("irsr_train",), ["holds irsr_test"]),
        (("duts_train_pseudo",), ("duts_test",), []),
        (("duts_train_pseudo",), ("duts_train",), ["duts_train is trained on and tested on"]),
        (("a_pseudo",), ("b",), ["b is trained on and tested on"]),
        (("ecssd_pseudo",), (), ["holds ecssd_pseudo"]),
    ],
)
def test_warnings(
    train: tuple[str, ...],
    test: tuple[str, ...],
    wanted: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    cfg = get_cfg()
    cfg.DATASETS.TRAIN, cfg.DATASETS.TEST = train, test
    found = warn_of_leaks(cfg)
    assert len(found) == len(wanted)
    assert all(part in text for part, text in zip(wanted, found, strict=True))
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING] == found


def test_scored_sets_are_registered_names() -> None:
    names = scored_sets()
    assert names <= {name for row in BENCHMARKS for name in row.registered()}
    assert {"ecssd", "pascal_s", "hku_is", "uhrsd_test", "dis5k_val", "assr_test"} <= names
    assert not {"duts_train", "uhrsd_train_lr", "rgbd_train_2185", "msra10k"} & names
