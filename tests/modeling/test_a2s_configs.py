"""Every config of configs/a2s: the published recipes, networks and data."""

from __future__ import annotations

import json
import re

import pytest
import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog
from detectron2.modeling import META_ARCH_REGISTRY
from torch import nn

import sor_ppa.data
import sor_ppa.modeling  # noqa: F401  both register
from sor_ppa import model_zoo
from sor_ppa.data.dense.sizes import SizeRule
from sor_ppa.engine.solver import is_backbone, parameter_groups
from tests.modeling import golden

FOLDER = golden.ROOT / "configs" / "a2s"
README = (FOLDER / "README.md").read_text()
RGB = ("pascal_s", "ecssd", "msra_b_test", "duts_test", "hku_is", "dut_omron")
RGBD = ("njud_test", "nlpr_test", "rgbd135", "sip")
VIDEO = ("fbms", "segv2", "davis16_test", "davsod_test")
RGBT = ("vt5000_test", "vt1000", "vt821")
# network, epochs with a frozen encoder, training pictures (None: not known), modalities,
# training sets, test sets
SYSTEMS: dict[str, tuple[str, int, int | None, tuple, tuple, tuple]] = {
    "a2s-rgb": ("a2s", -1, 10553, (), ("duts_train",), RGB),
    "a2s-rgb-msrab": ("a2s", 2, 3000, (), ("msb_train",), RGB),
    "a2s-rgbd": ("a2s", -1, 2185, ("depth",), ("rgbd_train_2185",), RGBD),
    "a2s-rgbt": ("a2s", -1, 2500, ("thermal",), ("vt5000_train",), RGBT),
    "a2s-video": ("a2s", -1, None, ("flow",), ("vsod_train",), VIDEO),
    "a2s-joint": (
        "a2s", -1, None, ("depth", "flow", "thermal"),
        ("duts_train", "rgbd_train_2185", "vsod_train", "vt5000_train"),
        RGB + RGBD + VIDEO + RGBT,
    ),
    "cornet-rgb": ("cornet", 0, 10553, (), ("duts_train_pseudo",), RGB),
    "cornet-rgb-msrab": ("cornet", 0, 3000, (), ("msb_train_pseudo",), RGB),
    "midnet-rgbd": ("midnet", 0, 2185, ("depth",), ("rgbd_train_2185_pseudo",), RGBD),
    "midnet-rgbt": ("midnet", 0, 2500, ("thermal",), ("vt5000_train_pseudo",), RGBT),
    "midnet-video": ("midnet", 0, None, ("flow",), ("vsod_train_pseudo",), VIDEO),
}  # fmt: skip
ARCHITECTURES = {"a2s": "A2S", "cornet": "CoRNet", "midnet": "MIDNet"}
# epochs, base rate, rate of encoders, weight decay
RECIPES = {
    "a2s": (20, 0.1, 0.001, 5e-4),
    "cornet": (10, 0.005, 0.0005, 5e-4),
    "midnet": (10, 0.005, 0.0005, 0.0),
}
MOCO = "moco_checkpoints/moco_v2_200ep/moco_v2_200ep_pretrain.pth.tar"


def _config(name: str) -> CfgNode:
    cfg = model_zoo.get_config(f"a2s/{name}.yaml")
    cfg.MODEL.DEVICE = "cpu"
    return cfg


def _build(cfg: CfgNode) -> nn.Module:
    with torch.device("meta"):
        return META_ARCH_REGISTRY.get(cfg.MODEL.META_ARCHITECTURE)(cfg)


def test_all_are_there() -> None:
    found = {path.stem for path in FOLDER.glob("*.yaml")}
    assert found >= {*SYSTEMS, "Base-A2S", "Base-stage2"}


@pytest.mark.parametrize("name", SYSTEMS)
def test_network_has_the_published_names(name: str) -> None:
    cfg = _config(name)
    network = SYSTEMS[name][0]
    assert ARCHITECTURES[network] == cfg.MODEL.META_ARCHITECTURE
    published = json.loads((golden.GOLDENS / f"a2s_{network}_keys.json").read_text())
    unused = re.compile(r"^(encoder|t_net)\.fc\.|\.se\.gn\.")
    found = {key: list(value.shape) for key, value in _build(cfg).state_dict().items()}
    assert found == {key: shape for key, shape in published.items() if not unused.search(key)}


@pytest.mark.parametrize("name", SYSTEMS)
def test_schedule(name: str) -> None:
    cfg = _config(name)
    network, _, pictures, *_ = SYSTEMS[name]
    epochs, rate, encoder_rate, decay = RECIPES[network]
    solver = cfg.SOLVER
    found = (solver.OPTIMIZER, solver.IMS_PER_BATCH, solver.EPOCHS, solver.BASE_LR)
    assert found == ("SGD", 8, epochs, rate)
    assert (solver.MOMENTUM, solver.NESTEROV) == (0.9, False)
    found = (solver.LR_SCHEDULER_NAME, solver.LINEAR_LR_END)
    assert found == ("LinearDecayLR", 0.2)
    assert not solver.CLIP_GRADIENTS.ENABLED and not solver.AMP.ENABLED
    assert pictures is None or pictures // 8 == solver.CHECKPOINT_PERIOD
    assert solver.CHECKPOINT_KEEP == 0  # all
    groups = parameter_groups(cfg, model := _build(cfg))
    assert sorted({group["lr"] for group in groups}) == pytest.approx([encoder_rate, rate])
    for group in groups:
        names = {n for n, p in model.named_parameters() if any(p is q for q in group["params"])}
        assert {is_backbone(n) for n in names} == {group["lr"] != rate}
        # biases and norms as well
        assert group.get("weight_decay", solver.WEIGHT_DECAY) == decay


