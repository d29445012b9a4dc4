"""Texture matching: published numbers, and every pixel computed the obvious way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sor_ppa.modeling.texture_matching import boundary_mask, texture_matching_loss
from tests.modeling import golden

GOLDEN = golden.load("a2s_losses.npz")
CASES = [
    (sets, which, alpha)
    for sets in ("c", "d", "cdot")
    for which in ("all", "onlyrgb")
    for alpha in (200, 20)
]


def stack_of(sets: str) -> Tensor:
    parts = {"c": ("rgb",), "d": ("rgb", "modal"), "cdot": ("rgb", "joint")}[sets]
    return torch.cat([torch.from_numpy(GOLDEN[name]) for name in parts], 1)


def probabilities(name: str = "sal1") -> tuple[Tensor, Tensor]:
    logits = torch.from_numpy(GOLDEN[name]).requires_grad_()
    return logits, logits.sigmoid()


def plain(saliency: Tensor, stack: Tensor, radius: int, alpha: float) -> Tensor:
    """Every neighbour of every pixel, by unfolding."""
    q = F.interpolate(saliency, scale_factor=0.25, mode="bilinear", align_corners=True)
    texture = F.interpolate(stack, q.shape[-2:], mode="bilinear", align_corners=True)
    side = 2 * radius + 1

    def differences(x: Tensor) -> Tensor:
        unfolded = F.unfold(x, side, padding=radius)
        return unfolded.view(len(x), x.shape[1], side**2, *x.shape[-2:]) - x[:, :, None]

    weight = (-alpha * differences(texture).square()).sum(1, keepdim=True).exp()
    values = (weight * differences(q).abs()).sum((1, 2))  # (N, h, w)
    mask = boundary_mask(q)[:, 0].float()
    return (mask * values).sum() / mask.sum()


@pytest.mark.parametrize("dense", [False, True], ids=["gathered", "dense"])
@pytest.mark.parametrize(("sets", "which", "alpha"), CASES)
def test_the_published_numbers(sets: str, which: str, alpha: int, dense: bool) -> None:
    logits, saliency = probabilities()
    loss = texture_matching_loss(
        saliency, stack_of(sets), alpha=alpha, only_rgb=which == "onlyrgb", dense=dense
    )
    name = f"btm_{sets}_{which}_a{alpha}"
    loss.backward()
    assert float(loss.detach()) == pytest.approx(float(GOLDEN[name]), rel=1e-5)
    gradient = logits.grad
    assert float(gradient.norm()) == pytest.approx(float(GOLDEN[f"{name}_gnorm"]), rel=1e-5)
    if f"{name}_grad" in GOLDEN:
        expected = GOLDEN[f"{name}_grad"]
        np.testing.assert_allclose(gradient.numpy(), expected, atol=1e-5 * np.abs(expected).max())


def test_another_radius() -> None:
    _, saliency = probabilities()
    loss = texture_matching_loss(saliency, stack_of("c"), radius=3)
    assert float(loss.detach()) == pytest.approx(float(GOLDEN["btm_c_radius3"]), rel=1e-5)


def test_the_published_boundary() -> None:
    quarter = torch.from_numpy(GOLDEN["btm_quarter_sal"])
    np.testing.assert_array_equal(boundary_mask(quarter).float(), GOLDEN["btm_contour"])


@pytest.mark.parametrize("dense", [None, False, True])
@pytest.mark.parametrize("level", [0.0, 0.2, 0.9])
def test_a_map_without_outline_costs_nothing(level: float, dense: bool | None) -> None:
    saliency = torch.full((2, 1, 32, 32), level, requires_grad=True)
    loss = texture_matching_loss(saliency, torch.rand(2, 3, 32, 32), dense=dense)
    loss.backward()
    assert float(loss.detach()) == 0
    assert not saliency.grad.any()


@pytest.mark.parametrize("dense", [None, False, True])
@pytest.mark.parametrize("size", [(8, 8), (20, 44), (64, 48)])
@pytest.mark.parametrize("channels", [3, 12])
def test_as_with_every_pixel(size: tuple[int, int], channels: int, dense: bool | None) -> None:
    torch.manual_seed(sum(size) + channels)
    coarse = torch.randn(3, 1, 4, 4, dtype=torch.float64)
    logits = F.interpolate(coarse, size, mode="bicubic").requires_grad_()
    stack = 0.3 * torch.rand(3, channels, *size, dtype=torch.float64)
    expected = plain(logits.sigmoid(), stack, 5, 20.0)
    (wanted,) = torch.autograd.grad(expected, logits)
    loss = texture_matching_loss(logits.sigmoid(), stack, alpha=20.0, dense=dense)
    (gradient,) = torch.autograd.grad(loss, logits)
    torch.testing.assert_close(loss, expected, rtol=1e-10, atol=0)
    torch.testing.assert_close(gradient, wanted, rtol=1e-8, atol=1e-12)


def test_half_precision_is_left_outside() -> None:
    _, saliency = probabilities()
    with torch.autocast("cpu", torch.bfloat16):
        inside = texture_matching_loss(saliency, stack_of("d"))
    assert torch.equal(inside, texture_matching_loss(saliency, stack_of("d")))


def test_an_absent_modality_changes_nothing() -> None:
    _, saliency = probabilities()
    alone = texture_matching_loss(saliency, stack_of("c"))
    padded = torch.cat([stack_of("c"), torch.zeros(2, 3, 96, 96)], 1)
    assert torch.equal(texture_matching_loss(saliency, padded), alone)
