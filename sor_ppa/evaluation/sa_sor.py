"""SA-SOR, the segmentation-aware score of a ranking, and the matching of objects under it.

Liu et al., Instance-Level Relative Saliency Ranking with Graph Reasoning, TPAMI 2021; the variant
with one-to-one matching is Guan and Lau's (AAAI 2024). Letters: G true objects, P predictions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sor_ppa.evaluation.correlation import is_constant, pearson
from sor_ppa.evaluation.protocols import PROTOCOLS, Protocol
from sor_ppa.evaluation.rank_metrics import mean_with_nan_rule

Array = npt.NDArray[Any]


class ImageSaSor(NamedTuple):
    """SA-SOR of one image.

    Attributes:
        value: correlation in [-1, 1]; NaN for the kinds "nan", "skipped" and "none".
        kind: "pearson"; "constant" (predicted numbers all equal: 0 by definition); "nan" (no
            correlation exists); "skipped" (one true object only); "none" (no true object).
        matches: for each true object the index of its prediction, -1 = unmatched.
    """

    value: float
    kind: str
    matches: tuple[int, ...]


def mask_iou(gt_masks: Array, pred_masks: Array) -> npt.NDArray[np.float64]:
    """Intersection over union of each pair of masks; 0 for two empty ones.

    Args:
        gt_masks: bool (G, H, W).
        pred_masks: bool (P, H, W).

    Returns:
        float64 (G, P).
    """
    iou = np.zeros((len(gt_masks), len(pred_masks)), dtype=np.float64)
    gt_areas = [int(np.count_nonzero(mask)) for mask in gt_masks]
    for column, pred in enumerate(pred_masks):
        area = int(np.count_nonzero(pred))
        for row, mask in enumerate(gt_masks):
            shared = int(np.count_nonzero(mask & pred))
            iou[row, column] = shared / max(area + gt_areas[row] - shared, 1)
    return iou


def match_greedy(iou: Array, *, protocol: Protocol = PROTOCOLS["irsr"]) -> npt.NDArray[np.int64]:
    """Each true object takes its best prediction; a prediction stays with its best taker.

    Best prediction: the highest IoU, the last one on exact ties; below the threshold the object
    stays unmatched. Best taker: the highest IoU, the first one on exact ties; the others become
    unmatched and get no second choice.

    Args:
        iou: float (G, P).
        protocol: gives the IoU rule.

    Returns:
        int64 (G,): index of the prediction, -1 = unmatched.
    """
    num_gt, num_pred = iou.shape
    matches = np.full(num_gt, -1, dtype=np.int64)
    if num_gt == 0 or num_pred == 0:
        return matches
    best = num_pred - 1 - iou[:, ::-1].argmax(axis=1)  # (G,), argmax takes the first = the last
    best_iou = iou[np.arange(num_gt), best]
    for pred in np.unique(best):
        takers = np.flatnonzero((best == pred) & protocol.overlaps(best_iou))
        if len(takers):
            matches[takers[best_iou[takers].argmax()]] = pred
    return matches


def match_hungarian(
    iou: Array, *, protocol: Protocol = PROTOCOLS["seqrank"]
) -> npt.NDArray[np.int64]:
    """One-to-one matching with the largest sum of IoU; pairs that overlap too little are undone.

    Args:
        iou: float (G, P).
        protocol: gives the IoU rule.

    Returns:
        int64 (G,): index of the prediction, -1 = unmatched.
    """
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError as error:
        raise ImportError(
            "the protocol 'seqrank' matches objects with SciPy: pip install scipy"
        ) from error
    matches = np.full(len(iou), -1, dtype=np.int64)
    rows, columns = linear_sum_assignment(1 - iou)
    good = protocol.overlaps(iou[rows, columns])
    matches[rows[good]] = columns[good]
    return matches


def sa_sor_of_image(
    iou: Array,
    gt_levels: Array | Sequence[float],
    pred_scores: Array | Sequence[float],
    *,
    protocol: Protocol = PROTOCOLS["irsr"],
) -> ImageSaSor:
    """SA-SOR of one image: correlation of true and predicted rank numbers over true objects.

    Unmatched true objects get the number 0, so misses cost. Levels and scores are higher for more
    salient objects (``-rank`` will do); objects without a rank must be left out beforehand.

    Args:
        iou: float (G, P), see :func:`mask_iou`.
        gt_levels: (G,).
        pred_scores: (P,).
        protocol: gives matching, IoU rule, numbering and the rules for images without a value.
    """
    levels = np.asarray(gt_levels, dtype=np.float64).reshape(-1)
    scores = np.asarray(pred_scores, dtype=np.float64).reshape(-1)
    overlap = np.asarray(iou, dtype=np.float64).reshape(len(levels), len(scores))
    match = match_hungarian if protocol.matching == "hungarian" else match_greedy
    matches = match(overlap, protocol=protocol)
    places = tuple(int(index) for index in matches)
    if len(levels) == 0:
        return ImageSaSor(math.nan, "none", places)
    if len(levels) == 1 and protocol.single_gt == "skip":
        return ImageSaSor(math.nan, "skipped", places)
    predicted = _predicted_numbers(matches, scores, protocol)
    true = _numbers(levels, levels, protocol)
    if is_constant(predicted) and protocol.constant_prediction == "zero":
        return ImageSaSor(0.0, "constant", places)
    value = pearson(true, predicted)
    return ImageSaSor(value, "nan" if math.isnan(value) else "pearson", places)


def sa_sor_score(
    values: Sequence[float] | Array, *, protocol: Protocol = PROTOCOLS["irsr"]
) -> float:
    """SA-SOR of a data set, in [-1, 1]: mean over images; NaN ones by ``protocol.sa_sor_nan``."""
    return mean_with_nan_rule(values, protocol.sa_sor_nan)


def _predicted_numbers(
    matches: Array, scores: Array, protocol: Protocol
) -> npt.NDArray[np.float64]:
    """Rank numbers of the true objects as predicted (G,): 1 = least salient; 0 = unmatched."""
    matched = matches >= 0
    numbers = np.zeros(len(matches))
    kept = matches[matched]
    if protocol.rank_numbers == "position" or len(scores) > len(matches):
        pool = scores  # surplus predictions shift the numbers of the matched ones
    else:
        pool = scores[kept]
    if protocol.rank_numbers == "position":
        numbers[matched] = _numbers(scores, pool, protocol)[kept]
    else:
        numbers[matched] = _numbers(scores[kept], pool, protocol)
    return numbers


def _numbers(values: Array, pool: Array, protocol: Protocol) -> npt.NDArray[np.float64]:
    """Rank number of each value (n,) in the pool, 1 = the lowest.

    "reranked": ties share the lowest number. "position": places in the list ordered by descending
    value, so of two equal ones the earlier has the higher number.
    """
    if protocol.rank_numbers == "position":
        numbers = np.empty(len(values))
        numbers[np.argsort(-values, kind="stable")] = np.arange(len(values), 0, -1)
        return numbers
    return 1.0 + (pool[None, :] < values[:, None]).sum(axis=1)
