"""The slow networks and losses give the published numbers: the yardstick is itself measured."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.modeling import golden
from tests.modeling.plain_a2s import PlainA2S, btm, csd, resize, sign
from tests.modeling.plain_midnet import OUTPUTS, PlainMIDNet, iou_loss
from tests.modeling.unlabelled import filled, images, modalities

NETWORKS = golden.load("a2s_networks.npz")
LOSSES = golden.load("a2s_losses.npz")
SEEDS = {"eval": ((1,), (2,)), "train": ((1, 3), (2, 4))}
# The float32 goldens lie this far from float64; midnet's eval mode is relative.
# 1e-5 of the largest value else. Kinds of CPU differ by 2e-5 in the logits of a2s.
BARS = {("a2s", "eval"): 1e-4, ("a2s", "train"): 1e-3, ("midnet", "train"): 2e-3}
STACKS = {
    "c": LOSSES["rgb"],
    "d": np.concatenate([LOSSES["rgb"], LOSSES["modal"]], 1),
    "cdot": np.concatenate([LOSSES["rgb"], LOSSES["joint"]], 1),
}


def probability(name: str) -> Tensor:
    return torch.from_numpy(LOSSES[name]).sigmoid()


def run(network: nn.Module, name: str, mode: str, inputs: list[Tensor]) -> list[Tensor]:
    """All outputs in one of the modes."""
    filled(network, name).train(mode == "train")
    # Without oneDNN, whose rounding differs from one kind of CPU to another.
    with torch.no_grad(), torch.backends.mkldnn.flags(enabled=False):
        outputs = network(*inputs)
    return [outputs[key] for key in OUTPUTS] if isinstance(outputs, dict) else [outputs]


def check(outputs: list[Tensor], name: str, mode: str, steps: tuple[int, ...]) -> None:
    labels = ("final", "sal1", "sal2", "sal3")
    for label, output, step in zip(labels, outputs, steps):
        expected = NETWORKS[f"{name}_{mode}_{label}_map"]
        bar = BARS.get((name, mode), 1e-5 * np.abs(expected).max())
        found = output[:, 0, ::step, ::step].reshape(expected.shape)
        np.testing.assert_allclose(found, expected, rtol=0, atol=bar, err_msg=label)


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_a2s(mode: str) -> None:
    outputs = run(PlainA2S(), "a2s", mode, [images(*SEEDS[mode][0])])
    check(outputs, "a2s", mode, (4,))


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_midnet(mode: str) -> None:
    rgb, other = SEEDS[mode]
    outputs = run(PlainMIDNet(), "midnet", mode, [images(*rgb), modalities(*other)])
    assert len(outputs) == 4
    check(outputs, "midnet", mode, (2, 8, 8, 1))


def test_sign() -> None:
    found = sign(torch.from_numpy(LOSSES["sign_in"])).flatten()
    np.testing.assert_array_equal(found, LOSSES["sign_out"])


@pytest.mark.parametrize(("epochs", "epoch"), [(20, 1), (20, 10), (20, 20), (10, 5)])
def test_csd(epochs: int, epoch: int) -> None:
    found = csd(probability("sal1"), epoch, epochs).item()
    assert found == pytest.approx(float(LOSSES[f"csd_E{epochs}_e{epoch}"]), rel=1e-5)


@pytest.mark.parametrize("kind", STACKS)
def test_btm(kind: str) -> None:
    logits = torch.from_numpy(LOSSES["sal1"]).requires_grad_()
    loss = btm(logits.sigmoid(), torch.from_numpy(STACKS[kind]))
    loss.backward()
    assert loss.item() == pytest.approx(float(LOSSES[f"btm_{kind}_all_a200"]), rel=1e-5)
    expected = LOSSES[f"btm_{kind}_all_a200_grad"]
    bar = 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(logits.grad, expected, rtol=0, atol=bar)


@pytest.mark.parametrize("epoch", [1, 20])
@pytest.mark.parametrize("kind", STACKS)
def test_a_step(kind: str, epoch: int) -> None:
    """The weighted losses of a network whose logits are given."""
    logits = iter([torch.from_numpy(LOSSES["sal1"]), torch.from_numpy(LOSSES["sal2"])])
    network = PlainA2S()
    network.forward = lambda rgb: next(logits)
    losses = network.step(torch.from_numpy(STACKS[kind]), -32, epoch)
    found = [loss.item() for loss in losses.values()]
    np.testing.assert_allclose(found, LOSSES[f"stage1_{kind}_e{epoch}_terms"], rtol=1e-5)


def test_midnet_loss() -> None:
    target = torch.from_numpy(LOSSES["gt"].astype(np.float32))
    refine, score_1 = (torch.from_numpy(LOSSES[f"s2_pred{i}"]) for i in (1, 2))
    loss = iou_loss(refine, target) + 0.2 * iou_loss(score_1, target)
    assert loss.item() == pytest.approx(float(LOSSES["midnet_loss"]), rel=1e-5)


def test_resizing_goes_from_corner_to_corner() -> None:
    ramp = torch.tensor([[[[0.0, 3.0]]]])
    assert resize(ramp, (1, 4)).flatten().tolist() == [0.0, 1.0, 2.0, 3.0]
    assert resize(ramp, (1, 4), corners=False).flatten().tolist() == [0.0, 0.75, 2.25, 3.0]
