"""Discounted cumulative gain of a ranking read off a map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def ndcg_of_map(
    pred_map: Array,
    masks: Array,
    ranks: Array | Sequence[int],
    *,
    num_ranks: int = 5,
    gain: str = "linear",
) -> float:
    """Normalised discounted cumulative gain of the order a map gives to the true objects.

    Relevance is ``num_ranks`` for rank 1 down to 1 for the last rank (after Siris et al.'s journal
    version, IJCV). The predicted order is by the mean grey inside each object. Ours, where that
    leaves room: objects the map does not touch (mean 0) gain nothing; objects of equal mean share
    the gain of their places equally, so that the order of a file decides nothing.

    Args:
        pred_map: uint8 (H, W), brighter = more salient.
        masks: bool (G, H, W).
        ranks: int (G,), 1 = most salient; objects of rank 0 are left out.
        num_ranks: number of ranks.
        gain: ``"linear"`` (the relevance) or ``"exponential"`` (2^relevance - 1).

    Returns:
        A value in [0, 1]; NaN without a ranked object.
    """
    rank_array = np.asarray(ranks, dtype=np.int64).reshape(-1)
    keep = np.flatnonzero((rank_array > 0) & (rank_array <= num_ranks))
    if len(keep) == 0:
        return math.nan
    relevance = num_ranks + 1.0 - rank_array[keep]
    gains = _gains(relevance, gain)
    means = np.array([pred_map[masks[k]].mean() if masks[k].any() else 0.0 for k in keep])
    discounts = 1 / np.log2(np.arange(2, len(keep) + 2))
    ideal = np.sort(gains)[::-1] @ discounts
    return float(_shared_gains(np.where(means > 0, gains, 0.0), means) @ discounts / ideal)


def _gains(relevance: Array, gain: str) -> npt.NDArray[np.float64]:
    if gain not in ("linear", "exponential"):
        raise ValueError(f"gain must be 'linear' or 'exponential', got {gain!r}")
    return relevance if gain == "linear" else 2.0**relevance - 1


def _shared_gains(gains: Array, keys: Array) -> npt.NDArray[np.float64]:
    """Gains in order of descending keys; equal keys get the average of their gains."""
    _, inverse = np.unique(-keys, return_inverse=True)
    inverse = inverse.reshape(-1)
    mean = np.bincount(inverse, weights=gains) / np.bincount(inverse)
    return mean[np.sort(inverse)]
