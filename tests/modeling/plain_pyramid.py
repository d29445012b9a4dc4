"""Gaussian and Laplacian pyramids, and the blending mask, written out slowly and obviously.

Maps are (N, 1, H, W); see plain_inspyrenet.py, which uses them.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

ROWS = {  # ones per row of the elliptical structuring element
    5: (1, 5, 5, 5, 1),
    9: (1, 7, 7, 9, 9, 9, 7, 7, 1),
    17: (1, 9, 11, 13, 15, 15, 17, 17, 17, 17, 17, 15, 15, 13, 11, 9, 1),
}


def bilinear(x: torch.Tensor, size: tuple[int, int], *, corners: bool = False) -> torch.Tensor:
    return F.interpolate(x, size, mode="bilinear", align_corners=corners)


def gaussian() -> torch.Tensor:
    """7 x 7, sigma 1; made in double, kept in float32."""
    taps = np.exp(-(np.arange(-3, 4) ** 2) / 2.0)
    taps /= taps.sum()
    return torch.from_numpy(np.outer(taps, taps).astype(np.float32))


def blur(x: torch.Tensor, factor: float = 1.0) -> torch.Tensor:
    kernel = (factor * gaussian()).to(x)[None, None]
    return F.conv2d(F.pad(x, (3, 3, 3, 3), mode="reflect"), kernel)


def reduce(x: torch.Tensor) -> torch.Tensor:
    return blur(x)[:, :, ::2, ::2]


def expand(x: torch.Tensor) -> torch.Tensor:
    n, c, h, w = x.shape
    spread = x.new_zeros(n, c, 2 * h, 2 * w)
    spread[:, :, ::2, ::2] = x
    return blur(spread, 4.0)


def deconstruct(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    low = reduce(x)
    up = expand(low)
    if up.shape != x.shape:
        up = F.interpolate(up, x.shape[2:], mode="nearest")
    return low, x - up


def reconstruct(x: torch.Tensor, laplacian: torch.Tensor) -> torch.Tensor:
    up = expand(x)
    return up + bilinear(laplacian, up.shape[2:], corners=True)


def ellipse(size: int) -> torch.Tensor:
    """Flat elliptical structuring element: bool (size, size)."""
    ones = torch.tensor(ROWS[size])[:, None]
    return (torch.arange(size)[None] - size // 2).abs() * 2 < ones


def dilate(x: torch.Tensor, size: int) -> torch.Tensor:
    """Largest value of each neighbourhood; cells outside the map do not count."""
    x = F.pad(x, (size // 2,) * 4, value=-1e4)
    outside = torch.where(ellipse(size), 0.0, -1e4).to(x)
    cells = x.unfold(2, size, 1).unfold(3, size, 1) + outside  # (N, 1, H, W, size, size)
    return cells.flatten(-2).max(-1).values


def transition(logits: torch.Tensor, size: int) -> torch.Tensor:
    """1 where the saliency changes by more than 0.5 within the neighbourhood, else 0."""
    s = torch.sigmoid(logits)
    return ((dilate(s, size) + dilate(-s, size)) > 0.5).to(s)
