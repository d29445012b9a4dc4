"""A2S against the published numbers, and what it does with inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sor_ppa.errors import ConfigError, DataError
from sor_ppa.modeling.meta_arch.a2s import A2S
from sor_ppa.modeling.saliency.a2s import border_sign, centred
from sor_ppa.modeling.saliency.unlabelled import encoder_maps
from tests.modeling import golden
from tests.modeling.unlabelled import (
    check_part,
    filled,
    images,
    levels,
    resnet_network,
    small_network,
)

GOLDEN = golden.load("a2s_networks.npz")
SEEDS = {"eval": (1,), "train": (1, 3)}
# Float32 itself is this far from float64; in training batch statistics amplify it.
BARS = {"eval": 5e-4, "train": 1e-3}


@pytest.fixture
def tiny() -> A2S:
    return small_network(A2S, size_steps=(-32, 32))


def batch(count: int = 2, size: int = 96, **fields: Tensor) -> list[dict[str, Any]]:
    return [{"image": x, **fields} for x in levels(*range(count), size=size)]


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_every_published_part(mode: str) -> None:
    network = filled(resnet_network(A2S), "a2s").train(mode == "train")
    x = images(*SEEDS[mode])
    bar = BARS[mode]
    parts = {}
    decoder = network.decoder
    for name, module in (("ad2", decoder.ad2), ("ad3", decoder.ad3), ("ad4", decoder.ad4)):
        module.register_forward_hook(lambda _m, _i, y, name=name: parts.update({name: y}))
    decoder.fusion.se.register_forward_hook(lambda _m, _i, y: parts.update(fusion=y))
    with torch.no_grad():
        found = network.maps(x)
        raw = found.features.sum(1)
    if mode == "train":
        check_running(network)
        network = filled(network, "a2s")  # the pass has moved them
    with torch.no_grad():
        maps = encoder_maps(network.encoder, x)
    prefix = f"a2s_{mode}"
    for index, encoded in enumerate(maps):
        check_part(GOLDEN, f"{prefix}_enc{index}", encoded, atol=bar)
    for name, part in {**parts, "feat": found.features, "sal0": found.logits}.items():
        check_part(GOLDEN, f"{prefix}_{name}", part, atol=bar)
    corners = raw[:, [0, -1, -1, 0], [0, 0, -1, -1]]
    np.testing.assert_allclose(corners.flatten(), GOLDEN[f"{prefix}_corners"].ravel(), atol=bar)
    np.testing.assert_array_equal(found.sign, GOLDEN[f"{prefix}_sign"].ravel())
    expected = GOLDEN[f"{prefix}_final_map"]
    ours = found.logits[:, :, ::4, ::4].reshape(expected.shape)
    np.testing.assert_allclose(ours, expected, atol=bar, rtol=0)


def check_running(network: A2S) -> None:
    for kind in ("mean", "var"):
        ours = getattr(network.encoder.bn1, f"running_{kind}")
        expected = GOLDEN[f"a2s_train_enc_bn1_running_{kind}"]
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


def test_in_double_precision() -> None:
    network = filled(resnet_network(A2S), "a2s").double().eval()
    with torch.no_grad():
        logits = network.maps(images(1).double()).logits
    expected = GOLDEN["a2s_eval_final64_map"]
    ours = logits[:, :, ::4, ::4].reshape(expected.shape)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-9 * np.abs(expected).max())


def test_centring_and_sign() -> None:
    losses = golden.load("a2s_losses.npz")
    raw = torch.from_numpy(losses["sign_in"])
    np.testing.assert_array_equal(border_sign(raw), losses["sign_out"])
    both = torch.cat([raw, 2 * raw + 1], 1)
    np.testing.assert_allclose(centred(both), losses["centre_out"], atol=1e-6)


def test_nothing_in_nothing_out(tiny: A2S) -> None:
    assert tiny.eval()([]) == []


def test_each_picture_gets_a_map_of_its_own_size(tiny: A2S) -> None:
    inputs = [*batch(2, height=50, width=70), *batch(1, size=64)]
    with torch.no_grad():
        outputs = tiny.eval()(inputs)
    assert [tuple(o["saliency"].shape) for o in outputs] == [(50, 70), (50, 70), (64, 64)]
    for output in outputs:
        assert output["saliency"].dtype == torch.float32
        assert 0 <= output["saliency"].min() <= output["saliency"].max() <= 1


def test_a_batch_equals_its_pictures(tiny: A2S) -> None:
    inputs = batch(3)
    with torch.no_grad():
        together = tiny.eval()(inputs)
        alone = [tiny([item])[0] for item in inputs]
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one["saliency"], other["saliency"], atol=1e-5, rtol=0)


@pytest.mark.parametrize(("frozen_epochs", "epoch"), [(-1, 1), (-1, 20), (2, 2), (2, 3), (0, 1)])
def test_the_encoder_learns_after_its_frozen_epochs(frozen_epochs: int, epoch: int) -> None:
    network = small_network(A2S, size_steps=(-32,), frozen_epochs=frozen_epochs).train()
    network.set_epoch(epoch, 20)
    before = network.encoder.features[0][1].running_mean.clone()
    sum(network(batch()).values()).backward()
    learns = frozen_epochs >= 0 and epoch > frozen_epochs
    gradients = [p.grad is not None and bool(p.grad.any()) for p in network.encoder.parameters()]
    assert any(gradients) is learns
    assert all(p.grad is not None for p in network.decoder.parameters())
    # Published: the statistics follow the data all the same.
    assert not torch.equal(before, network.encoder.features[0][1].running_mean)


def test_a_frozen_encoder_changes_no_number_of_the_decoder(tiny: A2S) -> None:
    results = []
    for frozen_epochs in (-1, 0):
        network = small_network(A2S, size_steps=(-32,), frozen_epochs=frozen_epochs).train()
        losses = network(batch())
        sum(losses.values()).backward()
        results.append((losses, [p.grad for p in network.decoder.parameters()]))
    (losses, gradients), (expected, wanted) = results
    torch.testing.assert_close(losses, expected, rtol=0, atol=0)
    torch.testing.assert_close(gradients, wanted, rtol=0, atol=0)


def test_the_second_size_follows_from_the_random_state(tiny: A2S) -> None:
    tiny.train()
    draws = []
    for _ in range(2):
        torch.manual_seed(5)
        draws.append([tiny._draw_step() for _ in range(20)])
    assert draws[0] == draws[1]
    assert set(draws[0]) == {-32, 32}


def test_modalities_enter_the_texture_loss_alone(tiny: A2S) -> None:
    tiny.train()
    x = images(1, 2, size=96)
    alone = tiny.losses(x, second_size=32)
    depth = torch.rand(2, 6, 96, 96)
    seen = tiny.losses(x, depth, second_size=32)
    torch.testing.assert_close(alone["loss_csd"], seen["loss_csd"])
    torch.testing.assert_close(alone["loss_consistency"], seen["loss_consistency"])
    assert seen["loss_btm"] < alone["loss_btm"]


def test_no_texture_loss_where_its_weight_is_0() -> None:
    network = small_network(A2S, loss_weights=(1.0, 0.0, 1.0), size_steps=(32,)).train()
    assert float(network(batch())["loss_btm"].detach()) == 0


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([{"file_name": "a.jpg"}], "a.jpg: no picture"),
        ([*batch(1, size=64), *batch(1, size=96)], "one batch holds image of sizes"),
        ([*batch(1, modality=torch.zeros(3, 96, 96)), *batch(1)], "second modality"),
    ],
)
def test_bad_training_inputs(tiny: A2S, inputs: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        tiny.train()(inputs)


def test_no_second_size() -> None:
    with pytest.raises(ConfigError, match="SIZE_STEPS"):
        small_network(A2S, size_steps=())


def test_channels_last_is_the_same_network(tiny: A2S) -> None:
    other = small_network(A2S, channels_last=True)
    with torch.no_grad():
        one, two = (network.eval()(batch(1))[0]["saliency"] for network in (tiny, other))
    torch.testing.assert_close(one, two, atol=1e-5, rtol=0)
