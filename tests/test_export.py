"""Exported networks give PyTorch's numbers, at every size they say they take."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from detectron2.config import CfgNode

from sor_ppa import get_cfg
from sor_ppa.engine import onnx_backend
from sor_ppa.engine.onnx_backend import OnnxInSPyReNet, onnx_network
from sor_ppa.errors import CheckpointError, ConfigError
from sor_ppa.export import OUTPUT_NAMES, compare, export_onnx
from sor_ppa.modeling.backbone import MobileNetV2
from sor_ppa.modeling.meta_arch.inspyrenet import InSPyReNet
from tests.modeling.meta_arch.test_inspyrenet_against_plain import perturb

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

SIZES = ((64, 96), (256, 256), (96, 32))


def small_config() -> CfgNode:
    cfg = get_cfg()
    cfg.MODEL.META_ARCHITECTURE = "InSPyReNet"
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.WEIGHTS = ""
    cfg.MODEL.BACKBONE.NAME = "build_mnv2_backbone"
    cfg.MODEL.PIXEL_MEAN = [127.5, 120.0, 110.0]
    cfg.MODEL.PIXEL_STD = [60.0, 61.5, 62.0]
    cfg.MODEL.INSPYRENET.DEPTHS = (8, 8, 16, 16)
    cfg.MODEL.INSPYRENET.CONTEXT_KERNELS = ((), (), (3,), (3,), (3, 5))
    cfg.MODEL.INSPYRENET.BASE_SIZE = (64, 64)
    cfg.INPUT.FORMAT = "RGB"
    cfg.INPUT.DATASET_MAPPER_NAME = "dense"
    cfg.INPUT.DENSE.TEST_RESIZE = "static"
    cfg.INPUT.DENSE.TEST_SIZE = (64, 128)
    return cfg


def small_network(cfg: CfgNode) -> InSPyReNet:
    torch.manual_seed(0)
    network = InSPyReNet(
        backbone=MobileNetV2(),
        in_features=cfg.MODEL.INSPYRENET.IN_FEATURES,
        depths=cfg.MODEL.INSPYRENET.DEPTHS,
        context_kernels=cfg.MODEL.INSPYRENET.CONTEXT_KERNELS,
        base_size=cfg.MODEL.INSPYRENET.BASE_SIZE,
        pixel_mean=cfg.MODEL.PIXEL_MEAN,
        pixel_std=cfg.MODEL.PIXEL_STD,
        return_pyramid=True,
    )
    perturb(network, 1)
    return network.eval()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[CfgNode, InSPyReNet, Path]:
    cfg = small_config()
    network = small_network(cfg)
    path = tmp_path_factory.mktemp("onnx") / "small.onnx"
    return cfg, network, export_onnx(cfg, path, model=network, name="inspyrenet/small.yaml")


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cfg = small_config()
    path = tmp_path_factory.mktemp("onnx") / "fixed.onnx"
    return export_onnx(cfg, path, model=small_network(cfg), size_hw=(64, 128))


def items(sizes: tuple[tuple[int, int], ...], seed: int = 0) -> list[dict]:
    rng = torch.Generator().manual_seed(seed)
    return [
        {
            "image": torch.randint(0, 256, (3, *size), generator=rng, dtype=torch.uint8),
            "height": size[0] + 5,
            "width": 2 * size[1],
        }
        for size in sizes
    ]


def test_same_probabilities(exported: tuple[CfgNode, InSPyReNet, Path]) -> None:
    cfg, network, path = exported
    assert compare(cfg, path, SIZES, model=network) < 1e-4


def test_a_difference_would_be_seen(exported: tuple[CfgNode, InSPyReNet, Path]) -> None:
    cfg, network, path = exported
    other = small_network(cfg)
    other.decoder.conv5.conv.weight.data.mul_(1.1)
    assert compare(cfg, path, SIZES, model=other) > 1e-3


def test_same_call(exported: tuple[CfgNode, InSPyReNet, Path]) -> None:
    _, network, path = exported
    inputs = items(((64, 96), (64, 96), (128, 64), (160, 128)))
    inputs[3]["image_lr"] = inputs[2]["image"]  # to be blended
    with torch.inference_mode():
        want = network(inputs)
        got = OnnxInSPyReNet(path, return_pyramid=True)(inputs)
    for one, other in zip(want, got, strict=True):
        assert other["saliency"].shape == one["saliency"].shape
        torch.testing.assert_close(other["saliency"], one["saliency"], rtol=0, atol=1e-4)
        assert set(other["pyramid"]) == set(OUTPUT_NAMES[1:])
        for level, values in one["pyramid"].items():
            scale = max(1.0, float(values.abs().max()))
            torch.testing.assert_close(other["pyramid"][level], values, rtol=0, atol=1e-4 * scale)


def test_what_the_file_says(exported: tuple[CfgNode, InSPyReNet, Path]) -> None:
    cfg, _, path = exported
    model = onnx.load(path)
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert about["config"] == "inspyrenet/small.yaml"
    assert about["channels"] == "RGB"
    assert json.loads(about["pixel_mean"]) == cfg.MODEL.PIXEL_MEAN
    assert json.loads(about["size_hw"]) is None
    assert [output.name for output in model.graph.output] == list(OUTPUT_NAMES)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_value for d in dims[:2]] == [1, 3]
    assert all(d.dim_param for d in dims[2:])


def test_the_file_alone_is_enough(exported: tuple[CfgNode, InSPyReNet, Path]) -> None:
    import onnxruntime

    _, network, path = exported
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    image = network.preprocess([items(((64, 96),))[0]["image"]])
    saliency = session.run(["saliency"], {"image": image.numpy()})[0]
    with torch.inference_mode():
        want = network.pyramid(image).saliency[-1].sigmoid().numpy()
    assert np.abs(saliency - want).max() < 1e-4


@pytest.mark.slow
def test_fixed_size(fixed: Path) -> None:
    cfg = small_config()
    assert compare(cfg, fixed, [(64, 128)], model=small_network(cfg)) < 1e-4
    network = OnnxInSPyReNet(fixed)
    assert network.size_hw == [64, 128]
    with pytest.raises(ConfigError, match="64 x 128, got 64 x 96"):
        network(items(((64, 96),)))


def test_sizes_it_does_not_take(exported: tuple[CfgNode, InSPyReNet, Path]) -> None:
    with pytest.raises(ConfigError, match="multiples of 32, got 64 x 100"):
        OnnxInSPyReNet(exported[2])(items(((64, 100),)))


def test_no_training(exported: tuple[CfgNode, InSPyReNet, Path]) -> None:
    with pytest.raises(ConfigError, match="cannot be trained"):
        OnnxInSPyReNet(exported[2]).train()


@pytest.mark.parametrize("size_hw", [(30, 64), (64, 66), (16, 64)])
def test_impossible_fixed_size(tmp_path: Path, size_hw: tuple[int, int]) -> None:
    cfg = small_config()
    with pytest.raises(ConfigError, match="multiples of 4"):
        export_onnx(cfg, tmp_path / "x.onnx", model=small_network(cfg), size_hw=size_hw)
    assert not list(tmp_path.iterdir())


def test_other_networks(tmp_path: Path) -> None:
    cfg = get_cfg()
    with pytest.raises(ConfigError, match="GeneralizedRCNN.*has no ONNX export"):
        export_onnx(cfg, tmp_path / "x.onnx", model=torch.nn.Identity())


def test_not_our_file(tmp_path: Path) -> None:
    node = onnx.helper.make_node("Identity", ["image"], ["d0"])
    value = [onnx.helper.make_tensor_value_info(n, 1, [1]) for n in ("image", "d0")]
    graph = onnx.helper.make_graph([node], "g", value[:1], value[1:])
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "x.onnx")
    with pytest.raises(CheckpointError, match="was not made by sor_ppa"):
        OnnxInSPyReNet(tmp_path / "x.onnx")
    (tmp_path / "y.onnx").write_bytes(b"no graph")
    with pytest.raises(CheckpointError, match=r"cannot load .*y\.onnx"):
        OnnxInSPyReNet(tmp_path / "y.onnx")
    with pytest.raises(CheckpointError, match=r"no file .*z\.onnx"):
        OnnxInSPyReNet(tmp_path / "z.onnx")


def test_unknown_provider(exported: tuple[CfgNode, InSPyReNet, Path]) -> None:
    with pytest.raises(ConfigError, match="no 'NoSuchProvider'.*CPUExecutionProvider"):
        OnnxInSPyReNet(exported[2], providers=["NoSuchProvider"])


def test_weights_may_be_the_file(exported: tuple[CfgNode, InSPyReNet, Path]) -> None:
    cfg, _, path = exported
    cfg = cfg.clone()
    cfg.MODEL.WEIGHTS = str(path)
    assert onnx_network(cfg, threads=1).path == path


def test_exported_once(
    exported: tuple[CfgNode, InSPyReNet, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg, network, path = exported
    cfg = cfg.clone()
    cfg.MODEL.WEIGHTS = str(tmp_path / "weights.pth")
    torch.save({"model": network.state_dict()}, cfg.MODEL.WEIGHTS)
    calls: list[CfgNode] = []

    def export(cfg: CfgNode, target: Path) -> None:
        calls.append(cfg)
        shutil.copyfile(path, target)

    monkeypatch.setattr(onnx_backend, "export_onnx", export)
    cache = tmp_path / "cache"
    first = onnx_network(cfg, cache=cache).path
    assert onnx_network(cfg, cache=cache).path == first
    assert len(calls) == 1
    torch.save({"model": network.state_dict(), "iteration": 1}, cfg.MODEL.WEIGHTS)
    assert onnx_network(cfg, cache=cache).path != first
    cfg.MODEL.PIXEL_MEAN = [0.0, 0.0, 0.0]
    assert onnx_network(cfg, cache=cache).path != first
    assert len(calls) == 3
