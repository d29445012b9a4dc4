"""Objects with ranks out of a map alone, and ranks for given objects out of a dense map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sor_ppa.data.derived.ranks import object_mass

Array = npt.NDArray[Any]


def split_rank_map(
    rank_map: Array,
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Objects of a grey rank map: one for every grey that forms a flat patch.

    A grey counts when some 3 x 3 block of pixels has exactly that value, which leaves out the
    mixed greys along anti-aliased outlines; no table of greys is needed, so maps of any method
    will do. Pixels of mixed grey that touch an object go to it (to the brightest of several), so
    that outlined objects lose one pixel of their border, not two. Brighter = more salient. Parts
    hidden under another object are lost, and objects of equal grey are one: scores on such objects
    are a lower bound for the method that drew the map.

    Args:
        rank_map: uint8 (H, W). In maps with a side below 3 pixels every non-zero grey counts.

    Returns:
        masks bool (R, H, W) and ranks int64 (R,) = 1 ... R, most salient first.
    """
    greys = _flat_greys(rank_map)[::-1]
    flat = np.where(np.isin(rank_map, greys), rank_map, np.uint8(0))
    grown = np.where((rank_map > 0) & (flat == 0), _brightest_neighbour(flat), flat)
    masks = grown[None] == greys[:, None, None]  # (R, H, W)
    return masks, np.arange(1, len(greys) + 1, dtype=np.int64)


def ranks_by_saliency(saliency: Array, masks: Sequence[Array] | Array) -> npt.NDArray[np.int64]:
    """Ranks objects by the mean of a dense map inside each; 0 where the map is empty.

    This is how methods without ranks of their own are entered into ranking tables. Objects of
    equal mean share a rank (1, 1, 3 ...), so that the order in a file decides nothing.

    Args:
        saliency: (H, W), larger = more salient.
        masks: bool (R, H, W).

    Returns:
        int64 (R,), 1 = most salient.
    """
    means = np.array([object_mass(saliency, mask) for mask in masks], dtype=np.float64)
    ranks = 1 + (means[None, :] > means[:, None]).sum(axis=1)
    return np.where(means > 0, ranks, 0).astype(np.int64)


def _flat_greys(rank_map: Array) -> npt.NDArray[np.uint8]:
    """Non-zero greys with a 3 x 3 block of their own, ascending."""
    if min(rank_map.shape) < 3:
        greys = np.unique(rank_map)
        return greys[greys > 0]
    level = rank_map[1:-1, 1:-1]
    flat = level > 0
    for dy in (0, 1, 2):
        for dx in (0, 1, 2):
            height, width = level.shape
            flat &= rank_map[dy : dy + height, dx : dx + width] == level
    return np.unique(level[flat])


def _brightest_neighbour(rank_map: Array) -> npt.NDArray[np.uint8]:
    """Largest value of the 3 x 3 block around each pixel."""
    height, width = rank_map.shape
    padded = np.pad(rank_map, 1)
    shifts = [padded[dy : dy + height, dx : dx + width] for dy in (0, 1, 2) for dx in (0, 1, 2)]
    return np.maximum.reduce(shifts)
