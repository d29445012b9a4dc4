"""Losses against masks: the published numbers, slow versions, and masks with nothing in them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from sor_ppa.errors import ConfigError
from sor_ppa.modeling import mask_losses
from sor_ppa.modeling.mask_losses import MASK_LOSSES, mask_loss
from tests.modeling.golden import load

GOLDEN = load("a2s_losses.npz")
# Name in the golden file -> ours, with its bar.
LIBRARY = {
    "bce": ("bce", 1e-5),
    "ssim": ("ssim", 1e-4),
    "iou": ("jaccard", 1e-5),
    "dice": ("dice", 1e-5),
    "edge": ("edge", 1e-5),
    "ct": ("contour", 1e-5),
    "fscore": ("f", 1e-5),
    "wfs": ("weighted_f", 1e-5),
    "focal": ("focal", 1e-5),
    "mse": ("mse", 1e-5),
}


def _stored(name: str) -> Tensor:
    return torch.from_numpy(GOLDEN[name])


def _value_and_gradient(logits: Tensor, target: Tensor, *names: str) -> tuple[float, np.ndarray]:
    logits = logits.clone().requires_grad_(True)
    value = mask_loss(logits, target, names or ("iou",))
    value.backward()
    return value.item(), logits.grad.numpy()


def _norm(gradient: np.ndarray) -> float:
    return float(np.linalg.norm(gradient.astype(np.float64)))


# ---- published numbers


def test_the_loss_of_cornet() -> None:
    value, gradient = _value_and_gradient(_stored("s2_pred0"), _stored("gt_soft") > 0.5)
    assert value == pytest.approx(float(GOLDEN["cornet_loss"]), rel=1e-5)
    assert _norm(gradient) == pytest.approx(float(GOLDEN["cornet_gnorm"]), rel=1e-5)
    np.testing.assert_allclose(gradient, GOLDEN["cornet_grad"], rtol=1e-4, atol=1e-10)


def test_the_loss_of_a_smaller_output() -> None:
    value, gradient = _value_and_gradient(_stored("s2_pred1"), _stored("gt"))
    assert value == pytest.approx(float(GOLDEN["cornet_lowres_loss"]), rel=1e-5)
    assert _norm(gradient) == pytest.approx(float(GOLDEN["cornet_lowres_gnorm"]), rel=1e-5)


def test_the_loss_of_midnet() -> None:
    """Outputs refine, score_1 at 1 and 0.2; the other two outputs have no loss."""
    outputs = [_stored(f"s2_pred{i}").clone().requires_grad_(True) for i in (1, 2)]
    target = _stored("gt")
    total = sum(w * mask_loss(x, target) for w, x in zip((1.0, 0.2), outputs))
    total.backward()
    assert total.item() == pytest.approx(float(GOLDEN["midnet_loss"]), rel=1e-5)
    norms = [_norm(x.grad.numpy()) for x in outputs]
    np.testing.assert_allclose(norms, GOLDEN["midnet_gnorm_pred0123"][[1, 2]], rtol=1e-5)


@pytest.mark.parametrize("published", LIBRARY)
def test_the_library(published: str) -> None:
    name, bar = LIBRARY[published]
    value, gradient = _value_and_gradient(_stored("s2_pred0"), _stored("gt"), name)
    assert value == pytest.approx(float(GOLDEN[f"lib_{published}"]), rel=bar)
    assert _norm(gradient) == pytest.approx(float(GOLDEN[f"lib_{published}_gnorm"]), rel=bar)


# ---- slow versions: one pixel after the other


def _pixels(x: np.ndarray) -> list[tuple[int, int]]:
    return [(i, j) for i in range(x.shape[0]) for j in range(x.shape[1])]


def _around(x: np.ndarray, i: int, j: int, reach: int) -> list[float]:
    rows, columns = range(i - reach, i + reach + 1), range(j - reach, j + reach + 1)
    height, width = x.shape
    return [x[r, c] for r in rows for c in columns if 0 <= r < height and 0 <= c < width]


def _slow_edge(t: np.ndarray) -> np.ndarray:
    edge = np.zeros_like(t)
    for i, j in _pixels(t):
        near = _around(t, i, j, 2)
        edge[i, j] = max(near) - min(near)
    return edge


def _slow_smooth_edge(t: np.ndarray) -> np.ndarray:
    edge, smooth = _slow_edge(t), np.zeros_like(t)
    for i, j in _pixels(t):
        smooth[i, j] = sum(_around(edge, i, j, 1)) / 9
    return smooth


def _slow_bce(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    p = 1 / (1 + np.exp(-x))
    return -(t * np.log(p) + (1 - t) * np.log(1 - p))


def _slow_blur(x: np.ndarray) -> np.ndarray:
    """11 x 11 Gaussian, sigma 1.5, zeros outside."""
    weights = np.array([math.exp(-(k**2) / 4.5) for k in range(-5, 6)])
    window = np.outer(weights, weights) / weights.sum() ** 2
    padded, out = np.pad(x, 5), np.zeros_like(x)
    for i, j in _pixels(x):
        out[i, j] = (padded[i : i + 11, j : j + 11] * window).sum()
    return out


def _slow_ssim(p: np.ndarray, t: np.ndarray) -> float:
    a, b = _slow_blur(p), _slow_blur(t)
    cov = _slow_blur(p * t) - a * b
    var = _slow_blur(p * p) - a * a + _slow_blur(t * t) - b * b
    one = (2 * a * b + 1e-4) * (2 * cov + 9e-4) / ((a * a + b * b + 1e-4) * (var + 9e-4))
    return 1 - one.mean()


def _slow_f(p: np.ndarray, t: np.ndarray, w: np.ndarray) -> float:
    return 1 - 1.3 * (p * t * w).sum() / ((p * w).sum() + 0.3 * (t * w).sum())


def _slow(name: str, x: np.ndarray, t: np.ndarray) -> float:
    """A loss of one picture, (H, W) float64."""
    p = 1 / (1 + np.exp(-x))
    both, union = (p * t).sum(), np.maximum(p + t - p * t, 0).sum()
    versions: dict[str, Callable[[], float]] = {
        "iou": lambda: 1 - both / (union + 1e-7),
        "jaccard": lambda: 1 - both / union,
        "bce": lambda: _slow_bce(x, t).mean(),
        "ssim": lambda: _slow_ssim(p, t),
        "dice": lambda: 1 - 2 * (both + 1) / (p.sum() + t.sum() + 1),
        "edge": lambda: _slow_bce(x, _slow_edge(t)).mean(),
        "contour": lambda: (_slow_bce(x, t) * (4 * _slow_smooth_edge(t) + 1)).mean(),
        "f": lambda: _slow_f(p, t, np.ones_like(t)),
        "weighted_f": lambda: _slow_f(p, t, 0.8 * _slow_smooth_edge(t) + 0.2),
        "focal": lambda: (100 * _slow_bce(x, t) * (t - p) ** 2).mean(),
        "mse": lambda: ((p - t) ** 2).mean(),
    }
    return float(versions[name]())


def _random(size_hw: tuple[int, int], pictures: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(size_hw[0] * 31 + size_hw[1])
    shape = (pictures, 1, *size_hw)
    logits = torch.randn(shape, generator=generator, dtype=torch.float64) * 2
    return logits, (torch.rand(shape, generator=generator) > 0.7).double()


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 13), (12, 15), (24, 7)])
@pytest.mark.parametrize("name", MASK_LOSSES)
def test_equals_the_slow_version(name: str, size_hw: tuple[int, int]) -> None:
    logits, target = _random(size_hw)
    target[0, 0, 0, 0] = 1  # an empty pair is another test's
    slow = [_slow(name, x[0].numpy(), t[0].numpy()) for x, t in zip(logits, target)]
    fast = mask_loss(logits, target, (name,))
    assert fast.item() == pytest.approx(np.mean(slow), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", MASK_LOSSES)
def test_gradients_by_finite_differences(name: str) -> None:
    logits, target = _random((6, 5))
    assert torch.autograd.gradcheck(
        lambda x: mask_loss(x, target, (name,)), (logits.requires_grad_(True),)
    )


def test_the_edge_lies_on_both_sides_of_a_border_and_not_at_the_frame() -> None:
    mask = torch.zeros(1, 1, 3, 10)
    mask[..., :5] = 1
    assert mask_losses.edge_of(mask)[0, 0].tolist() == [[0, 0, 0, 1, 1, 1, 1, 0, 0, 0]] * 3


# ---- corners


@pytest.mark.parametrize("name", MASK_LOSSES)
def test_no_pictures(name: str) -> None:
    logits = torch.zeros(0, 1, 8, 8, requires_grad=True)
    value = mask_loss(logits, torch.zeros(0, 1, 16, 16), (name,))
    value.backward()
    assert value.item() == 0
    assert logits.grad.shape == (0, 1, 8, 8)


@pytest.mark.parametrize("sign", [-1.0, 1.0], ids=["black", "white"])
@pytest.mark.parametrize("logit", [0.0, -200.0, 200.0])
@pytest.mark.parametrize("name", MASK_LOSSES)
def test_a_mask_of_one_colour(name: str, logit: float, sign: float) -> None:
    """At 200 the sigmoid is exactly 0 or 1 in float32: every 0/0 there is would show."""
    target = torch.full((2, 1, 9, 9), float(sign > 0))
    value, gradient = _value_and_gradient(torch.full((2, 1, 9, 9), logit), target, name)
    assert math.isfinite(value)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("name", "white", "black"),
    [
        ("iou", 0.0, 1.0),
        ("jaccard", 0.0, 0.0),
        ("f", 0.0, 0.0),
        ("weighted_f", 0.0, 0.0),
        ("dice", 1 - 2 * 82 / 163, -1.0),
        ("bce", 0.0, 0.0),
        ("contour", 0.0, 0.0),
        ("focal", 0.0, 0.0),
        ("mse", 0.0, 0.0),
        ("ssim", 0.0, 0.0),
    ],
)
def test_a_perfect_answer(name: str, white: float, black: float) -> None:
    for colour, expected in ((1.0, white), (0.0, black)):
        target = torch.full((2, 1, 9, 9), colour)
        value = mask_loss(400 * target - 200, target, (name,))
        assert value.item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", ["iou", "jaccard", "f", "weighted_f", "dice"])
def test_pictures_count_alike_whatever_their_objects_size(name: str) -> None:
    logits, target = _random((8, 8))
    target[0, 0] = 0
    target[0, 0, 3, 3] = 1
    each = [mask_loss(x[None], t[None], (name,)).item() for x, t in zip(logits, target)]
    assert mask_loss(logits, target, (name,)).item() == pytest.approx(np.mean(each))


def test_names_add_up() -> None:
    logits, target = _random((8, 8))
    each = [mask_loss(logits, target, (name,)).item() for name in ("bce", "ssim", "iou")]
    assert mask_loss(logits, target, ("bce", "ssim", "iou")).item() == pytest.approx(sum(each))


@pytest.mark.parametrize("names", [(), ("iou", "dise")])
def test_unknown_names(names: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=r"MODEL\.STAGE2\.LOSSES.*weighted_f"):
        mask_loss(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4), names)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.int64, torch.float64])
def test_masks_of_any_type(dtype: torch.dtype) -> None:
    logits, target = _random((8, 8))
    logits = logits.float()
    assert mask_loss(logits, target.to(dtype)) == mask_loss(logits, target.float())


def test_half_precision_is_left_for_float32() -> None:
    """The sum over 320 x 320 pixels does not fit float16, and bfloat16 would round it."""
    logits, target = _random((320, 320), pictures=1)
    half = logits.bfloat16()
    names = tuple(MASK_LOSSES)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = mask_loss(half, target.float(), names)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, mask_loss(half.float(), target.float(), names))
