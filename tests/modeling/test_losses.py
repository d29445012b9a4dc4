"""Losses against identities and slow versions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from sor_ppa.modeling import losses
from tests.modeling.golden import load

ONE = torch.tensor(1.0)


@pytest.mark.parametrize(
    ("distances", "expected"),
    [([[1.0, 1, 1, 1]], 1.0), ([[1, 1, 3, 1]], math.sqrt(1 / 3)), ([[1, 2, 4, 8]], 0.25)],
)
def test_centerness(distances: list, expected: float) -> None:
    value = losses.centerness(torch.tensor(distances, dtype=torch.float32))
    assert value.tolist() == pytest.approx([expected])


def test_centerness_of_nothing() -> None:
    assert losses.centerness(torch.zeros(0, 4)).shape == (0,)


def _slow_box_loss(p: np.ndarray, t: np.ndarray, kind: str) -> float:
    def box(d: np.ndarray) -> tuple[float, float, float, float]:
        return -d[0], -d[1], d[2], d[3]

    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = box(p), box(t)
    inter = (min(ax2, bx2) - max(ax1, bx1)) * (min(ay2, by2) - max(ay1, by1))
    union = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - inter
    hull = (max(ax2, bx2) - min(ax1, bx1)) * (max(ay2, by2) - min(ay1, by1))
    iou = (inter + 1) / (union + 1)
    return {"giou": 1 - iou + (hull - union) / hull, "iou": -math.log(iou), "linear_iou": 1 - iou}[
        kind
    ]


@pytest.mark.parametrize("kind", ["giou", "iou", "linear_iou"])
def test_box_loss_equals_slow_version(kind: str) -> None:
    rng = np.random.default_rng(0)
    p, t = rng.uniform(0.1, 9, (2, 50, 4))
    fast = losses.box_distance_loss(torch.tensor(p), torch.tensor(t), kind=kind)
    slow = [_slow_box_loss(a, b, kind) for a, b in zip(p, t)]
    np.testing.assert_allclose(fast, slow, rtol=1e-9)


@pytest.mark.parametrize("kind", ["giou", "iou", "linear_iou"])
def test_box_loss_of_equal_boxes_is_zero(kind: str) -> None:
    box = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    assert losses.box_distance_loss(box, box, kind=kind).abs().max() < 1e-6


def test_box_loss_unknown_kind() -> None:
    with pytest.raises(ValueError, match="'diou'"):
        losses.box_distance_loss(torch.ones(1, 4), torch.ones(1, 4), kind="diou")


def test_mask_loss() -> None:
    assert losses.mask_bce_loss(torch.zeros(0, 4, 4), torch.zeros(0, 4, 4), ONE) == 0
    logits, target = torch.randn(3, 4, 4), torch.rand(3, 4, 4) > 0.5
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, target.float())
    actual = losses.mask_bce_loss(logits, target, torch.tensor(3.0))
    torch.testing.assert_close(actual, expected)


def test_mask_iou_loss_counts_only_targets_above_zero() -> None:
    prediction, target = torch.tensor([0.5, 9.0, 0.0]), torch.tensor([1.0, 0.0, 0.5])
    loss = losses.mask_iou_loss(prediction, target, torch.tensor(2.0))
    assert float(loss) == pytest.approx(0.5 * (0.25 + 0.25) / 2)
    assert losses.mask_iou_loss(prediction[:0], target[:0], ONE) == 0


@pytest.mark.parametrize("ranks", [[], [0, 0], [6, 0]])
def test_rank_loss_without_ranked_objects(ranks: list[int]) -> None:
    logits = torch.randn(len(ranks), 5, requires_grad=True)
    loss = losses.rank_loss(logits, torch.tensor(ranks, dtype=torch.int64), ONE)
    loss.backward()
    assert loss == 0
    assert not logits.grad.any()


def test_rank_one_is_the_last_column() -> None:
    logits = torch.tensor([[0.0, 0, 0, 0, 50], [50, 0, 0, 0, 0], [9, 9, 9, 9, 9]])
    ranks = torch.tensor([1, 5, 0])
    assert losses.rank_loss(logits, ranks, torch.tensor(2.0)) < 1e-6
    assert losses.rank_loss(logits, torch.tensor([5, 1, 0]), torch.tensor(2.0)) > 1


def test_halves_of_a_batch_average_to_the_whole() -> None:
    """What lets two processes train like one: sums over a shared mean count."""
    logits, ranks = torch.randn(7, 5), torch.tensor([1, 2, 3, 4, 5, 1, 2])
    whole = losses.rank_loss(logits, ranks, torch.tensor(7.0))
    mean_count = torch.tensor(3.5)
    parts = [losses.rank_loss(logits[s], ranks[s], mean_count) for s in (slice(2), slice(2, 7))]
    torch.testing.assert_close(sum(parts) / 2, whole)


# ---- saliency maps


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return load("inspyrenet_loss.npz")


def _levels(golden: dict[str, np.ndarray], dtype: torch.dtype) -> list[torch.Tensor]:
    levels = [torch.from_numpy(golden[f"d{i}"])[:, None] for i in (3, 2, 1, 0)]
    return [level.to(dtype).requires_grad_() for level in levels]


def test_pyramid_losses_and_gradients(golden: dict[str, np.ndarray]) -> None:
    levels = _levels(golden, torch.float32)
    found = losses.pyramid_losses(levels, torch.from_numpy(golden["gt"])[:, None])
    for i in range(4):
        expected = golden[f"wbce{i}"] + golden[f"iou{i}"]
        np.testing.assert_allclose(found[f"loss_d{i}"].item(), expected, rtol=1e-6)
    consistency = golden["pc3"] + golden["pc2"] + golden["pc1"]
    np.testing.assert_allclose(found["loss_consistency"].item(), consistency, rtol=1e-6)
    total = sum(found.values()) - (1 - 1e-4) * found["loss_consistency"]
    np.testing.assert_allclose(total.item(), golden["total"], rtol=1e-6)
    total.backward()
    for i, level in zip((3, 2, 1, 0), levels):
        np.testing.assert_allclose(level.grad[:, 0], golden[f"g_d{i}"], atol=1e-7)


@pytest.mark.parametrize(("n", "size"), [(1, (4, 4)), (2, (40, 33))])
def test_weighted_bce_equals_slow_version(n: int, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    logits, target = rng.normal(size=(n, 1, *size)), rng.uniform(size=(n, 1, *size))
    expected = np.mean([_slow_weighted_bce(a[0], b[0]) for a, b in zip(logits, target)])
    found = losses.weighted_bce_loss(torch.tensor(logits), torch.tensor(target))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def _slow_weighted_bce(logits: np.ndarray, target: np.ndarray) -> float:
    padded = np.pad(target, 15)
    total = 0.0
    for (i, j), m in np.ndenumerate(target):
        p = 1 / (1 + math.exp(-logits[i, j]))
        weight = 1 + 5 * abs(padded[i : i + 31, j : j + 31].mean() - m)
        total -= weight * (m * math.log(p) + (1 - m) * math.log(1 - p))
    return total / target.size


def test_logarithms_are_clamped() -> None:
    logits = torch.full((1, 1, 4, 4), 1000.0)
    assert losses.weighted_bce_loss(logits, torch.zeros_like(logits)) == 100


@pytest.mark.parametrize(
    ("logit", "mask", "expected"),
    [(100.0, 1.0, 0.0), (-100.0, 0.0, 0.0), (100.0, 0.0, 0.5), (0.0, 0.0, 1 - 1 / 1.5)],
)
def test_pixel_iou(logit: float, mask: float, expected: float) -> None:
    shape = (2, 1, 3, 5)
    found = losses.pixel_iou_loss(torch.full(shape, logit), torch.full(shape, mask))
    assert found.item() == pytest.approx(expected, abs=1e-6)


def test_pyramid_losses_stay_in_float32_under_autocast(golden: dict[str, np.ndarray]) -> None:
    gt = torch.from_numpy(golden["gt"])[:, None]
    plain = losses.pyramid_losses(_levels(golden, torch.float32), gt)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = losses.pyramid_losses(_levels(golden, torch.float32), gt)
    assert all(torch.equal(plain[name], mixed[name]) for name in plain)


def test_pyramid_losses_of_half_precision_logits_are_finite(golden: dict[str, np.ndarray]) -> None:
    gt = torch.from_numpy(golden["gt"])[:, None]
    found = losses.pyramid_losses(_levels(golden, torch.bfloat16), gt)
    assert all(value.dtype == torch.float32 and value.isfinite() for value in found.values())


def test_fixation_kld_as_in_tensorflow() -> None:
    arrays = load("msinet.npz")
    target, prediction = (
        torch.from_numpy(arrays[f"ops/kld/{k}"])[:, None] for k in ("true", "pred")
    )
    loss = losses.fixation_kld_loss(prediction, target)
    assert float(loss) == pytest.approx(float(arrays["ops/kld/loss"]), abs=1e-5)
    each = [float(losses.fixation_kld_loss(p[None], t[None])) for p, t in zip(prediction, target)]
    assert each == pytest.approx(arrays["ops/kld/loss_each"].tolist(), abs=1e-5)


def test_fixation_kld_of_equal_maps_is_zero_whatever_their_scale() -> None:
    maps = torch.rand(2, 1, 5, 7, generator=torch.Generator().manual_seed(0)) + 0.1
    assert float(losses.fixation_kld_loss(maps, 255 * maps)) == pytest.approx(0, abs=1e-5)
    assert float(losses.fixation_kld_loss(maps, torch.zeros_like(maps))) == 0
