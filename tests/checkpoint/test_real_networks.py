"""Published files into the networks they are meant for."""

from __future__ import annotations

import json
import logging
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from detectron2.modeling import build_model
from torch import Tensor, nn

from sor_ppa import model_zoo
from sor_ppa.checkpoint import SaliencyCheckpointer
from sor_ppa.errors import CheckpointError


@pytest.fixture(scope="module")
def ppa() -> nn.Module:
    return _build("sor/ppa.yaml")


def _build(name: str) -> nn.Module:
    cfg = model_zoo.get_config(name)
    cfg.MODEL.DEVICE = "cpu"
    return build_model(cfg)


@pytest.fixture(scope="module")
def published(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """The published state dict with made-up numbers; views of one number each, so tiny on disk."""
    shapes = json.loads((repository / "tests/goldens/sor_ppa_v39_keys.json").read_text())
    state = {k: torch.tensor(0.5 + i / 1000).expand(shape) for i, (k, shape) in
             enumerate(shapes.items())}  # fmt: skip
    return {**state, "pixel_mean": torch.zeros(3, 1, 1), "pixel_std": torch.ones(3, 1, 1)}


def test_the_published_sor_checkpoint_loads_with_nothing_missing(
    ppa: nn.Module, published: dict[str, Tensor], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch.save({"model": published, "iteration": 53999}, tmp_path / "published.pth")
    checkpointer = SaliencyCheckpointer(ppa, strict=True)
    with caplog.at_level(logging.INFO, logger="sor_ppa"):
        checkpointer.load(str(tmp_path / "published.pth"))
    fit = checkpointer.last_fit
    assert fit is not None and fit.complete and not fit.unexpected
    assert len(fit.kept) == 357
    assert sorted(fit.dropped) == ["pixel_mean", "pixel_std"]
    assert not [r for r in caplog.records if r.levelno > logging.INFO]
    assert all(bool((value == published[name]).all()) for name, value in ppa.state_dict().items())


def test_a_coco_centermask2_checkpoint_loads_but_for_its_classes(
    ppa: nn.Module, published: dict[str, Tensor], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    coco = {k: v for k, v in published.items() if "sor_head" not in k}
    classes = ("fcos_head.cls_logits", "mask_head.predictor", "maskiou_head.maskiou.")
    for name in [name for name in coco if any(part in name for part in classes)]:
        coco[name] = torch.zeros(1).expand(80, *coco[name].shape[1:])
    torch.save({"model": coco}, tmp_path / "centermask2.pth")
    checkpointer = SaliencyCheckpointer(ppa)
    with caplog.at_level(logging.WARNING, logger="sor_ppa"):
        checkpointer.load(str(tmp_path / "centermask2.pth"))
    fit = checkpointer.last_fit
    assert fit is not None
    assert sorted(m.name for m in fit.misfits) == [
        f"{layer}.{part}"
        for layer in (
            "proposal_generator.fcos_head.cls_logits",
            "roi_heads.mask_head.predictor",
            "roi_heads.maskiou_head.maskiou",
        )
        for part in ("bias", "weight")
    ]
    assert all(name.startswith("roi_heads.sor_head.") for name in fit.missing)
    (record,) = caplog.records
    assert record.getMessage().count("80 outputs in the file, 1 here") == 6


def test_an_imagenet_mobilenet_gives_the_same_features_here(tmp_path: Path) -> None:
    torch.manual_seed(0)
    reference = torchvision.models.mobilenet_v2(num_classes=1001).eval()
    for module in reference.modules():  # statistics that are not 0 and 1
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    torch.save(reference.state_dict(), tmp_path / "imagenet.pth")
    model = _build("sor/tiny.yaml").eval()
    SaliencyCheckpointer(model).load(str(tmp_path / "imagenet.pth"))
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        ours = model.backbone.bottom_up(image)
        x, theirs = image, {}
        for index, layer in enumerate(reference.features):
            x = layer(x)
            theirs[index] = x
    for name, index in {"res2": 3, "res3": 6, "res4": 13, "res5": 17}.items():
        torch.testing.assert_close(ours[name], theirs[index], rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def maskrcnn() -> nn.Module:
    return _build("sor/maskrcnn.yaml")


def test_a_zoo_mask_rcnn_loads_but_for_its_classes(maskrcnn: nn.Module, tmp_path: Path) -> None:
    cfg = model_zoo.get_config("sor/maskrcnn.yaml")
    cfg.MODEL.META_ARCHITECTURE = "GeneralizedRCNN"
    cfg.MODEL.ROI_HEADS.NAME = "StandardROIHeads"
    cfg.MODEL.ROI_MASK_HEAD.NAME = "MaskRCNNConvUpsampleHead"
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = 80
    arrays = {name: value.numpy() for name, value in build_model(cfg).state_dict().items()}
    arrays["proposal_generator.anchor_generator.cell_anchors.0"] = np.zeros((3, 4), np.float32)
    path = tmp_path / "zoo.pkl"
    path.write_bytes(pickle.dumps({"model": arrays, "__author__": "Detectron2 Model Zoo"}))
    with pytest.raises(CheckpointError, match="--allow-pickle"):
        SaliencyCheckpointer(maskrcnn).load(str(path))
    checkpointer = SaliencyCheckpointer(maskrcnn, allow_pickle=True)
    checkpointer.load(str(path))
    fit = checkpointer.last_fit
    assert fit is not None and not fit.unexpected
    assert sorted({m.name.rpartition(".")[0] for m in fit.misfits}) == [
        "roi_heads.box_predictor.bbox_pred",
        "roi_heads.box_predictor.cls_score",
        "roi_heads.mask_head.predictor",
    ]
    assert all(name.startswith("roi_heads.sor_head.") for name in fit.missing)
    weights = maskrcnn.state_dict()
    assert all((weights[name].numpy() == arrays[name]).all() for name in fit.kept)


def test_a_caffe2_backbone_is_matched_by_detectron2s_rules(
    maskrcnn: nn.Module, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    blobs = {
        "conv1_w": rng.normal(size=(64, 3, 7, 7)).astype(np.float32),
        "res2_0_branch2a_w": rng.normal(size=(64, 64, 1, 1)).astype(np.float32),
        "res2_0_branch2a_bn_s": rng.normal(size=64).astype(np.float32),
        "conv1_w_momentum": np.zeros((64, 3, 7, 7), np.float32),
    }
    (tmp_path / "R-50.pkl").write_bytes(pickle.dumps({"blobs": blobs}))
    SaliencyCheckpointer(maskrcnn, allow_pickle=True).load(str(tmp_path / "R-50.pkl"))
    home, weights = "backbone.bottom_up", maskrcnn.state_dict()
    for ours, theirs in [
        ("stem.conv1.weight", "conv1_w"),
        ("res2.0.conv1.weight", "res2_0_branch2a_w"),
        ("res2.0.conv1.norm.weight", "res2_0_branch2a_bn_s"),
    ]:
        assert (weights[f"{home}.{ours}"].numpy() == blobs[theirs]).all()
