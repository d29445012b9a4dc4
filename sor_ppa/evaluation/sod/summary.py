"""From the scores of images to the columns of a table."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np

from sor_ppa.evaluation.sod.levels import Floats
from sor_ppa.evaluation.sod.protocols import DenseProtocol
from sor_ppa.evaluation.sod.sums import MetricSums
from sor_ppa.evaluation.sod.thresholds import F_BETA2

# Column of each key of an image's scores. Curves give a "max" and an "avg" column, or "min" and
# "avg" where less is better.
_NUMBERS = {
    "sm": "Sm",
    "mae": "MAE",
    "mse": "MSE",
    "wfm": "wFm",
    "mba": "mBA",
    "em": "adpEm",
    "dis": "Dis",
}
_FAMILIES = {
    "em": "Em",
    "fm": "Fm",
    "iou": "IoU",
    "dice": "Dice",
    "spec": "Specificity",
    "fpr": "FPR",
    "ber": "BER",
    "oa": "OA",
    "kappa": "Kappa",
    "biou": "BIoU",
    "tiou": "TIoU",
    "msiou": "MSIoU",
}
ERRORS = ("MAE", "MSE", "FPR", "BER")


def summarize(
    sums: MetricSums, protocol: DenseProtocol, *, parity: bool = False
) -> OrderedDict[str, float]:
    """Scores of a data set.

    Curves are averaged over the images first; "max" and "avg" are those of the mean curve. Images
    in which a number is undefined are left out of its mean, and ``images_<column>`` says how many
    were used.

    Args:
        sums: scores of all images.
        protocol: the one they were scored under.
        parity: as published: one undefined score makes the mean undefined.

    Returns:
        ``Sm``, ``MAE``, ``adpEm``, ``maxEm``, ``avgEm``, ``adpFm``, ``maxFm``, ``avgFm``, ``wFm``,
        ``mBA`` ... as far as they were computed, and ``images``; NaN where nothing is defined.
    """
    results: OrderedDict[str, float] = OrderedDict()
    for key in sums.keys:
        results.update(_columns(sums, key))
    if protocol.pooled_f and "precision" in sums.keys:
        curve = _f_of(sums.curve("precision"), sums.curve("recall"), protocol.pr_eps)
        results["maxFm"] = float(curve.max())
    if "counts_bin" in sums.keys:
        results.update(_of_summed_counts(sums))
    order = [name for name in protocol.columns if name in results]
    ordered = OrderedDict((name, results[name]) for name in [*order, *results])
    ordered["images"] = sums.images
    for key, column in ((key, _number_column(key)) for key in sums.keys):
        if column and (sums.count(key) < sums.images or key == "mba"):
            ordered[f"images_{column}"] = sums.count(key)
            if parity and sums.count(key) < sums.images:
                ordered[column] = math.nan
    return ordered


def mean_curves(sums: MetricSums, protocol: DenseProtocol) -> dict[str, Floats]:
    """Mean curves for plots: ``precision``, ``recall``, ``fm_curve``, as far as they are there."""
    names = [key for key in sums.keys if key in ("precision", "recall", "fm_curve")]
    curves = {name: sums.curve(name) for name in names}
    if protocol.pooled_f and "precision" in curves:
        curves["fm_curve"] = _f_of(curves["precision"], curves["recall"], protocol.pr_eps)
    return curves


def image_scalars(scores: Mapping[str, Any]) -> dict[str, float]:
    """One image's scores as numbers under the names of the columns: curves as max and avg."""
    numbers: dict[str, float] = {}
    for key, value in scores.items():
        column = _number_column(key)
        if column:
            numbers[column] = float(value)
        elif key.endswith("_curve"):
            numbers.update(_best_and_mean(_FAMILIES[key.removesuffix("_curve")], value))
    return numbers


def _columns(sums: MetricSums, key: str) -> dict[str, float]:
    column = _number_column(key)
    if column:
        return {column: sums.mean(key)}
    if key.endswith("_curve"):
        return _best_and_mean(_FAMILIES[key.removesuffix("_curve")], sums.curve(key))
    return {}


def _number_column(key: str) -> str | None:
    """Column of a key whose value is a number; None for curves and counts."""
    family, _, form = key.partition("_")
    if not form:
        return _NUMBERS.get(key)
    return f"{form}{_FAMILIES[family]}" if form in ("adp", "bin") and family in _FAMILIES else None


def _best_and_mean(column: str, curve: Floats) -> dict[str, float]:
    best = ("min", curve.min()) if column in ERRORS else ("max", curve.max())
    return {f"{best[0]}{column}": float(best[1]), f"avg{column}": float(curve.mean())}


def _f_of(precision: Floats, recall: Floats, eps: float) -> Floats:
    return (1 + F_BETA2) * precision * recall / (F_BETA2 * precision + recall + eps)


def _of_summed_counts(sums: MetricSums) -> dict[str, float]:
    """Scores of the map cut at one half, of all pixels of the data set together."""
    tp, fp, fn, tn = sums.curve("counts_bin")
    ratios = {
        "totIoU": (tp, tp + fp + fn),
        "totDice": (2 * tp, 2 * tp + fp + fn),
        "totFm": ((1 + F_BETA2) * tp, (1 + F_BETA2) * tp + F_BETA2 * fn + fp),
        "totOA": (tp + tn, tp + fp + fn + tn),
    }
    return {name: float(np.divide(*ratio)) if ratio[1] else 0.0 for name, ratio in ratios.items()}
