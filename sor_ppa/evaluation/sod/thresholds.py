"""Metrics of thresholded maps: F-measure, precision and recall, IoU, Dice and their kin.

A map is cut at 256 thresholds, the strictest first (column k: 8-bit level >= 255 - k), at an
adaptive one (twice its mean), and at one half. All are computed at once: columns 0 ... 255 are the
curve, then come "adp" and "bin".
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sor_ppa.evaluation.sod.levels import Floats, eight_bit
from sor_ppa.evaluation.sod.pair import Pair

F_BETA2 = 0.3
_LEVELS = np.arange(255, -1, -1, dtype=np.uint8)


class Cuts:
    """Pixel counts of a pair at every threshold.

    Attributes:
        tp: float64 (levels + 2,), object pixels selected; whole numbers.
        fp: background pixels selected.
        fn: object pixels not selected.
        tn: background pixels not selected.
        levels: length of the curve.
    """

    def __init__(self, pair: Pair, levels: int = 256) -> None:
        """Counts.

        Args:
            pair: the pair.
            levels: 256, or 255 = grey 254 and 255 are one level (A2S).
        """
        self.levels = levels
        cut = np.minimum(eight_bit(pair.values), np.uint8(levels - 1))
        # How many pixels have each code or a higher one; the last column: none.
        above = np.zeros((2, len(pair.values) + 1))
        above[:, :-1] = pair.counts[:, ::-1].cumsum(1)[:, ::-1]
        first = np.empty(levels + 2, dtype=np.intp)
        first[:levels] = np.searchsorted(cut, _LEVELS[-levels:])
        first[levels] = np.searchsorted(pair.values, pair.adaptive_threshold)
        first[levels + 1] = np.searchsorted(pair.values, 0.5, side="right")
        selected, self.tp = above[:, first]
        self.fp = selected - self.tp
        self.positives, self.size = pair.positives, pair.size

    @property
    def fn(self) -> Floats:
        """Object pixels not selected."""
        return self.positives - self.tp

    @property
    def tn(self) -> Floats:
        """Background pixels not selected."""
        return self.size - self.positives - self.fp

    def parts(self, name: str, values: Floats) -> dict[str, Floats | float]:
        """``{name_curve, name_adp, name_bin}`` of values at every threshold."""
        return {
            f"{name}_curve": values[: self.levels],
            f"{name}_adp": float(values[self.levels]),
            f"{name}_bin": float(values[self.levels + 1]),
        }


def share(part: Floats, whole: Floats | float) -> Floats:
    """``part / whole``, 0 where the whole is 0."""
    whole = np.asarray(whole, dtype=np.float64)
    zeros = np.zeros(np.broadcast(part, whole).shape)
    return np.divide(part, whole, out=zeros, where=whole != 0)


def precision(cuts: Cuts) -> Floats:
    """TP / (TP + FP); 0 where nothing is selected."""
    return share(cuts.tp, cuts.tp + cuts.fp)


def recall(cuts: Cuts) -> Floats:
    """TP / (TP + FN); 0 without an object."""
    return cuts.tp / max(cuts.positives, 1)


def f_measure(cuts: Cuts, beta2: float = F_BETA2) -> Floats:
    """(1 + beta2) P R / (beta2 P + R), 0 where P R = 0 (Achanta et al., CVPR 2009)."""
    p, r = precision(cuts), recall(cuts)
    return share((1 + beta2) * p * r, beta2 * p + r)


def iou(cuts: Cuts, *, of_nothing: float = 0.0) -> Floats:
    """TP / (TP + FP + FN); ``of_nothing`` where map and mask are empty."""
    union = cuts.fp + cuts.positives
    return np.where(union > 0, share(cuts.tp, union), of_nothing)


def dice(cuts: Cuts) -> Floats:
    """2 TP / (2 TP + FP + FN)."""
    return share(2 * cuts.tp, cuts.tp + cuts.fp + cuts.positives)


def specificity(cuts: Cuts) -> Floats:
    """TN / (TN + FP)."""
    return share(cuts.tn, cuts.size - cuts.positives)


def false_positive_rate(cuts: Cuts) -> Floats:
    """FP / (FP + TN)."""
    return share(cuts.fp, cuts.size - cuts.positives)


def balanced_error_rate(cuts: Cuts) -> Floats:
    """1 - (recall + specificity) / 2; a rate of nothing counts as 0."""
    return 1 - (recall(cuts) + specificity(cuts)) / 2


def overall_accuracy(cuts: Cuts) -> Floats:
    """(TP + TN) / N."""
    return (cuts.tp + cuts.tn) / cuts.size


def kappa(cuts: Cuts) -> Floats:
    """(OA - e) / (1 - e) with the chance agreement e of PySODMetrics, 0 where e = 1.

    Cohen's e has TN + FP where this published one has TN + TP.
    """
    tp, fp, fn, tn = cuts.tp, cuts.fp, cuts.fn, cuts.tn
    chance = ((tp + fp) * (tp + fn) + (tn + fn) * (tn + tp)) / cuts.size**2
    return share(overall_accuracy(cuts) - chance, 1 - chance)


# Metrics with a curve, an adaptive and a binary form.
HANDLERS: dict[str, Callable[[Cuts], Floats]] = {
    "iou": iou,
    "dice": dice,
    "spec": specificity,
    "fpr": false_positive_rate,
    "ber": balanced_error_rate,
    "oa": overall_accuracy,
    "kappa": kappa,
}
