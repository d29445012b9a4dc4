"""Pyramid operations against reference numbers, identities and slow versions."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sor_ppa.modeling import pyramid
from tests.modeling.golden import load

CASES = ("0", "1", "2")


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return load("inspyrenet_ops.npz")


def _map(golden: dict[str, np.ndarray], name: str) -> Tensor:
    return torch.from_numpy(golden[name])[None, None]


def test_kernel(golden: dict[str, np.ndarray]) -> None:
    np.testing.assert_array_equal(pyramid.gaussian_kernel(), golden["gauss"])
    assert float(pyramid.gaussian_kernel().double().sum()) < 1  # so that means stay within 0 ... 1


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("operation", ["reduce", "expand"])
def test_reduce_and_expand(golden: dict[str, np.ndarray], case: str, operation: str) -> None:
    result = getattr(pyramid, operation)(_map(golden, f"{case}.x"))
    np.testing.assert_allclose(result[0, 0], golden[f"{case}.{operation}"], atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_deconstruct(golden: dict[str, np.ndarray], case: str) -> None:
    low, laplacian = pyramid.deconstruct(_map(golden, f"{case}.x"))
    np.testing.assert_allclose(low[0, 0], golden[f"{case}.deconstruct_low"], atol=1e-6)
    np.testing.assert_allclose(laplacian[0, 0], golden[f"{case}.deconstruct_lap"], atol=1e-6)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", ["2x", "odd"])
def test_reconstruct(golden: dict[str, np.ndarray], case: str, kind: str) -> None:
    result = pyramid.reconstruct(_map(golden, f"{case}.x"), _map(golden, f"{case}.lap_{kind}"))
    np.testing.assert_allclose(result[0, 0], golden[f"{case}.reconstruct_{kind}"], atol=1e-6)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("size", [5, 9, 17])
def test_transition(golden: dict[str, np.ndarray], case: str, size: int) -> None:
    logits = torch.from_numpy(golden[f"{case}.logits"])[:, None]
    result = pyramid.transition(logits, size)
    np.testing.assert_array_equal(result[:, 0], golden[f"{case}.transition{size}"])


@pytest.mark.parametrize("size", [5, 9, 17])
@pytest.mark.parametrize("size_hw", [(1, 1), (1, 30), (30, 1), (4, 4), (23, 31)])
def test_dilation_equals_unfolding(size: int, size_hw: tuple[int, int]) -> None:
    x = torch.randn(2, 1, *size_hw, generator=torch.Generator().manual_seed(size))
    np.testing.assert_array_equal(pyramid.dilate_ellipse(x, size), _slow_dilation(x, size))


def _slow_dilation(x: Tensor, size: int) -> Tensor:
    """Every cell of OpenCV's ellipse, one shifted copy each."""
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    half = size // 2
    padded = F.pad(x, (half,) * 4, value=-torch.inf)
    height, width = x.shape[-2:]
    shifted = [padded[..., i : i + height, j : j + width] for i, j in np.argwhere(element)]
    return torch.stack(shifted).amax(0)


@pytest.mark.parametrize("size_hw", [(8, 8), (9, 7), (40, 33)])
def test_reconstruct_undoes_deconstruct(size_hw: tuple[int, int]) -> None:
    height, width = (2 * (side // 2) for side in size_hw)  # even: nothing is resized
    x = torch.rand(1, 1, height, width)
    torch.testing.assert_close(pyramid.reconstruct(*pyramid.deconstruct(x)), x)


@pytest.mark.parametrize("side", [1, 2, 3, 4])
def test_tiny_maps(side: int) -> None:
    x = torch.full((1, 1, side, side), 0.5)
    torch.testing.assert_close(pyramid.reduce(x), torch.full_like(pyramid.reduce(x), 0.5))
    assert pyramid.expand(x).shape == (1, 1, 2 * side, 2 * side)


def test_expand_keeps_a_constant_within_three_percent() -> None:
    # The taps at even and at odd places of the kernel do not sum to exactly the same.
    x = torch.full((1, 1, 12, 10), 3.0)
    expected = torch.full((1, 1, 24, 20), 3.0)
    torch.testing.assert_close(pyramid.expand(x), expected, atol=0, rtol=0.03)


def test_blending_without_edges_is_an_expanded_map() -> None:
    coarse = torch.full((1, 1, 6, 6), 4.0)
    noise = [torch.randn(1, 1, side, side) for side in (12, 24, 48)]
    saliency, masked = pyramid.blend(coarse, (6, 6), noise)
    assert [tuple(level.shape[-2:]) for level in saliency] == [(6, 6), (12, 12), (24, 24), (48, 48)]
    assert all(level.abs().sum() == 0 for level in masked)
    torch.testing.assert_close(saliency[-1], torch.full_like(saliency[-1], 4.0), atol=0, rtol=0.1)


def test_blending_sharpens_at_edges_only() -> None:
    coarse = torch.full((1, 1, 16, 16), -6.0)
    coarse[..., 8:] = 6.0
    ones = [torch.ones(1, 1, side, side) for side in (32, 64, 128)]
    _, masked = pyramid.blend(coarse, (16, 16), ones)
    assert float(masked[-1][0, 0, 64, 64]) == 1  # at the edge
    assert float(masked[-1][0, 0, 64, 2]) == 0  # far from it
