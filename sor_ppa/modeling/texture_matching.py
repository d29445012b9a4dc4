"""Boundary-aware texture matching: outlines of saliency belong where the texture changes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sor_ppa.modeling.distributed import shared_count
from sor_ppa.modeling.precision import at_least_float32

# From this share of boundary pixels on, shifting whole maps is cheaper than gathering.
_DENSE_FROM = 2 / 3


def texture_matching_loss(
    saliency: Tensor,
    stack: Tensor,
    *,
    radius: int = 5,
    alpha: float = 200.0,
    only_rgb: bool = False,
    dense: bool | None = None,
) -> Tensor:
    """Boundary-aware texture matching (Zhou et al., CVPR 2023, eq. 5-7).

    On quarter-size maps q of the saliency and T of the pictures: for each pixel i near an outline
    of q, the sum over its neighbours j in a square window of W_ij |q_j - q_i|, where W_ij =
    product over modalities of exp(-alpha |T_j - T_i|^2); averaged over those pixels of the whole
    batch. Outside the picture q and T are 0, as published. No gradient through W. 0 where q has no
    outline at all.

    Only pixels near outlines are computed: the same value and gradient as with every pixel.

    Args:
        saliency: (N, 1, H, W) probabilities.
        stack: (N, 3 M, H', W') the normalised picture and M - 1 modalities, 3 channels each.
        radius: of the window in quarter-size pixels.
        alpha: fall of the weight with the squared difference.
        only_rgb: textures of the picture alone.
        dense: True shifts whole maps, False gathers; None: whichever is cheaper. Equal results.

    Returns:
        scalar.
    """
    with torch.autocast(saliency.device.type, enabled=False):
        saliency = at_least_float32(saliency)
        quarter = F.interpolate(
            saliency, scale_factor=0.25, mode="bilinear", align_corners=True
        )  # (N, 1, h, w)
        texture = F.interpolate(
            stack.to(saliency.dtype), quarter.shape[-2:], mode="bilinear", align_corners=True
        )
        if only_rgb:
            texture = texture[:, :3]
        mask = boundary_mask(quarter)
        count = int(mask.sum())
        divisor = shared_count(mask.sum())  # of all processes' pictures
        if count == 0:  # no outline to move
            return quarter.sum() * 0
        if dense is None:
            dense = count > _DENSE_FROM * mask.numel()
        total = _dense if dense else _gathered
        return total(quarter, texture.detach(), mask, radius, alpha) / divisor


def boundary_mask(saliency: Tensor) -> Tensor:
    """(N, 1, H, W) probabilities -> bool: within two pixels of where they cross 0.5."""
    above = (saliency.detach() > 0.5).to(saliency.dtype)
    grown = F.max_pool2d(above, 5, stride=1, padding=2)
    shrunk = 1 - F.max_pool2d(1 - above, 5, stride=1, padding=2)
    return grown > shrunk


def _offsets(radius: int) -> list[tuple[int, int]]:
    """All (dy, dx) of the window but the centre, which adds nothing."""
    span = range(-radius, radius + 1)
    return [(dy, dx) for dy in span for dx in span if (dy, dx) != (0, 0)]


def _gathered(q: Tensor, texture: Tensor, mask: Tensor, radius: int, alpha: float) -> Tensor:
    """Sum over boundary pixels, whose neighbours alone are fetched."""
    _, channels, height, width = texture.shape
    wide, area = width + 2 * radius, (height + 2 * radius) * (width + 2 * radius)
    image, _, y, x = mask.nonzero(as_tuple=True)  # (B,) each
    centre = image * area + (y + radius) * wide + x + radius
    steps = torch.tensor([dy * wide + dx for dy, dx in _offsets(radius)], device=q.device)
    places = (centre + steps[:, None]).flatten()  # (O B,): offsets first

    def fetch(values: Tensor) -> tuple[Tensor, Tensor]:
        """(N, h, w) -> neighbours (O, B) and centres (B,)."""
        flat = F.pad(values, (radius,) * 4).flatten()
        neighbours = flat.index_select(0, places).view(len(steps), -1)
        return neighbours, flat.index_select(0, centre)

    with torch.no_grad():
        squares = torch.zeros(len(steps), len(centre), dtype=q.dtype, device=q.device)
        for channel in range(channels):
            neighbours, middle = fetch(texture[:, channel])
            squares += neighbours.sub_(middle).square_()
        weight = squares.mul_(-alpha).exp_()
    neighbours, middle = fetch(q[:, 0])
    return (weight * (neighbours - middle).abs()).sum()


def _dense(q: Tensor, texture: Tensor, mask: Tensor, radius: int, alpha: float) -> Tensor:
    """Sum over boundary pixels, as a loop over shifted maps."""
    height, width = q.shape[-2:]
    wide_q, wide_texture = (F.pad(x, (radius,) * 4) for x in (q, texture))
    total = q.new_zeros(())
    for dy, dx in _offsets(radius):
        rows = slice(radius + dy, radius + dy + height)
        columns = slice(radius + dx, radius + dx + width)
        with torch.no_grad():
            squares = (wide_texture[..., rows, columns] - texture).square().sum(1, keepdim=True)
            weight = (squares * -alpha).exp_() * mask
        total = total + (weight * (wide_q[..., rows, columns] - q).abs()).sum()
    return total
