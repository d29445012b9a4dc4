"""A convolution of an enlarged map, computed on the small one.

Enlarging bilinearly and convolving are both linear. Mixing the channels therefore may come first,
on the small map, once for each of the kernel's positions; what is left is a weighted sum along the
rows and one along the columns. Equal to the obvious way up to rounding, in value and in gradient,
and about ten times cheaper where a map is enlarged eight times.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

# The share of multiplications that must be saved: small matrices run slower than a convolution.
_PAYS_BELOW = 0.5


def conv_of_upsampled(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    size_hw: Sequence[int],
    *,
    mix_first: bool | None = None,
) -> Tensor:
    """Convolves the bilinear enlargement (corners aligned) of a map.

    Args:
        x: (N, C, h, w).
        weight: (O, C, k, k), k odd; the convolution pads with k // 2 zeros.
        bias: (O,) or None.
        size_hw: (H, W) of the enlarged map.
        mix_first: True never makes the enlarged map, False is the obvious way; None: the cheaper.

    Returns:
        (N, O, H, W).
    """
    if mix_first is None:
        # An exported graph may meet other sizes than those it is traced with.
        traced = torch.compiler.is_compiling()
        mix_first = not traced and pays(weight.shape, x.shape[-2:], size_hw)
    if mix_first:
        return _mixed_first(x, weight, bias, size_hw)
    enlarged = F.interpolate(x, tuple(size_hw), mode="bilinear", align_corners=True)
    return F.conv2d(enlarged, weight, bias, padding=weight.shape[-1] // 2)


def _mixed_first(x: Tensor, weight: Tensor, bias: Tensor | None, size_hw: Sequence[int]) -> Tensor:
    count, channels, height, width = x.shape
    outputs, kernel = weight.shape[0], weight.shape[-1]
    new_height, new_width = size_hw
    # The kernel's positions become channels: (ky, O, kx, C) -> (ky O kx, C, 1, 1).
    mix = weight.permute(2, 0, 3, 1).reshape(-1, channels, 1, 1)
    mixed = F.conv2d(x, mix).view(count, kernel, outputs, kernel, height, width)
    across = _shifted_enlargement(width, new_width, kernel, x)  # (kx w, W)
    down = _shifted_enlargement(height, new_height, kernel, x).t()  # (H, ky h)
    # (N, O, ky, h, kx, w) -> (N, O, ky h, kx w)
    mixed = mixed.permute(0, 2, 1, 4, 3, 5).reshape(count, outputs, kernel * height, kernel * width)
    result = torch.matmul(down, torch.matmul(mixed, across))  # (N, O, H, W)
    return result if bias is None else result + bias.to(result.dtype)[:, None, None]


def pays(weight_shape: Sequence[int], size_hw: Sequence[int], new_hw: Sequence[int]) -> bool:
    """Whether mixing the channels first clearly needs fewer multiplications than the obvious way.

    Args:
        weight_shape: (O, C, k, k).
        size_hw: (h, w) of the map.
        new_hw: (H, W) of the enlarged map.
    """
    outputs, channels, kernel = weight_shape[:3]
    (height, width), (new_height, new_width) = size_hw, new_hw
    obvious = new_height * new_width * channels * outputs * kernel**2
    mixing = height * width * channels * outputs * kernel**2
    sums = outputs * kernel * height * new_width * (kernel * width + new_height)
    return mixing + sums < _PAYS_BELOW * obvious


def _shifted_enlargement(length: int, new_length: int, kernel: int, like: Tensor) -> Tensor:
    """(k length, new_length): what each cell adds to each new cell, for each kernel position."""
    matrix = _cached_enlargement(length, new_length, kernel, like.dtype)
    return matrix.to(like.device, non_blocking=True)


@lru_cache(maxsize=64)
def _cached_enlargement(length: int, new_length: int, kernel: int, dtype: torch.dtype) -> Tensor:
    # Half precision would round the weights of the enlargement itself.
    precise = dtype if dtype == torch.float64 else torch.float32
    with torch.inference_mode(False), torch.no_grad():
        cells = torch.eye(length, dtype=precise)[None]  # (1, length, length)
        enlarge = F.interpolate(cells, new_length, mode="linear", align_corners=True)[0]
        half = kernel // 2
        padded = F.pad(enlarge, (half, half))  # zeros around the enlarged map
        shifted = [padded[:, k : k + new_length] for k in range(kernel)]
        return torch.cat(shifted).to(dtype)
