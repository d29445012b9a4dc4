"""Exported A2S and CoRNet give PyTorch's numbers; networks of two inputs say that they cannot."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import Backbone
from torch import nn

from sor_ppa import get_cfg
from sor_ppa.engine.onnx_backend import OnnxInSPyReNet, OnnxLogits
from sor_ppa.engine.onnx_file import OnnxFile
from sor_ppa.engine.predictor import Predictor
from sor_ppa.errors import CheckpointError, ConfigError
from sor_ppa.export import LOGITS_NAMES, compare, export_onnx
from sor_ppa.modeling.meta_arch.a2s import A2S
from sor_ppa.modeling.meta_arch.cornet import CoRNet

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


def small_config(name: str) -> CfgNode:
    cfg = get_cfg()
    cfg.MODEL.META_ARCHITECTURE = name
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.PIXEL_MEAN = [123.675, 116.28, 103.53]
    cfg.MODEL.PIXEL_STD = [58.395, 57.12, 57.375]
    cfg.INPUT.FORMAT = "RGB"
    cfg.INPUT.DATASET_MAPPER_NAME = "dense"
    cfg.INPUT.DENSE.TEST_RESIZE = "static"
    cfg.INPUT.DENSE.TEST_SIZE = (64, 96)
    return cfg


class Strides(Backbone):
    """Five maps out of five convolutions: exporting takes longer the more layers there are."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 8, 8, 16, 16, 24)
        self.names = ("stem", "res2", "res3", "res4", "res5")
        self.layers = nn.ModuleList(
            nn.Conv2d(one, two, 3, stride=2, padding=1) for one, two in itertools.pairwise(widths)
        )
        self.shapes = {
            name: ShapeSpec(channels=width, stride=2 ** (k + 1))
            for k, (name, width) in enumerate(zip(self.names, widths[1:], strict=True))
        }

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        maps = []
        for layer in self.layers:
            x = layer(x).relu()
            maps.append(x)
        return dict(zip(self.names, maps, strict=True))

    def output_shape(self) -> dict[str, ShapeSpec]:
        return self.shapes


def small_network(cfg: CfgNode) -> nn.Module:
    torch.manual_seed(0)
    network = {"A2S": A2S, "CoRNet": CoRNet}[cfg.MODEL.META_ARCHITECTURE]
    return livelier(
        network(
            encoder=Strides(), pixel_mean=cfg.MODEL.PIXEL_MEAN, pixel_std=cfg.MODEL.PIXEL_STD
        ).eval()
    )


def livelier(network: nn.Module) -> nn.Module:
    """A fresh decoder hardly says anything."""
    for name, parameter in network.named_parameters():
        if name.startswith("decoder"):
            parameter.data.mul_(2)
    return network


@pytest.mark.parametrize("name", [pytest.param("CoRNet", marks=pytest.mark.slow), "A2S"])
def test_same_numbers(name: str, tmp_path: Path) -> None:
    cfg = small_config(name)
    network = small_network(cfg)
    path = export_onnx(cfg, tmp_path / "x.onnx", model=network)
    assert OnnxFile(path).size_hw is None
    assert compare(cfg, path, [(64, 96), (96, 32), (128, 128)], model=network) < 1e-4
    pictures = [
        np.random.default_rng(k).integers(0, 256, (40 + k, 70, 3), dtype=np.uint8) for k in range(2)
    ]
    want = Predictor(cfg, model=network).predict_batch(pictures)
    cfg.MODEL.WEIGHTS = str(path)
    predictor = Predictor(cfg, backend="onnx")
    assert isinstance(predictor.model, OnnxLogits)
    for one, other in zip(want, predictor.predict_batch(pictures), strict=True):
        torch.testing.assert_close(other["saliency"], one["saliency"], rtol=0, atol=1e-4)
        assert float(one["saliency"].std()) > 1e-3
    with pytest.raises(ConfigError, match="multiples of 32, got 64 x 100"):
        OnnxFile(path).run(torch.zeros(1, 3, 64, 100), LOGITS_NAMES)
    with pytest.raises(ConfigError, match="cannot be trained"):
        predictor.model.train()
    with pytest.raises(CheckpointError, match="sor_ppa logits"):
        OnnxInSPyReNet(path)
    livelier(network)
    assert compare(cfg, path, [(64, 96)], model=network) > 1e-3  # a difference would be seen


def test_two_inputs_are_not_exported(tmp_path: Path) -> None:
    cfg = small_config("MIDNet")
    cfg.INPUT.DENSE.MODALITIES = ("thermal",)
    cfg.INPUT.DENSE.TEST_MODALITIES = True
    with pytest.raises(ConfigError, match="'MIDNet' sees thermal.*no ONNX export"):
        export_onnx(cfg, tmp_path / "x.onnx", model=nn.Identity())
    with pytest.raises(ConfigError, match="MIDNet sees thermal.*backend torch"):
        Predictor(cfg, backend="onnx")
    assert not list(tmp_path.iterdir())
