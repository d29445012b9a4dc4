"""Image pyramids of one-channel maps, and the blending of two of them: pure functions.

Source: InSPyReNet (Kim et al., ACCV 2022), sections 3.1 and 3.3; Burt and Adelson, 1983. A finer
map is its coarser one, expanded, plus a Laplacian. Sizes are (N, 1, H, W) throughout; reflect
padding wants sides of at least 4, shorter ones are padded by their border cell instead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

# Sizes of the structuring elements of the transitions into p2, p1 and p0.
TRANSITION_SIZES = (5, 9, 17)
# Cells in each row of the flat elliptical elements (OpenCV's MORPH_ELLIPSE), rows top to bottom.
_ELLIPSE_ROWS = {
    5: (1, 5, 5, 5, 1),
    9: (1, 7, 7, 9, 9, 9, 7, 7, 1),
    17: (1, 9, 11, 13, 15, 15, 17, 17, 17, 17, 17, 15, 15, 13, 11, 9, 1),
}
_TAPS, _SIGMA = 7, 1.0
_PADDING = _TAPS // 2


def gaussian_kernel() -> Tensor:
    """The pyramid's 7 x 7 Gaussian of sigma 1, float32 rounded from double: (7, 7)."""
    return torch.tensor(_gaussian_values(), dtype=torch.float64).float()


@cache
def _gaussian_values() -> list[list[float]]:
    taps = [math.exp(-0.5 * ((i - _PADDING) / _SIGMA) ** 2) for i in range(_TAPS)]
    total = sum(taps)
    return [[a / total * (b / total) for b in taps] for a in taps]


def _blur(x: Tensor, factor: float = 1.0, stride: int = 1) -> Tensor:
    # The float32-rounded taps whatever the precision: their sum stays below 1.
    kernel = (gaussian_kernel() * factor).to(x)[None, None]
    return F.conv2d(_pad(x), kernel, stride=stride)


def _pad(x: Tensor) -> Tensor:
    wide_enough = min(x.shape[-2:]) > _PADDING
    mode = "reflect" if wide_enough else "replicate"
    return F.pad(x, (_PADDING,) * 4, mode=mode)


def reduce(x: Tensor) -> Tensor:
    """Blurs and keeps every second row and column: (N, 1, H, W) -> (N, 1, ceil(H/2), ceil(W/2))."""
    return _blur(x, stride=2)


def expand(x: Tensor) -> Tensor:
    """Doubles the size and fills in between: (N, 1, H, W) -> (N, 1, 2H, 2W).

    Values go to even rows and columns, zeros between them; the blur then has four times its
    weight.
    """
    zeros = torch.zeros_like(x)
    return _blur(F.pixel_shuffle(torch.cat([x, zeros, zeros, zeros], 1), 2), factor=4.0)


def deconstruct(x: Tensor) -> tuple[Tensor, Tensor]:
    """Splits a map into its coarser half and the Laplacian that is missing from it.

    Returns:
        (N, 1, ceil(H/2), ceil(W/2)) and (N, 1, H, W).
    """
    low = reduce(x)
    up = expand(low)
    if up.shape != x.shape:
        up = F.interpolate(up, x.shape[-2:], mode="nearest")
    return low, x - up


def reconstruct(x: Tensor, laplacian: Tensor) -> Tensor:
    """The finer map: expand(x) + laplacian.

    Args:
        x: (N, 1, H, W).
        laplacian: (N, 1, h, w); resized to (2H, 2W) where it has another size.

    Returns:
        (N, 1, 2H, 2W).
    """
    up = expand(x)
    return up + resize(laplacian, up.shape[-2:], align_corners=True)


def resize(x: Tensor, size_hw: Sequence[int], *, align_corners: bool = False) -> Tensor:
    """Bilinear, without antialiasing; a map that has the size is handed back as it is."""
    if tuple(x.shape[-2:]) == tuple(size_hw):
        return x
    return F.interpolate(x, tuple(size_hw), mode="bilinear", align_corners=align_corners)


def transition(logits: Tensor, size: int) -> Tensor:
    """Where a map changes from background to foreground: 1 there, 0 elsewhere (float).

    InSPyReNet, eq. 5: dilation minus erosion of the probabilities, above one half.

    Args:
        logits: (N, 1, H, W) saliency before the sigmoid.
        size: of the elliptical structuring element: 5, 9 or 17.
    """
    probability = logits.sigmoid()
    change = dilate_ellipse(probability, size) + dilate_ellipse(-probability, size)
    return (change > 0.5).to(logits.dtype)


def dilate_ellipse(x: Tensor, size: int) -> Tensor:
    """Largest value under a flat ellipse; cells outside the map are left out. Exact.

    Rows of one width share a horizontal maximum; it is then moved to each of those rows.

    Args:
        x: (N, C, H, W).
        size: 5, 9 or 17.
    """
    height = x.shape[-2]
    rows = _ELLIPSE_ROWS[size]
    half = size // 2
    widest: Tensor | None = None
    for width in sorted(set(rows)):
        across = F.max_pool2d(x, (1, width), stride=1, padding=(0, width // 2))
        # The ellipse is symmetric and convex: rows from -reach to +reach are this wide or wider.
        reach = half - rows.index(next(r for r in rows if r >= width))
        reach = min(reach, height - 1)
        tall = F.max_pool2d(across, (2 * reach + 1, 1), stride=1, padding=(reach, 0))
        widest = tall if widest is None else torch.maximum(widest, tall)
    assert widest is not None  # for the type checker; every ellipse has rows
    return widest


def blend(
    coarse: Tensor, size_hw: Sequence[int], laplacians: Sequence[Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """Pyramid blending: a low-resolution map, sharpened by high-resolution Laplacians at its edges.

    InSPyReNet, section 3.3 and figure 5.

    Args:
        coarse: (N, 1, h, w) logits of the low-resolution pass, at any size.
        size_hw: size of the high-resolution pass's coarsest map.
        laplacians: p2, p1, p0 of the high-resolution pass.

    Returns:
        Saliency logits [d3, d2, d1, d0] and the Laplacians [p2, p1, p0] that went in.
    """
    saliency = [resize(coarse, size_hw)]
    masked = []
    for laplacian, size in zip(laplacians, TRANSITION_SIZES, strict=True):
        mask = resize(transition(saliency[-1], size), laplacian.shape[-2:])
        masked.append(mask * laplacian)
        saliency.append(reconstruct(saliency[-1], masked[-1]))
    return saliency, masked
