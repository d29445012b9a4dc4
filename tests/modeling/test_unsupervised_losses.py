"""Losses without masks against the published numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from sor_ppa.modeling.meta_arch.a2s import A2S
from sor_ppa.modeling.unsupervised_losses import (
    distilling_exponent,
    saliency_distilling_loss,
    scale_consistency_loss,
)
from tests.modeling import golden
from tests.modeling.test_texture_matching import stack_of

GOLDEN = golden.load("a2s_losses.npz")
EPOCHS = [(20, 1), (20, 2), (20, 10), (20, 20), (10, 1), (10, 2), (10, 5), (10, 10)]
TERMS = ("csd", "btm", "ms")


def logits(name: str) -> Tensor:
    return torch.from_numpy(GOLDEN[name]).requires_grad_()


@pytest.mark.parametrize(("epochs", "epoch"), EPOCHS)
def test_distilling(epochs: int, epoch: int) -> None:
    sal1 = logits("sal1")
    loss = saliency_distilling_loss(sal1.sigmoid(), epoch, epochs)
    loss.backward()
    name = f"csd_E{epochs}_e{epoch}"
    assert float(loss.detach()) == pytest.approx(float(GOLDEN[name]), rel=1e-5)
    assert float(sal1.grad.norm()) == pytest.approx(float(GOLDEN[f"{name}_gnorm"]), rel=1e-5)
    if f"{name}_grad" in GOLDEN:
        np.testing.assert_allclose(sal1.grad, GOLDEN[f"{name}_grad"], rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize(
    ("epoch", "epochs", "exponent"), [(1, 1, 2.0), (1, 20, 2.0), (11, 20, 2**0.5), (20, 20, 1.0353)]
)
def test_the_exponent_falls_from_two(epoch: int, epochs: int, exponent: float) -> None:
    assert distilling_exponent(epoch, epochs) == pytest.approx(exponent, rel=1e-4)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_sure_map_has_nothing_to_distil(level: float) -> None:
    assert float(saliency_distilling_loss(torch.full((1, 1, 4, 4), level), 3, 20)) < 1e-7


@pytest.mark.parametrize("epoch", [1, 20])
@pytest.mark.parametrize("sets", ["c", "d", "cdot"])
def test_the_three_terms_of_a_step(
    sets: str, epoch: int, monkeypatch: pytest.MonkeyPatch, stub_a2s: A2S
) -> None:
    maps = [logits("sal1"), logits("sal2")]
    given = iter(maps)

    class Found:
        def __init__(self, found: Tensor) -> None:
            self.logits = found

    monkeypatch.setattr(stub_a2s, "maps", lambda images: Found(next(given)))
    stub_a2s.set_epoch(epoch, 20)
    stack = stack_of(sets)
    modality = stack[:, 3:] if sets != "c" else None
    losses = stub_a2s.losses(stack[:, :3], modality, second_size=-32)

    name = f"stage1_{sets}_e{epoch}"
    np.testing.assert_allclose(
        [float(loss.detach()) for loss in losses.values()], GOLDEN[f"{name}_terms"], rtol=1e-5
    )
    total = sum(losses.values())
    assert float(total.detach()) == pytest.approx(float(GOLDEN[f"{name}_total"]), rel=1e-5)
    assert norms(total, maps) == pytest.approx(GOLDEN[f"{name}_gnorm"], rel=1e-5)
    for term, loss in zip(TERMS, losses.values(), strict=True):
        expected = GOLDEN[f"{name}_{term}_gnorm"]
        assert norms(loss, maps) == pytest.approx(expected, rel=1e-5)


def norms(loss: Tensor, inputs: list[Tensor]) -> list[float]:
    gradients = torch.autograd.grad(loss, inputs, retain_graph=True)
    return [float(gradient.norm()) for gradient in gradients]


def test_consistency_of_equal_sizes_is_the_mean_square() -> None:
    one, other = torch.rand(2, 1, 6, 5), torch.rand(2, 1, 6, 5)
    expected = (one - other).square().mean()
    torch.testing.assert_close(scale_consistency_loss(one, other), expected)


@pytest.fixture
def stub_a2s(tiny_a2s: A2S) -> A2S:
    return tiny_a2s.train()
