"""Metrics of a rank map, and of ranked instances, against ranked ground truth, one image at a time.

All functions are pure and take arrays; ranks are 1 = most salient ..., 0 = not ranked. Objects of
rank 0 take part in no ranking metric. Letters: G true objects, P predictions, H W picture size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sor_ppa.evaluation.correlation import spearman
from sor_ppa.evaluation.protocols import PROTOCOLS, Protocol

Array = npt.NDArray[Any]


class ImageRho(NamedTuple):
    """Spearman's rho of one image.

    Attributes:
        rho: NaN for the kinds "nan" and "none".
        kind: "spearman" (two or more objects found), "single" (one), "nan" (two or more, but all
            equal), "none" (no object found).
        used: positions, among the true objects as given, of those that were found.
    """

    rho: float
    kind: str
    used: tuple[int, ...]


class SorScore(NamedTuple):
    """SOR of a data set: ``sor`` = (``mean_rho`` + 1) / 2 in [0, 1], NaN when nothing counts.

    Attributes:
        sor: the normalised score.
        mean_rho: mean of Spearman's rho, before normalisation.
        images_used: images that have a rho.
        positive: how many of those have rho > 0.
    """

    sor: float
    mean_rho: float
    images_used: int
    positive: int


def modal_grey(values: Array) -> int:
    """The most frequent non-zero grey of uint8 values (n,); the darkest on ties, 0 if all are 0."""
    counts = np.bincount(np.asarray(values, dtype=np.uint8).reshape(-1), minlength=256)
    counts[0] = 0
    return int(counts.argmax())


def greys_of_objects(
    rank_map: Array, masks: Array, *, protocol: Protocol = PROTOCOLS["ppa"]
) -> npt.NDArray[np.int64]:
    """What a rank map says about each object: its modal grey, 0 where it is not covered.

    An object counts as covered when more than ``protocol.coverage`` of its pixels are non-zero;
    that number of pixels is truncated to a whole one, as published.

    Args:
        rank_map: uint8 (H, W).
        masks: bool (G, H, W).
        protocol: gives coverage and its strictness.

    Returns:
        int64 (G,).

    Raises:
        ValueError: another dtype or shape.
    """
    _check_map(rank_map)
    if len(masks) and masks.shape[1:] != rank_map.shape:
        raise ValueError(f"map is {rank_map.shape} (H, W), masks are {masks.shape[1:]}")
    greys = np.zeros(len(masks), dtype=np.int64)
    for index, mask in enumerate(masks):
        values = rank_map[mask]
        covered = np.count_nonzero(values)
        needed = protocol.coverage * values.size
        enough = covered > int(needed) if protocol.coverage_strict else covered >= needed
        greys[index] = modal_grey(values) if enough else 0
    return greys


def spearman_rho_of_map(
    pred_map: Array,
    masks: Array,
    ranks: Array | Sequence[int],
    *,
    protocol: Protocol = PROTOCOLS["ppa"],
) -> ImageRho:
    """Spearman's rho between true ranks and the greys that a rank map gives to the true objects.

    Published by Siris et al. (CVPR 2020) and used by PPA: missed objects are left out, so they
    cost nothing here; a single object found is a perfect image.

    Args:
        pred_map: uint8 (H, W), brighter = more salient.
        masks: bool (G, H, W) of the true objects.
        ranks: int (G,), 1 = most salient; objects of rank 0 are left out.
        protocol: gives the coverage rule and the value of a single object.
    """
    rank_array = np.asarray(ranks, dtype=np.int64).reshape(-1)
    greys = greys_of_objects(pred_map, masks, protocol=protocol)
    used = np.flatnonzero((rank_array > 0) & (greys > 0))
    return _rho(-rank_array[used], greys[used], used, protocol)


def spearman_rho_of_instances(
    iou: Array,
    gt_ranks: Array | Sequence[int],
    pred_ranks: Array | Sequence[int],
    *,
    protocol: Protocol = PROTOCOLS["seqrank"],
) -> ImageRho:
    """Spearman's rho between two ordered lists of masks (Guan and Lau, AAAI 2024).

    Both lists are ordered by rank, equal ranks keep their order. Each true object takes the first
    prediction that overlaps enough; a prediction may be taken more than once. The correlated
    numbers are the places in the two lists.

    Args:
        iou: float (G, P).
        gt_ranks: int (G,); objects of rank 0 are left out.
        pred_ranks: int (P,); likewise.
        protocol: gives the IoU rule and the value of a single object.
    """
    gt_order, pred_order = ranked_order(gt_ranks), ranked_order(pred_ranks)
    hits = protocol.overlaps(np.asarray(iou, dtype=np.float64)[np.ix_(gt_order, pred_order)])
    found = np.flatnonzero(hits.any(axis=1))
    places = hits[found].argmax(axis=1) if hits.size else found
    return _rho(-found, -places, gt_order[found], protocol)


def sor_score(rhos: Sequence[float] | Array, *, protocol: Protocol = PROTOCOLS["ppa"]) -> SorScore:
    """SOR of a data set from the rho of each image (NaN where an image has none).

    ``protocol.sor_nan`` = "drop" leaves images without a rho out of the mean (NaN if there is no
    other), "zero" counts them as 0.
    """
    values = np.asarray(rhos, dtype=np.float64).reshape(-1)
    used = values[~np.isnan(values)]
    mean = mean_with_nan_rule(values, protocol.sor_nan)
    return SorScore((mean + 1) / 2, mean, len(used), int((used > 0).sum()))


def mean_with_nan_rule(values: Sequence[float] | Array, rule: str) -> float:
    """Mean of values (n,); NaN ones are left out ("drop") or count as 0 ("zero"); NaN if empty."""
    array = np.asarray(values, dtype=np.float64).reshape(-1)
    if rule not in ("drop", "zero"):
        raise ValueError(f"NaN rule must be 'drop' or 'zero', got {rule!r}")
    array = array[~np.isnan(array)] if rule == "drop" else np.nan_to_num(array, nan=0.0)
    # fsum: the same to the last bit for any grouping of the images.
    return math.fsum(array) / len(array) if len(array) else math.nan


def map_mae(pred_map: Array, gt_map: Array, *, binary: bool = False) -> float:
    """Mean absolute difference of two grey maps as shares of white, in [0, 1].

    Computed in float32 like the published numbers, which puts it within 1e-8 of the exact value.

    Args:
        pred_map: uint8 (H, W).
        gt_map: uint8 (H, W).
        binary: every value above 0 counts as 1 in both maps.

    Raises:
        ValueError: maps of different shape, or not uint8.
    """
    _check_map(pred_map)
    _check_map(gt_map)
    if pred_map.shape != gt_map.shape:
        raise ValueError(f"map is {pred_map.shape} (H, W), ground truth is {gt_map.shape}")
    scale = np.float32(1 if binary else 255)
    pred, gt = ((m > 0 if binary else m).astype(np.float32) / scale for m in (pred_map, gt_map))
    return float(np.abs(gt - pred).mean()) if gt.size else math.nan


def top1_hit(
    iou: Array,
    gt_ranks: Array | Sequence[int],
    pred_ranks: Array | Sequence[int],
    pred_scores: Array | Sequence[float] | None = None,
    *,
    protocol: Protocol = PROTOCOLS["ppa"],
) -> float:
    """Whether the object predicted as most salient is the most salient one: 1, 0, or NaN.

    The prediction is the one with the smallest rank above 0; among equals the one with the higher
    score, then the first. It is right when its mask overlaps (``protocol.overlaps``) a true object
    of the smallest true rank; any of them when several share it. No ranked prediction is a miss;
    an image without a ranked true object is NaN and not counted.

    Args:
        iou: float (G, P).
        gt_ranks: int (G,).
        pred_ranks: int (P,).
        pred_scores: float (P,), only for equal ranks.
        protocol: gives the IoU rule.
    """
    true, pred = np.asarray(gt_ranks).reshape(-1), np.asarray(pred_ranks).reshape(-1)
    if not (true > 0).any():
        return math.nan
    if not (pred > 0).any():
        return 0.0
    scores = np.zeros(len(pred)) if pred_scores is None else np.asarray(pred_scores)
    candidates = np.flatnonzero(pred == pred[pred > 0].min())
    first = candidates[scores[candidates].argmax()]
    tops = np.flatnonzero(true == true[true > 0].min())
    return float(protocol.overlaps(np.asarray(iou)[tops, first]).any())


def ranked_order(ranks: Array | Sequence[int]) -> npt.NDArray[np.int64]:
    """Indices of the ranked objects, most salient first; equal ranks keep their order."""
    array = np.asarray(ranks, dtype=np.int64).reshape(-1)
    order = np.argsort(array, kind="stable")
    return order[array[order] > 0]


def _rho(true: Array, pred: Array, used: Array, protocol: Protocol) -> ImageRho:
    indices = tuple(int(index) for index in used)
    if len(indices) == 0:
        return ImageRho(math.nan, "none", indices)
    if len(indices) == 1:
        return ImageRho(protocol.single_object, "single", indices)
    rho = spearman(true, pred)
    return ImageRho(rho, "nan" if math.isnan(rho) else "spearman", indices)


def _check_map(rank_map: Array) -> None:
    if rank_map.ndim != 2 or rank_map.dtype != np.uint8:
        raise ValueError(
            f"expected a grey map, uint8 (H, W), got {rank_map.dtype} {rank_map.shape}"
        )
