"""Structure measure (Fan et al., ICCV 2017)."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from sor_ppa.evaluation.sod.levels import Floats
from sor_ppa.evaluation.sod.pair import Pair

ALPHA = 0.5


@dataclasses.dataclass(frozen=True)
class StructureRule:
    """Where the published evaluators differ.

    Attributes:
        object_ddof: 1 = sample, 0 = population standard deviation in the object score.
        spread_ddof: the same of the two variances in the region score (its covariance is always
            a sample's).
        eps: what keeps denominators from being 0.
        clamp: negative scores become 0.
        small_quadrants: quadrants without a pixel count nothing and those of one pixel have no
            spread; False: either makes the score undefined, as published.
    """

    object_ddof: int
    spread_ddof: int
    eps: float
    clamp: bool = True
    small_quadrants: bool = True


def s_measure(pair: Pair, rule: StructureRule) -> float:
    """Mean of an object-aware and a region-aware similarity.

    Returns:
        0 ... 1 (about); under rules without ``small_quadrants`` undefined scores are NaN, or with
        ``clamp`` 0.
    """
    if pair.positives == 0:
        return 1 - pair.mean
    if pair.positives == pair.size:
        return pair.mean
    score = ALPHA * _object_score(pair, rule) + (1 - ALPHA) * _region_score(pair, rule)
    # Of 0 and NaN Python's max takes the first: so did the evaluator of InSPyReNet.
    return max(0.0, score) if rule.clamp else score


def _object_score(pair: Pair, rule: StructureRule) -> float:
    share = pair.positives / pair.size
    inside = _likeness(pair.counts[1], pair.values, rule)
    outside = _likeness(pair.background, 1 - pair.values, rule)
    return share * inside + (1 - share) * outside


def _likeness(counts: Floats, values: Floats, rule: StructureRule) -> float:
    number = float(counts.sum())
    mean = float(counts @ values) / number
    deviation = values - mean
    spread = float(counts @ (deviation * deviation))
    sigma = math.sqrt(spread / (number - rule.object_ddof)) if number > 1 else 0.0
    return 2 * mean / (mean * mean + 1 + sigma + rule.eps)


def _region_score(pair: Pair, rule: StructureRule) -> float:
    number = np.array([float(window.pixels) for window in pair.quadrants])
    if not rule.small_quadrants and number.min() <= 1:
        return math.nan
    weights = number / pair.size
    weights[3] = 1 - weights[:3].sum()
    scores = _similarity(pair, number, rule)
    return float((weights * scores).sum())


def _similarity(pair: Pair, number: Floats, rule: StructureRule) -> Floats:
    """SSIM of each quadrant, (4,); of one without a pixel any number."""
    counted = np.maximum(number, 1)
    everywhere, inside = pair.by_quadrant[:, 0], pair.by_quadrant[:, 1]  # (4, K)
    x, y = everywhere @ pair.values / counted, inside.sum(1) / counted
    deviation = pair.values - x[:, None]
    # One grey level has no spread; the rounding of the mean must not give it one.
    deviation[everywhere.max(1) == number] = 0
    weighted = pair.by_quadrant * deviation[:, None]  # (4, 2, K)
    total, on_object = weighted.sum(2).T
    sample = np.maximum(number - 1, rule.eps)
    spread = np.maximum(number - rule.spread_ddof, rule.eps)
    var_x = (weighted[:, 0] * deviation).sum(1) / spread
    var_y = number * y * (1 - y) / spread
    a = 4 * x * y * (on_object - y * total) / sample
    b = (x * x + y * y) * (var_x + var_y)
    return np.where(a != 0, a / (b + rule.eps), b == 0)
