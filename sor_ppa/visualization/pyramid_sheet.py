"""What a pyramid network decided at each scale, on one sheet."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sor_ppa.errors import SaliencyError
from sor_ppa.visualization.contact_sheet import Tile, contact_sheet

_LEVELS = (3, 2, 1, 0)


def pyramid_sheet(pyramid: Mapping[str, np.ndarray], *, tile_height: int = 260) -> np.ndarray:
    """The saliency of each level, coarse to fine, and the Laplacians that were added on the way.

    Args:
        pyramid: float maps (h, w): logits ``d3`` ... ``d0`` (shown as probabilities), Laplacians
            ``p2`` ... ``p0`` (grey is zero; scaled to their largest magnitude, which is printed).
        tile_height: height of each map in pixels.

    Returns:
        uint8 (H, W, 3).

    Raises:
        SaliencyError: a map is missing.
    """
    wanted = [f"d{k}" for k in _LEVELS] + [f"p{k}" for k in _LEVELS[1:]]
    if missing := [name for name in wanted if name not in pyramid]:
        raise SaliencyError(
            f"the network's pyramid lacks {', '.join(missing)}; only InSPyReNet has one, and "
            "only with MODEL.INSPYRENET.RETURN_PYRAMID True"
        )
    tiles = [_tile(pyramid, level) for level in _LEVELS]
    return contact_sheet(tiles, tile_height=tile_height, legend=False)


def _tile(pyramid: Mapping[str, np.ndarray], level: int) -> Tile:
    logits = np.clip(pyramid[f"d{level}"].astype(np.float64), -60, 60)
    images = [(255 / (1 + np.exp(-logits))).astype(np.uint8)]
    title = f"d{level} {logits.shape[1]} x {logits.shape[0]}"
    if f"p{level}" in pyramid:
        detail = pyramid[f"p{level}"].astype(np.float64)
        largest = float(np.abs(detail).max())
        images.append((127.5 + 127.5 * detail / (largest or 1.0)).astype(np.uint8))
        title += f", p{level} to {largest:.3g}"
    return Tile(title, tuple(images))
