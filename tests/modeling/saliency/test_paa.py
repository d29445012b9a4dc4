"""Axial attention, context modules and decoder: slow versions, shapes, starting values."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sor_ppa.modeling.saliency.paa import AxisAttention, PAAContext, PAADecoder


def _attention(axis: int, channels: int = 16) -> AxisAttention:
    torch.manual_seed(0)
    module = AxisAttention(channels, axis).eval()
    module.gamma.data.fill_(0.7)
    return module


@pytest.mark.parametrize("axis", [-2, -1])
@pytest.mark.parametrize("size_hw", [(1, 1), (4, 4), (3, 7), (6, 2)])
@torch.no_grad()
def test_attention_equals_loops_over_flat_memory(axis: int, size_hw: tuple[int, int]) -> None:
    module = _attention(axis)
    x = torch.randn(2, 16, *size_hw)
    found = module(x)
    for item, result in zip(x, found):
        q, k, v = (
            part(item[None])[0].numpy().ravel()
            for part in (module.query_conv, module.key_conv, module.value_conv)
        )
        expected = _slow_attention(q, k, v, size_hw[axis])
        expected = 0.7 * expected.reshape(item.shape) + item.numpy()
        np.testing.assert_allclose(result, expected, atol=1e-5)


def _slow_attention(q: np.ndarray, k: np.ndarray, v: np.ndarray, columns: int) -> np.ndarray:
    """Memory cell n of a map lies in row n // columns, column n % columns."""
    out = np.zeros_like(v)
    for a in range(columns):
        scores = np.array([(q[a::columns] * k[b::columns]).sum() for b in range(columns)])
        weights = np.exp(scores - scores.max())
        weights /= weights.sum()
        out[a::columns] = sum(w * v[b::columns] for b, w in enumerate(weights))
    return out


def test_attention_starts_as_identity() -> None:
    x = torch.randn(1, 16, 5, 6)
    torch.testing.assert_close(AxisAttention(16, -1)(x), x)


@torch.no_grad()
def test_layout_of_memory_does_not_matter() -> None:
    module = _attention(-2)
    x = torch.randn(2, 16, 5, 6)
    strided = x.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(module(strided), module(x))


@pytest.mark.parametrize("kernels", [(), (3,), (3, 5, 7)])
@pytest.mark.parametrize("size_hw", [(1, 1), (5, 8)])
@torch.no_grad()
def test_context_keeps_the_size(kernels: tuple[int, ...], size_hw: tuple[int, int]) -> None:
    module = PAAContext(24, 16, kernels).eval()
    found = module(torch.randn(2, 24, *size_hw))
    assert found.shape == (2, 16, *size_hw)
    assert found.min() >= 0
    branches = [name for name, _ in module.named_children() if name.startswith("branch")]
    assert branches == [f"branch{i}" for i in range(len(kernels) + 1)]


@torch.no_grad()
def test_decoder_joins_coarse_to_fine() -> None:
    module = PAADecoder(16).eval()
    sizes = ((7, 9), (4, 5), (2, 3))
    features, logits = module(*(torch.randn(1, 16, *size) for size in sizes))
    assert features.shape == (1, 16, 7, 9)
    assert logits.shape == (1, 1, 7, 9)
