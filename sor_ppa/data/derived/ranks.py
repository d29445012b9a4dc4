"""Ranks for objects that nobody ranked: from a map, from gaze, or from a plain prior.

Pure functions on arrays. ``masks`` is always a sequence of bool (H, W) arrays, one an object;
scores are float64 (R,), larger = more salient; ranks are int64 (R,), 1 = most salient ..., 0 = not
ranked.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Spread of the centre prior, in units of the picture's own width and height.
PRIOR_SIGMA = 0.3


def scores_to_ranks(scores: Sequence[float] | np.ndarray, *, top: int = 5) -> np.ndarray:
    """Ranks of the ``top`` best positive scores; equal scores keep their order.

    Args:
        scores: (R,), larger = more salient; 0, negative and NaN scores get no rank.
        top: number of objects that get a rank; 0 = all of them.
    """
    scores = np.asarray(scores, dtype=np.float64).reshape(-1)
    ranks = np.zeros(scores.size, dtype=np.int64)
    order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")
    order = order[scores[order] > 0]
    if top > 0:
        order = order[:top]
    ranks[order] = np.arange(1, order.size + 1)
    return ranks


def object_mass(saliency: np.ndarray, mask: np.ndarray, *, statistic: str = "mean") -> float:
    """Saliency of one object: mean, sum or maximum of the map (H, W) inside its mask (H, W).

    An empty mask has mass 0.

    Raises:
        ValueError: shapes differ, or ``statistic`` is neither "mean" nor "sum" nor "max".
    """
    if saliency.shape != mask.shape:
        raise ValueError(f"map {saliency.shape} and mask {mask.shape} differ in size")
    if statistic not in ("mean", "sum", "max"):
        raise ValueError(f"statistic must be 'mean', 'sum' or 'max', got {statistic!r}")
    inside = saliency[mask]
    if inside.size == 0:
        return 0.0
    if statistic == "max":
        return float(inside.max())
    total = float(inside.sum(dtype=np.float64))
    return total / inside.size if statistic == "mean" else total


def rank_by_map(
    saliency: np.ndarray, masks: Sequence[np.ndarray], *, top: int = 5, statistic: str = "mean"
) -> np.ndarray:
    """Ranks objects by the mean of a dense map inside each.

    This is how binary saliency methods are commonly entered into ranking tables. With
    ``statistic="sum"`` it counts the fixations on each object, or, of a fixation map, the share of
    people's looks that each would get: the bridge from where people look to what they rank first.
    """
    scores = [object_mass(saliency, mask, statistic=statistic) for mask in masks]
    return scores_to_ranks(scores, top=top)


def map_shares(saliency: np.ndarray, masks: Sequence[np.ndarray]) -> np.ndarray:
    """The share of a map's sum that lies inside each mask: float64 (R,) in 0 ... 1.

    Of a fixation map: how much of the attention each object gets. Where masks overlap, the shares
    may sum to more than 1; a map of zeros gives zeros.
    """
    total = float(np.sum(saliency, dtype=np.float64))
    if total <= 0:
        return np.zeros(len(masks))
    return np.array([object_mass(saliency, mask, statistic="sum") / total for mask in masks])


def fixation_scores(observers: Sequence[np.ndarray], masks: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over observers of descending scores in the order in which objects were first looked at.

    Following Siris et al., "Inferring Attention Shift Ranks of Objects for Image Saliency" (CVPR
    2020): each observer gives the object looked at first the highest score, the next one less;
    objects never looked at get 0; scores are averaged over observers. Here the k-th object of an
    observer (k = 0, 1, ...) gets (R - k) / R. A point on several objects belongs to the smallest
    of them; points on none, or outside the image, are passed over. Observers without any point
    are left out.

    Args:
        observers: for each, float (K, >= 2) points ``x, y`` in pixels (0-based), in time order.
        masks: R bool arrays (H, W).

    Returns:
        float64 (R,) in [0, 1].
    """
    seen = [np.asarray(points, dtype=np.float64) for points in observers if len(points)]
    scores = np.zeros(len(masks), dtype=np.float64)
    if not len(masks) or not seen:
        return scores
    areas = [int(mask.sum()) for mask in masks]
    for points in seen:
        visits = _object_at(points[:, :2], masks, areas)
        # dict keeps the order of first visits
        for place, index in enumerate(dict.fromkeys(visits[visits >= 0].tolist())):
            scores[index] += (len(masks) - place) / len(masks)
    return scores / len(seen)


def rank_by_fixations(
    observers: Sequence[np.ndarray], masks: Sequence[np.ndarray], *, top: int = 5
) -> np.ndarray:
    """Ranks objects by :func:`fixation_scores`; objects that nobody looked at get no rank."""
    return scores_to_ranks(fixation_scores(observers, masks), top=top)


def prior_score(mask: np.ndarray, *, sigma: float = PRIOR_SIGMA) -> float:
    """Size-and-centre prior of one object, mask bool (H, W).

    score = sqrt(area / (H W)) * exp(-(dx^2 + dy^2) / (2 sigma^2)), with (dx, dy) the offset of
    the mask's centroid from the picture's centre as a share of its width and height. Large central
    objects come first: a stand-in for attention, not a measurement of it.
    """
    height, width = mask.shape
    ys, xs = np.nonzero(mask)
    if ys.size == 0:
        return 0.0
    dx = (xs.mean() + 0.5) / width - 0.5
    dy = (ys.mean() + 0.5) / height - 0.5
    centre = np.exp(-(dx * dx + dy * dy) / (2.0 * sigma * sigma))
    return float(np.sqrt(ys.size / (height * width)) * centre)


def rank_by_prior(
    masks: Sequence[np.ndarray], *, top: int = 5, sigma: float = PRIOR_SIGMA
) -> np.ndarray:
    """Ranks objects by :func:`prior_score`."""
    return scores_to_ranks([prior_score(mask, sigma=sigma) for mask in masks], top=top)


def _object_at(points: np.ndarray, masks: Sequence[np.ndarray], areas: Sequence[int]) -> np.ndarray:
    """Index of the smallest object under each point (K, 2), -1 for none."""
    height, width = masks[0].shape
    finite = np.isfinite(points).all(axis=1)
    xy = np.floor(np.where(finite[:, None], points, -1.0))
    inside = finite & (xy >= 0).all(axis=1) & (xy[:, 0] < width) & (xy[:, 1] < height)
    owner = np.full(len(points), -1, dtype=np.int64)
    x, y = xy[inside].astype(np.int64).T
    found = np.full(x.size, -1, dtype=np.int64)
    # Largest first, so that smaller objects overwrite.
    for index in sorted(range(len(masks)), key=lambda i: -areas[i]):
        found[masks[index][y, x]] = index
    owner[inside] = found
    return owner
