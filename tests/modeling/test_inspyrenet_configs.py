"""Every config of configs/inspyrenet: the published recipes and networks."""

from __future__ import annotations

import pytest
import torch
from detectron2.config import CfgNode
from detectron2.modeling import META_ARCH_REGISTRY

import sor_ppa.modeling  # noqa: F401  registers the networks
from sor_ppa import model_zoo
from sor_ppa.data.dense.sizes import SizeRule
from tests.modeling import golden, published

FOLDER = golden.ROOT / "configs" / "inspyrenet"
SYSTEMS = [f"{body}{rest}" for body in published.NAMES for rest in (
    "", "_dh_lr", "_hu_lr", "_dhu_lr", "_dh", "_hu", "_dis5k_lr", "_dis5k", "_plus_ultra_lr",
    "_plus_ultra",
)]  # fmt: skip
MODES = ["product_base", "product_fast"]
# side in training, blending, batch, epochs, side of the one look (None: the picture's own shape)
RECIPES = {
    "res2net50": (384, 0, 6, 60, 384),
    "swinb": (384, 512, 6, 60, None),
    "_dh_lr": (384, 512, 6, 60, None),
    "_hu_lr": (384, 512, 6, 60, None),
    "_dhu_lr": (384, 512, 6, 60, None),
    "_dh": (1024, 0, 1, 60, 1024),
    "_hu": (1024, 0, 1, 60, 1024),
    "_dis5k_lr": (384, 512, 6, 180, None),
    "_dis5k": (1024, 0, 1, 180, 1024),
    "_plus_ultra_lr": (384, 512, 6, 60, None),
    "_plus_ultra": (1024, 0, 1, 60, None),
}
TRAIN_SETS = {
    "_dh_lr": {"duts_train", "hrsod_train_lr"},
    "_hu_lr": {"hrsod_train_lr", "uhrsd_train_lr"},
    "_dhu_lr": {"duts_train", "hrsod_train_lr", "uhrsd_train_lr"},
    "_dh": {"duts_train", "hrsod_train"},
    "_hu": {"hrsod_train", "uhrsd_train"},
    "_dis5k_lr": {"dis5k_train"},
    "_dis5k": {"dis5k_train"},
}


def _config(name: str) -> CfgNode:
    cfg = model_zoo.get_config(f"inspyrenet/{name}.yaml")
    cfg.MODEL.DEVICE = "cpu"
    return cfg


def test_all_are_there() -> None:
    found = {path.stem for path in FOLDER.glob("*.yaml")}
    assert found == {*SYSTEMS, *MODES, "Base-InSPyReNet", "tiny"}


@pytest.mark.parametrize("name", [*SYSTEMS, *MODES])
def test_network_has_the_published_names(name: str) -> None:
    cfg = _config(name)
    with torch.device("meta"):
        model = META_ARCH_REGISTRY.get(cfg.MODEL.META_ARCHITECTURE)(cfg)
    body = "res2net50" if name.startswith("res2net50") else "swinb"
    found = {key: list(value.shape) for key, value in model.state_dict().items()}
    assert found == published.shapes(body)


@pytest.mark.parametrize("name", SYSTEMS)
def test_recipe(name: str) -> None:
    cfg = _config(name)
    rest = name.removeprefix("swinb").removeprefix("res2net50")
    side, blend_above, batch, epochs, look = RECIPES[rest or name]
    rule = SizeRule.from_config(cfg)
    assert tuple(cfg.INPUT.DENSE.TRAIN_SIZE) == (side, side)
    assert tuple(cfg.MODEL.INSPYRENET.BASE_SIZE) == (side, side)
    assert rule == SizeRule(look and (look, look), 1280, blend_above, (384, 384))
    solver = cfg.SOLVER
    length = (solver.IMS_PER_BATCH, solver.EPOCHS)
    assert length == (batch, epochs)
    assert (solver.OPTIMIZER, solver.BASE_LR) == ("Adam", 1e-4)
    backbone_rate = solver.BASE_LR * solver.BACKBONE_MULTIPLIER
    assert backbone_rate == pytest.approx(1e-5)
    assert solver.WEIGHT_DECAY == solver.WEIGHT_DECAY_BIAS == 0
    assert (solver.LR_SCHEDULER_NAME, solver.WARMUP_ITERS) == ("WarmupPolyLR", 12000)
    assert cfg.MODEL.BACKBONE.FREEZE_AT == 0
    assert (cfg.INPUT.FORMAT, cfg.INPUT.DATASET_MAPPER_NAME) == ("RGB", "dense")
    assert not cfg.DATALOADER.ASPECT_RATIO_GROUPING
    assert not cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS
    folder = cfg.OUTPUT_DIR
    assert folder == f"output/inspyrenet/{name}"


@pytest.mark.parametrize("name", SYSTEMS)
def test_sets(name: str) -> None:
    cfg = _config(name)
    rest = name.removeprefix("swinb").removeprefix("res2net50")
    train, test = set(cfg.DATASETS.TRAIN), set(cfg.DATASETS.TEST)
    if "plus_ultra" in name:
        assert len(cfg.DATASETS.TRAIN) == len(train) == 19 and not test
        assert train >= set(_config("swinb").DATASETS.TEST) | {"duts_train", "dis5k_te4"}
    else:
        assert train == TRAIN_SETS.get(rest, {"duts_train"})
        assert len(test) == (5 if "dis5k" in name else 8) and not train & test


@pytest.mark.parametrize(("mode", "side"), [("base", 1024), ("fast", 384)])
def test_modes_of_the_product(mode: str, side: int) -> None:
    cfg = _config(f"product_{mode}")
    assert SizeRule.from_config(cfg).fixed == (side, side)
    assert SizeRule.from_config(cfg).blend_above == 0
    assert tuple(cfg.MODEL.INSPYRENET.BASE_SIZE) == (side, side)
    assert not cfg.MODEL.WEIGHTS and not cfg.DATASETS.TEST


@pytest.mark.parametrize("name", [*SYSTEMS, *MODES])
def test_header(name: str) -> None:
    text = (FOLDER / f"{name}.yaml").read_text()
    assert text.startswith("# ") and f"{name}.yaml" in text
    assert ("never compare" in text) == ("ultra" in name or name in MODES)
    scored = name.startswith("swinb") and "ultra" not in name or name == "res2net50"
    assert ("# Published" in text) == scored
    assert max(map(len, text.splitlines())) <= 100