@pytest.mark.parametrize("name", SYSTEMS)
def test_network_settings(name: str) -> None:
    cfg = _config(name)
    network, frozen, *_ = SYSTEMS[name]
    assert cfg.MODEL.WEIGHTS.endswith(MOCO) and " " not in cfg.MODEL.WEIGHTS
    assert (cfg.MODEL.BACKBONE.NAME, cfg.MODEL.BACKBONE.FREEZE_AT) == (
        "build_resnet50_maps_backbone",
        0,
    )
    # 255 times ImageNet's mean and deviation
    for values, shares in (
        (cfg.MODEL.PIXEL_MEAN, (0.485, 0.456, 0.406)),
        (cfg.MODEL.PIXEL_STD, (0.229, 0.224, 0.225)),
    ):
        assert values == pytest.approx([255 * share for share in shares], abs=1e-9)
    if network == "a2s":
        net = cfg.MODEL.A2S
        assert frozen == net.FROZEN_EPOCHS
        assert tuple(net.SIZE_STEPS) == (-128, -64, 64, 128)
        assert (net.CSD_WEIGHT, net.BTM_WEIGHT, net.CONSISTENCY_WEIGHT) == (1, 0.05, 1)
        assert (net.BTM_RADIUS, net.BTM_ALPHA) == (5, 200)
    else:
        assert tuple(cfg.MODEL.STAGE2.LOSSES) == ("iou",)
    if network == "midnet":
        assert tuple(cfg.MODEL.STAGE2.OUTPUT_WEIGHTS) == (1.0, 0.2)


@pytest.mark.parametrize("name", SYSTEMS)
def test_inputs(name: str) -> None:
    cfg = _config(name)
    network, _, _, modalities, _, _ = SYSTEMS[name]
    dense = cfg.INPUT.DENSE
    assert (cfg.INPUT.FORMAT, cfg.INPUT.DATASET_MAPPER_NAME) == ("RGB", "dense")
    assert (cfg.INPUT.RANDOM_FLIP, tuple(dense.TRAIN_SIZE)) == ("horizontal", (320, 320))
    assert SizeRule.from_config(cfg).fixed == (320, 320)
    assert SizeRule.from_config(cfg).blend_above == 0
    assert dense.INTERPOLATION == "bicubic"
    # nothing but the flip
    assert (tuple(dense.SCALE_CROP), dense.ROTATE, dense.ENHANCE) == ((1.0, 1.0), 0, 0)
    assert (network != "a2s", "threshold") == (dense.USE_MASKS, dense.MASK_MODE)
    assert tuple(dense.MODALITIES) == modalities
    assert (network == "midnet") == dense.TEST_MODALITIES
    assert not cfg.DATALOADER.ASPECT_RATIO_GROUPING
    assert not cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS


@pytest.mark.parametrize("name", SYSTEMS)
def test_sets(name: str) -> None:
    cfg = _config(name)
    *_, train, test = SYSTEMS[name]
    assert (tuple(cfg.DATASETS.TRAIN), tuple(cfg.DATASETS.TEST)) == (train, test)
    known = set(DatasetCatalog.list())
    assert {base.removesuffix("_pseudo") for base in train} | set(test) <= known
    # DAVSOD's frames are thinned in stage 1 only.
    thinned = name in ("a2s-video", "a2s-joint")
    assert (5 if thinned else 1) == cfg.DATASETS.SELECT_EVERY
    assert cfg.TEST.DENSE.PROTOCOL == "pysod,a2s"
    folder = cfg.OUTPUT_DIR
    assert folder == f"output/a2s/{name}"


@pytest.mark.parametrize("name", [*SYSTEMS, "Base-A2S", "Base-stage2"])
def test_text(name: str) -> None:
    text = (FOLDER / f"{name}.yaml").read_text()
    assert text.startswith("# ") and max(map(len, text.splitlines())) <= 100
    if name in SYSTEMS:
        assert f"configs/a2s/{name}.yaml" in text and f"`{name}`" in README


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_numbers_of_a_config_are_those_of_the_table(name: str) -> None:
    """Published scores stand in two places, which must agree."""
    text = (FOLDER / f"{name}.yaml").read_text()
    scores = re.findall(r"(\.\d{3} \.\d{3} \.\d{3})", text)
    assert bool(scores) == ("# Published" in text) == (name not in _WITHOUT_SCORES)
    assert all(score in README for score in scores)


_WITHOUT_SCORES = {"a2s-rgb-msrab", "a2s-rgbd", "a2s-rgbt", "a2s-video", "a2s-joint"}
