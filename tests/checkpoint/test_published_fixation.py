"""Published MSI-Nets in TensorFlow's formats, and VGG-16s, become the network they stand for."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sor_ppa import model_zoo
from sor_ppa.checkpoint import SaliencyCheckpointer, convert, recognise
from sor_ppa.checkpoint.published_fixation import (
    CAFFE_MEAN,
    PUBLISHED_MEAN,
    TENSORS,
)
from sor_ppa.engine import Predictor
from sor_ppa.errors import CheckpointError
from tests.checkpoint.tensorflow import writers
from tests.modeling.msinet import GOLDEN, filled_state, golden_image, key_table

MEAN_AND_STD = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@functools.cache
def ours_state() -> dict[str, Tensor]:
    return filled_state()


@functools.cache
def published() -> dict[str, np.ndarray]:
    """The published tensors under their names, kernels (height, width, in, out)."""
    ours = ours_state()
    return {
        name: value.permute(2, 3, 1, 0).numpy() if value.ndim == 4 else value.numpy()
        for name, value in ((name, ours[new]) for name, (new, _) in TENSORS.items())
    }


def test_the_table_is_the_published_one() -> None:
    table = {t["tf"]: (t["torch"], tuple(t["tf_shape"])) for t in key_table()}
    assert table == TENSORS


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tf") / "model_salicon_cpu.pb"
    path.write_bytes(writers.graph({**published(), "Reshape/shape__cf__0": writers.MEAN}))
    return path


def test_a_published_file_gives_the_published_map(frozen: Path) -> None:
    cfg = model_zoo.get_config("msinet/salicon.yaml")
    cfg.MODEL.DEVICE, cfg.MODEL.WEIGHTS = "cpu", str(frozen)
    bgr = golden_image("b")[:, :, ::-1]
    found = Predictor(cfg)(bgr)["fixation"]
    difference = np.abs(np.rint(found.numpy() * 255) - GOLDEN["b/map_uint8"])
    assert difference.max() <= 1 and (difference > 0).mean() < 1e-3


def arranged(state: dict[str, Any]) -> dict[str, Tensor]:
    source = recognise(state)
    assert source.name == "msinet"
    return convert(state, source)[0]


@pytest.mark.parametrize(("prefix", "suffix"), [("", ":0"), ("while/import/", "")])
def test_names_of_any_wrapping(prefix: str, suffix: str) -> None:
    state: dict[str, Any] = {f"{prefix}{n}{suffix}": v for n, v in published().items()}
    state |= {"conv1/conv1_1/kernel/Adam": np.zeros(3), "beta1_power": np.zeros(())}
    found = arranged(state)
    for name, value in ours_state().items():
        assert torch.equal(found[name], value), name


def test_the_mean_is_the_files() -> None:
    other = np.array([1, 2, 3], np.float32).reshape(1, 1, 1, 3)
    assert arranged({**published(), "mean": other})["pixel_mean"].tolist() == [1, 2, 3]
    assert arranged(published())["pixel_mean"].tolist() == pytest.approx(PUBLISHED_MEAN)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"decoder/conv4/bias": None}, "decoder/conv4/bias: not in the file"),
        ({"aspp/conv2/bias": np.zeros(3)}, r"aspp/conv2/bias: \(3,\), expected \(256,\)"),
        ({"import/aspp/conv2/bias": np.zeros(256)}, "aspp/conv2/bias: twice in the file"),
    ],
)
def test_what_is_not_the_published_network(change: dict[str, Any], words: str) -> None:
    state = {**published(), **change}
    with pytest.raises(CheckpointError, match=words):
        arranged({name: value for name, value in state.items() if value is not None})


# ---- what training starts from


def vgg(classifier: float) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(0)
    state, index = {}, 0
    for name, (ours, shape) in TENSORS.items():
        if not ours.startswith("encoder."):
            continue
        layer, part = ours.removeprefix("encoder.").split(".")
        size = shape if part == "bias" else (shape[3], shape[2], 3, 3)
        state[f"features.{index}.{part}"] = torch.randn(size, generator=rng) / 50
        if name.endswith("bias"):
            index += 3 if layer in ("conv1_2", "conv2_2", "conv3_3", "conv4_3") else 2
    return {**state, "classifier.0.bias": torch.full((4,), classifier)}


def start_from(path: Path) -> nn.Module:
    network = model_zoo.get("msinet/salicon.yaml", device="cpu")
    SaliencyCheckpointer(network).load(str(path))
    return network


def test_caffes_vgg(tmp_path: Path) -> None:
    state = vgg(float("nan"))
    torch.save(state, tmp_path / "vgg.pth")
    found = start_from(tmp_path / "vgg.pth").state_dict()
    assert torch.equal(found["encoder.conv1_1.weight"], state["features.0.weight"])
    assert torch.equal(found["encoder.conv5_3.bias"], state["features.28.bias"])
    assert found["pixel_mean"].tolist() == pytest.approx(CAFFE_MEAN)


def test_torchvisions_vgg_sees_the_same_as_in_torchvision(tmp_path: Path) -> None:
    state = vgg(0.5)
    torch.save(state, tmp_path / "vgg.pth")
    network: Any = start_from(tmp_path / "vgg.pth")
    image = torch.rand(1, 3, 16, 16) * 255
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in MEAN_AND_STD)
    first, bias = state["features.0.weight"], state["features.0.bias"]
    wanted = nn.functional.conv2d((image / 255 - mean) / std, first, bias)
    found = nn.functional.conv2d(
        network.preprocess([{"image": image[0]}]), network.encoder.conv1_1.weight, bias
    )
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("first", "mean"),
    [
        ((-0.553731, 0.175484, 0.313026), tuple(255 * v for v in MEAN_AND_STD[0])),
        ((0.480015, 0.550379, 0.429471), CAFFE_MEAN),
        ((0.429471, 0.550379, 0.480015), CAFFE_MEAN),
    ],
)
def test_known_ones_without_classifier(first: tuple, mean: tuple) -> None:
    state = vgg(0.0)
    del state["classifier.0.bias"]
    state["features.0.weight"][0, :, 0, 0] = torch.tensor(first)
    found = convert(state, recognise(state))[0]
    assert found["pixel_mean"].tolist() == pytest.approx(mean)


def test_a_vgg_that_could_be_either(tmp_path: Path) -> None:
    state = vgg(0.0)
    del state["classifier.0.bias"]
    torch.save(state, tmp_path / "vgg.pth")
    with pytest.raises(CheckpointError, match="take the whole file"):
        start_from(tmp_path / "vgg.pth")


def test_the_references_start(tmp_path: Path) -> None:
    ours = ours_state()
    state = {}
    for name, value in ours.items():
        if name.startswith("encoder."):
            layer, part = name.removeprefix("encoder.").split(".")
            kind = {"weight": "weights", "bias": "biases"}[part]
            turned = value.permute(2, 3, 1, 0) if value.ndim == 4 else value
            state[f"{layer}/{kind}"] = turned.numpy()
    writers.write_bundle(tmp_path / "vgg16_hybrid.ckpt", state)
    found = start_from(tmp_path / "vgg16_hybrid.ckpt").state_dict()
    for name, value in ours.items():
        if name.startswith("encoder.") or name == "pixel_mean":
            assert torch.equal(found[name], value), name


def test_half_an_encoder_is_refused(tmp_path: Path) -> None:
    state = vgg(float("nan"))
    state["features.2.weight"] = torch.zeros(64, 32, 3, 3)
    torch.save(state, tmp_path / "vgg.pth")
    with pytest.raises(CheckpointError, match="is not the encoder of this network"):
        start_from(tmp_path / "vgg.pth")


@pytest.mark.parametrize("name", ["mit1003", "osie", "fiwi"])
def test_fine_tuning_without_its_start(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cfg = model_zoo.get_config(f"msinet/{name}.yaml")
    with pytest.raises(CheckpointError) as caught:
        SaliencyCheckpointer(nn.Linear(1, 1)).load(cfg.MODEL.WEIGHTS)
    said = str(caught.value)
    assert "python tools/train_net.py --config-file msinet/salicon.yaml" in said
    assert "or set MODEL.WEIGHTS to a published file" in said
