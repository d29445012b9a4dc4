"""Scores a sample of saved maps again with PySODMetrics and reports how far apart the two are."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from sor_ppa.data.mask_io import read_grey_mask
from sor_ppa.errors import SaliencyError
from sor_ppa.evaluation.dense_folders import FolderJob, load_map
from sor_ppa.evaluation.sod.protocols import PROTOCOLS
from sor_ppa.evaluation.sod.scoring import Scores, score_subject
from sor_ppa.evaluation.sod.subject import Array, Subject

_FAMILIES = ("mae", "sm", "em", "fm", "wfm")
KEYS = ("mae", "sm", "em_adp", "em_curve", "fm_adp", "fm_curve", "wfm")


def oracle_scores(prediction: Array, mask: Array) -> Scores:
    """The five metrics of a pair by PySODMetrics, under our keys.

    Args:
        prediction: uint8 (H, W).
        mask: uint8 (H, W).

    Raises:
        SaliencyError: the package is not installed.
    """
    try:
        import py_sod_metrics as peer
    except ImportError as error:
        raise SaliencyError(
            "PySODMetrics is not installed; run `pip install pysodmetrics`"
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it announces that names will change
        metrics = [
            getattr(peer, name)()
            for name in ("MAE", "Smeasure", "Emeasure", "Fmeasure", "WeightedFmeasure")
        ]
        for metric in metrics:
            metric.step(pred=prediction, gt=mask)
        mae, sm, em, fm, wfm = (metric.get_results() for metric in metrics)
    return {
        "mae": float(mae["mae"]),
        "sm": float(sm["sm"]),
        "em_adp": float(em["em"]["adp"]),
        "em_curve": np.asarray(em["em"]["curve"]),
        "fm_adp": float(fm["fm"]["adp"]),
        "fm_curve": np.asarray(fm["fm"]["curve"]),
        "wfm": float(wfm["wfm"]),
    }


def compare_with_oracle(
    job: FolderJob, number: int, progress: Callable[[int], Any] | None = None
) -> list[dict[str, Any]]:
    """Compares evenly spread pictures of each method under protocol "pysod".

    Args:
        job: what is scored.
        number: pictures a method.
        progress: called with 1 after each.

    Returns:
        One row a method: ``method``, ``images``, and the largest absolute difference of each key.

    Raises:
        SaliencyError: PySODMetrics is not installed, or a map cannot be read.
    """
    rows = []
    for method, files in job.maps.items():
        there = [index for index, name in enumerate(job.names) if name in files]
        picked = np.linspace(0, len(there) - 1, min(number, len(there))).round().astype(int)
        worst = dict.fromkeys(KEYS, 0.0)
        for index in (there[place] for place in picked):
            mask = read_grey_mask(job.masks[index])
            prediction = load_map(files[job.names[index]], mask, job)
            for key, value in differences(prediction, mask).items():
                worst[key] = max(worst[key], value)
            if progress is not None:
                progress(1)
        rows.append({"method": method, "images": len(picked), **worst})
    return rows


def differences(prediction: Array, mask: Array) -> dict[str, float]:
    """Largest absolute difference of each key for one pair; infinite where only one is NaN."""
    ours = score_subject(Subject(prediction, mask), PROTOCOLS["pysod"], _FAMILIES)
    theirs = oracle_scores(prediction, mask)
    result = {}
    for key in KEYS:
        gap = np.abs(np.asarray(ours[key]) - np.asarray(theirs[key]))
        both = np.isnan(ours[key]) & np.isnan(theirs[key])
        result[key] = float(np.where(both, 0, np.nan_to_num(gap, nan=np.inf)).max())
    return result
