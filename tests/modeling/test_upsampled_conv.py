"""A convolution of an enlarged map equals enlarging, then convolving."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sor_ppa.modeling.upsampled_conv import conv_of_upsampled, pays

SIZES = [
    ((1, 1), (1, 1)),
    ((1, 3), (5, 3)),
    ((2, 2), (7, 4)),
    ((5, 4), (5, 4)),
    ((3, 4), (24, 20)),
    ((6, 6), (4, 3)),  # smaller
]


def plain(x: Tensor, weight: Tensor, bias: Tensor | None, size: tuple[int, int]) -> Tensor:
    enlarged = F.interpolate(x, size, mode="bilinear", align_corners=True)
    return F.conv2d(enlarged, weight, bias, padding=weight.shape[-1] // 2)


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize(("size", "new_size"), SIZES)
def test_value_and_gradients(
    size: tuple[int, int], new_size: tuple[int, int], kernel: int, count: int
) -> None:
    torch.manual_seed(kernel)
    x = torch.randn(count, 4, *size, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(6, 4, kernel, kernel, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(6, dtype=torch.float64, requires_grad=True)
    results = [
        conv_of_upsampled(x, weight, bias, new_size, mix_first=True),
        plain(x, weight, bias, new_size),
    ]
    assert results[0].shape == (count, 6, *new_size)
    upstream = torch.randn_like(results[1])
    gradients = [torch.autograd.grad(y, (x, weight, bias), upstream) for y in results]
    torch.testing.assert_close(results[0], results[1], rtol=1e-12, atol=1e-12)
    for ours, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-11)


def test_no_bias() -> None:
    x, weight = torch.randn(1, 2, 3, 3), torch.randn(5, 2, 3, 3)
    ours = conv_of_upsampled(x, weight, None, (12, 12), mix_first=True)
    torch.testing.assert_close(ours, plain(x, weight, None, (12, 12)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "size", "new_size", "expected"),
    [
        ((128, 512, 3, 3), (10, 10), (160, 160), True),
        ((64, 64, 3, 3), (10, 10), (160, 160), True),
        ((128, 512, 3, 3), (10, 10), (10, 10), False),
        ((1, 4, 3, 3), (8, 8), (16, 16), False),
    ],
)
def test_the_cheaper_way_is_taken(
    shape: tuple[int, ...], size: tuple[int, int], new_size: tuple[int, int], expected: bool
) -> None:
    assert pays(shape, size, new_size) is expected


def test_inference_mode_leaves_nothing_behind_that_training_trips_over() -> None:
    x, weight = torch.randn(1, 2, 3, 3), torch.randn(5, 2, 3, 3, requires_grad=True)
    with torch.inference_mode():
        conv_of_upsampled(x, weight, None, (21, 23), mix_first=True)
    conv_of_upsampled(x, weight, None, (21, 23), mix_first=True).sum().backward()
    assert weight.grad is not None
