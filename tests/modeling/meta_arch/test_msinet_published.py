"""MSI-Net against TensorFlow's numbers on the same weights."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from sor_ppa.canvas import CanvasRule
from sor_ppa.modeling.fixation import stretched
from sor_ppa.modeling.meta_arch.msinet import MSINet
from tests.modeling.msinet import (
    GOLDEN,
    golden_image,
    key_table,
    model_input,
    published_network,
)


@pytest.fixture(scope="module")
def network() -> MSINet:
    return published_network()


def test_names_and_shapes_are_the_published_ones(network: MSINet) -> None:
    state = network.state_dict()
    assert state.pop("pixel_mean").shape == (3,)
    table = {t["torch"]: tuple(t["torch_shape"]) for t in key_table()}
    assert {name: tuple(value.shape) for name, value in state.items()} == table
    assert sum(value.numel() for value in state.values()) == 24_934_209


def check_part(part: torch.Tensor, golden: str) -> None:
    flat = part[0].contiguous().view(-1).numpy()
    index, expected = GOLDEN[f"{golden}/sample_index"], GOLDEN[f"{golden}/sample"]
    np.testing.assert_allclose(flat[index], expected, atol=2e-3, rtol=0)
    assert flat.mean(dtype=np.float64) == pytest.approx(float(GOLDEN[f"{golden}/mean"]), abs=1e-3)


@pytest.mark.parametrize(
    "case", ["a", "b", *(pytest.param(c, marks=pytest.mark.slow) for c in "cd")]
)
@torch.inference_mode()
def test_every_part_and_the_map(network: MSINet, case: str) -> None:
    item = model_input(network, golden_image(case))
    features = network.features(network.preprocess([item]))
    context = network.aspp(features)
    logits = network.decoder(context)
    check_part(features, f"{case}/encoder")
    check_part(context, f"{case}/aspp")
    expected = GOLDEN[f"{case}/output"]
    bar = 1e-5 if expected.dtype == np.float32 else 1e-3
    np.testing.assert_allclose(stretched(logits)[0, 0], expected.astype(np.float32), atol=bar)
    for name, bound in (("min", logits.min()), ("max", logits.max())):
        assert float(bound) == pytest.approx(float(GOLDEN[f"{case}/decoder_{name}"]), abs=2e-3)
    own = network.output(logits[0], item)["fixation"]
    grey = np.rint(own.numpy() * 255).astype(int)
    difference = np.abs(grey - GOLDEN[f"{case}/map_uint8"])
    assert difference.max() <= 1 and (difference > 0).mean() < 1e-3


@pytest.mark.parametrize("case", ["b", pytest.param("d", marks=pytest.mark.slow)])
def test_as_released_on_the_hub(network: MSINet, case: str) -> None:
    hub = copy.copy(network)
    hub.canvas = CanvasRule(preset="hub", pad_value=0)
    with torch.inference_mode():
        (found,) = hub([model_input(hub, golden_image(case))])
    expected = GOLDEN[f"hub/{case}/map"].astype(np.float32)
    np.testing.assert_allclose(found["fixation"], expected, atol=1e-3)


def test_loss_and_gradients(network: MSINet) -> None:
    trained = published_network().train()
    item = training_input(trained)
    loss = trained([item])["loss_kld"]
    loss.backward()
    assert float(loss.detach()) == pytest.approx(GOLDEN["train/losses"][0], abs=1e-5)
    names = {t["tf"]: t["torch"] for t in key_table()}
    for name, norm in zip(GOLDEN["train/grad_names"], GOLDEN["train/grad_norms"]):
        gradient = trained.get_parameter(names[str(name)]).grad
        assert gradient is not None
        if name == "decoder/conv4/bias":  # without effect: rounding alone
            assert float(gradient.abs()) < 1e-5
        else:
            assert float(gradient.norm()) == pytest.approx(norm, rel=1e-3)
    gradient = trained.get_parameter("decoder.conv4.weight").grad
    np.testing.assert_allclose(gradient, GOLDEN["train/grad_dec4"], atol=1e-4)


@pytest.mark.slow
def test_three_steps_of_adam() -> None:
    trained = published_network().train()
    item = training_input(trained)
    optimizer = torch.optim.Adam(trained.parameters(), lr=1e-5, eps=1e-8)
    losses = []
    for step in range(4):
        loss = trained([item])["loss_kld"]
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step == 0:
            for name, golden in (("decoder.conv4", "upd_dec4"), ("encoder.conv1_1", "upd_conv11")):
                weight = trained.get_parameter(f"{name}.weight").detach()
                np.testing.assert_allclose(weight, GOLDEN[f"train/{golden}"], atol=2e-6)
    np.testing.assert_allclose(losses, GOLDEN["train/losses"], atol=1e-3)


def training_input(network: MSINet) -> dict:
    target = torch.from_numpy(GOLDEN["train/target"].astype(np.float32))[None]
    return {**model_input(network, golden_image("a")), "fixation": target}
