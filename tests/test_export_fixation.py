"""An exported MSI-Net gives PyTorch's numbers, at every size it takes, in half precision nearly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from detectron2.config import CfgNode

from sor_ppa import model_zoo
from sor_ppa.canvas import CanvasRule
from sor_ppa.engine.onnx_backend import OnnxLogits, OnnxMSINet
from sor_ppa.engine.onnx_file import OnnxFile
from sor_ppa.engine.predictor import Predictor
from sor_ppa.errors import CheckpointError, ConfigError
from sor_ppa.export import FIXATION_NAMES, compare, export_onnx
from sor_ppa.exporting.graphs import FIXATION_FORMAT
from sor_ppa.exporting.half_weights import halve_weights
from sor_ppa.modeling.meta_arch.msinet import MSINet
from tests.modeling.msinet import small_network

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

SIZES = ((48, 64), (16, 16), (40, 24), (72, 96))
MEAN = [103.939, 116.779, 123.68]


def small_config() -> CfgNode:
    cfg = model_zoo.get_config("msinet/salicon.yaml")
    cfg.defrost()
    cfg.MODEL.DEVICE = "cpu"
    cfg.INPUT.FIXATION.SIZE = (48, 64)
    return cfg


def network_of(cfg: CfgNode, **settings: object) -> MSINet:
    return small_network(canvas=CanvasRule.from_config(cfg), pixel_mean=MEAN, **settings).eval()


Exported = tuple[CfgNode, MSINet, Path]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    cfg = small_config()
    network = network_of(cfg)
    path = tmp_path_factory.mktemp("onnx") / "small.onnx"
    return cfg, network, export_onnx(cfg, path, model=network, name="msinet/small.yaml")


def test_same_maps(exported: Exported) -> None:
    cfg, network, path = exported
    assert compare(cfg, path, SIZES, model=network) < 1e-4
    other = network_of(cfg)
    other.decoder.conv3.weight.data.mul_(-1)
    assert compare(cfg, path, SIZES, model=other) > 1e-2  # a difference would be seen


def test_what_the_file_says(exported: Exported) -> None:
    _, network, path = exported
    file = OnnxFile(path)
    assert (file.format, file.size_hw, file.size_step) == (FIXATION_FORMAT, None, 8)
    # The network's own mean, which comes with its weights, not the config's.
    assert file.pixel_mean == pytest.approx(MEAN) == network.pixel_mean.flatten().tolist()
    assert (file.channels, file.normalize_over) == ("RGB", "canvas")
    assert file.canvas == {"preset": "repository", "pad_value": 126.0}
    model = onnx.load(path)
    assert [output.name for output in model.graph.output] == list(FIXATION_NAMES)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_value for d in dims[:2]] == [1, 3] and all(d.dim_param for d in dims[2:])


@pytest.mark.parametrize("preset", ["repository", "hub"])
@pytest.mark.parametrize("over", ["canvas", "picture"])
def test_same_call(exported: Exported, preset: str, over: str) -> None:
    cfg, _, path = exported
    cfg = cfg.clone()
    cfg.INPUT.FIXATION.PRESET = preset
    cfg.MODEL.MSINET.NORMALIZE_OVER = over
    cfg.MODEL.MSINET.DENSITY = True
    network = network_of(cfg, normalize_over=over, density=True)
    rng = np.random.default_rng(0)
    shapes = ((40, 70), (90, 41))
    pictures = [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]
    want = Predictor(cfg, model=network).predict_batch(pictures)
    cfg.MODEL.WEIGHTS = str(path)
    predictor = Predictor(cfg, backend="onnx")
    assert isinstance(predictor.model, OnnxMSINet)
    for one, other, shape in zip(want, predictor.predict_batch(pictures), shapes, strict=True):
        assert set(one) == set(other) == {"fixation", "fixation_density"}
        assert other["fixation"].shape == shape and float(one["fixation"].std()) > 1e-2
        torch.testing.assert_close(other["fixation"], one["fixation"], rtol=0, atol=1e-4)
    with pytest.raises(ConfigError, match="cannot be trained"):
        predictor.model.train()


def test_wrong_sizes_and_files(exported: Exported, tmp_path: Path) -> None:
    cfg, network, path = exported
    with pytest.raises(ConfigError, match="multiples of 8, got 48 x 60; set INPUT.FIXATION.SIZE"):
        OnnxFile(path).run(torch.zeros(1, 3, 48, 60), FIXATION_NAMES)
    with pytest.raises(CheckpointError, match="'sor_ppa fixation', not 'sor_ppa logits'"):
        OnnxLogits(path)
    with pytest.raises(ConfigError, match="multiples of 8 from 8 on, got 48 x 60"):
        export_onnx(cfg, tmp_path / "x.onnx", model=network, size_hw=(48, 60))
    assert not list(tmp_path.iterdir())


def test_fixed_size_of_half_weights(exported: Exported, tmp_path: Path) -> None:
    cfg, network, whole = exported
    path = export_onnx(cfg, tmp_path / "x.onnx", model=network, size_hw=(40, 64), half=True)
    assert OnnxFile(path).size_hw == [40, 64]
    assert 1e-6 < compare(cfg, path, [(40, 64)], model=network) < 1e-2
    weights = sum(p.numel() for p in network.parameters())
    saved = whole.stat().st_size - path.stat().st_size
    assert saved > weights  # nearly two bytes each, less what the nodes take


def test_halving_leaves_what_float16_cannot_hold() -> None:
    large = np.full(64, 1e6, np.float32)
    few, many = np.ones(3, np.float32), np.linspace(-1, 1, 64, dtype=np.float32)
    arrays = {"large": large, "few": few, "many": many}
    model = onnx.ModelProto()
    for name, array in arrays.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    halve_weights(model)
    assert [tensor.name for tensor in model.graph.initializer] == ["large", "few", "many_half"]
    (node,) = model.graph.node
    assert (node.op_type, *node.input, *node.output) == ("Cast", "many_half", "many")
    empty = onnx.ModelProto()
    halve_weights(empty)
    assert not empty.graph.node
    assert [t.data_type for t in model.graph.initializer] == [1, 1, 10]
