"""Every config of configs/msinet: published sizes, splits and schedules."""

from __future__ import annotations

import pytest

from sor_ppa import model_zoo
from sor_ppa.data import BENCHMARKS
from sor_ppa.engine.solver import with_epochs

# Size of the canvas, name of the set, pictures of training and validation (msinet, table 8).
PUBLISHED = {
    "salicon": ((240, 320), "salicon", 10000, 5000),
    "mit1003": ((360, 360), "mit1003", 803, 200),
    "cat2000": ((216, 384), "cat2000", 1600, 400),
    "dutomron": ((360, 360), "dut_omron_fix", 4168, 1000),
    "pascals": ((360, 360), "pascal_s_fix", 650, 200),
    "osie": ((240, 320), "osie", 500, 200),
    "fiwi": ((216, 384), "fiwi", 99, 50),
}


def test_all_are_listed() -> None:
    names = {n for n in model_zoo.available() if n.startswith("msinet/")}
    assert names == {f"msinet/{name}.yaml" for name in (*PUBLISHED, "tiny")}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_recipe(name: str) -> None:
    size, data_set, train, val = PUBLISHED[name]
    cfg = model_zoo.get_config(f"msinet/{name}.yaml")
    assert tuple(cfg.INPUT.FIXATION.SIZE) == size
    assert (cfg.INPUT.FIXATION.PRESET, cfg.INPUT.FIXATION.PAD_VALUE) == ("repository", 126)
    assert (f"{data_set}_train",) == cfg.DATASETS.TRAIN
    assert (f"{data_set}_val",) == cfg.DATASETS.TEST
    splits = {key: s for row in BENCHMARKS for key, s in row.registered().items()}
    counts = [splits[f"{data_set}_{part}"].count for part in ("train", "val")]
    assert counts == [train, val]
    assert (cfg.SOLVER.OPTIMIZER, cfg.SOLVER.BASE_LR) == ("Adam", 1e-5)
    assert (cfg.SOLVER.WEIGHT_DECAY, cfg.SOLVER.WARMUP_ITERS, cfg.SOLVER.STEPS) == (0, 0, ())
    assert cfg.SOLVER.IMS_PER_BATCH == 1
    assert 10 * train == with_epochs(cfg, train).SOLVER.MAX_ITER
    # Once an epoch, and the last one stays comparable with the best.
    assert cfg.TEST.EVAL_PERIOD == cfg.SOLVER.CHECKPOINT_PERIOD == train
    assert (cfg.TEST.BEST_METRIC, cfg.TEST.BEST_MODE) == ("fixation/KLD", "min")
    assert cfg.INPUT.RANDOM_FLIP == "none"


def test_salicon_starts_from_vgg_and_the_others_from_salicon() -> None:
    salicon = model_zoo.get_config("msinet/salicon.yaml")
    assert salicon.MODEL.WEIGHTS.endswith("vgg16_features-amdegroot-88682ab5.pth")
    for name in set(PUBLISHED) - {"salicon"}:
        weights = model_zoo.get_config(f"msinet/{name}.yaml").MODEL.WEIGHTS
        assert weights == f"{salicon.OUTPUT_DIR}/model_best.pth"
