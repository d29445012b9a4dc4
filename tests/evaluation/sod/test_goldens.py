"""Published evaluators' numbers for made-up pairs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from sor_ppa.evaluation.dense import (
    PROTOCOLS,
    MetricSums,
    Scores,
    Subject,
    score,
    score_subject,
    summarize,
)
from sor_ppa.evaluation.sod.boundary import mba_radii
from sor_ppa.evaluation.sod.summary import mean_curves
from tests.evaluation.sod.pairs import GOLDENS

SOD = np.load(GOLDENS / "sod_metrics.npz")
MBA = np.load(GOLDENS / "mba.npz")
A2S = np.load(GOLDENS / "a2s_metrics.npz")
COUNT = 20
# The reference of A2S keeps quadrants of the mask in float32.
TOLERANCES = {"a2s/sm": 2.3e-8}
KEYS = [key for key in SOD.files if key.split("/")[0] in PROTOCOLS and key != "pysod/hce"]


@cache
def _scores(protocol: str) -> list[Scores]:
    return [score(SOD[f"pred_{i:02}"], SOD[f"gt_{i:02}"], protocol, ["all"]) for i in range(COUNT)]


@cache
def _results(protocol: str, parity: bool = False) -> dict[str, float]:
    sums = MetricSums()
    for scores in _scores(protocol):
        sums.add(scores)
    return summarize(sums, PROTOCOLS[protocol], parity=parity)


def test_all_protocols_are_covered() -> None:
    assert len(KEYS) == 48 and {key.split("/")[0] for key in KEYS} == set(PROTOCOLS)


@pytest.mark.parametrize("key", KEYS)
def test_every_pair(key: str) -> None:
    protocol, name = key.split("/")
    ours = np.array([scores[name] for scores in _scores(protocol)])
    np.testing.assert_allclose(ours, SOD[key], rtol=0, atol=TOLERANCES.get(key, 1e-9))


@pytest.mark.parametrize(
    "key, protocol, column",
    [
        ("mae", "pysod", "MAE"),
        ("sm", "pysod", "Sm"),
        ("wfm", "pysod", "wFm"),
        ("fm_max", "pysod", "maxFm"),
        ("fm_avg", "pysod", "avgFm"),
        ("fm_adp", "pysod", "adpFm"),
        ("em_max", "pysod", "maxEm"),
        ("em_avg", "pysod", "avgEm"),
        ("em_adp", "pysod", "adpEm"),
        ("a2s_fm_max", "a2s", "maxFm"),
        ("a2s_fm_avg", "a2s", "adpFm"),
    ],
)
def test_data_set(key: str, protocol: str, column: str) -> None:
    assert _results(protocol)[column] == pytest.approx(float(SOD[f"dataset/{key}"]), abs=1e-12)


def test_masks_without_outline_are_left_out_and_counted() -> None:
    defined = SOD["inspyrenet/mba"][~np.isnan(SOD["inspyrenet/mba"])]
    results = _results("inspyrenet")
    assert results["images_mBA"] == len(defined) == 18 and results["images"] == COUNT
    assert results["mBA"] == pytest.approx(defined.mean(), abs=1e-12)
    published = _results("inspyrenet", parity=True)
    assert np.isnan(published["mBA"]) and published["Sm"] == results["Sm"]


@pytest.mark.parametrize("number", range(7))
def test_high_resolution_pairs(number: int) -> None:
    scores: dict[str, Any] = score(MBA[f"{number}.pred"], MBA[f"{number}.gt"], "inspyrenet")
    names = {key.split(".")[1] for key in MBA.files if key.startswith(f"{number}.")}
    names -= {"gt", "pred", "mba_radii"}
    assert len(names) == 12
    for name in names:
        np.testing.assert_allclose(scores[name], MBA[f"{number}.{name}"], rtol=0, atol=1e-9)
    assert mba_radii(MBA[f"{number}.gt"].shape) == MBA[f"{number}.mba_radii"].tolist()


def test_high_resolution_set() -> None:
    sums = MetricSums()
    for number in range(7):
        sums.add(score(MBA[f"{number}.pred"], MBA[f"{number}.gt"], "inspyrenet"))
    results = summarize(sums, PROTOCOLS["inspyrenet"])
    names = {key[4:]: key for key in MBA.files if key.startswith("all.")}
    assert len(names) == 10
    for name, key in names.items():
        column = "MAE" if name == "mae" else name
        assert results[column] == pytest.approx(float(MBA[key]), abs=1e-9), name


# Maps as they come out of a network, not stretched: float32 with bool masks, and the evaluator's
# way: rounded to 8 bits, with grey masks.
def _float_map(i: int) -> Scores:
    grey = A2S[f"gt{i}"].astype(float)
    mask = (grey - grey.min()) / (np.ptp(grey) + 1e-5) > 0.5
    return score((A2S[f"pred{i}"] / 255).astype(np.float32), mask, "a2s", normalize=False)


def _rounded_map(i: int) -> Scores:
    # Any mask of these two greys; to be cut in their middle, not at half of the larger.
    mask = np.where(A2S[f"gt{i}"] > 0, 140, 90 if A2S[f"gt{i}"].any() else 0).astype(np.uint8)
    subject = Subject(np.zeros_like(mask), mask, rounded=A2S[f"pred{i}"])
    return score_subject(subject, PROTOCOLS["a2s"], PROTOCOLS["a2s"].families)


_PER_IMAGE = {
    "mae": "per_mae", "fm_adp": "per_adpf", "sm": "per_sm", "em": "per_em", "wfm": "per_wfm",
    "dis": "dis",
}  # fmt: skip
_OF_THE_SET = {
    "MAE": "mae", "maxFm": "maxf", "adpFm": "adpf", "Sm": "sm", "adpEm": "em", "wFm": "wfm",
}  # fmt: skip
_OF_PYSOD = {
    "MAE": "mae", "maxFm": "maxf", "adpFm": "adpf", "Sm": "sm", "adpEm": "adpe", "wFm": "wfm",
}  # fmt: skip


@pytest.mark.parametrize("scored", [_float_map, _rounded_map])
def test_maps_that_are_not_stretched(scored: Callable[[int], Scores]) -> None:
    """The test loop of A2S."""
    sums = MetricSums()
    for i in range(5):
        scores = scored(i)
        for name, key in _PER_IMAGE.items():
            assert scores[name] == pytest.approx(A2S[key][i], abs=1e-7), (i, name)
        assert scores["iou_bin"] == pytest.approx(A2S["iou"][i], abs=1e-7)
        sums.add(scores)
    results = summarize(sums, PROTOCOLS["a2s"])
    for name, key in _OF_THE_SET.items():
        assert results[name] == pytest.approx(float(A2S[key]), abs=1e-7), name
    assert results["binIoU"] == pytest.approx(A2S["iou"].mean(), abs=1e-7)
    assert results["Dis"] == pytest.approx(A2S["dis"].mean(), abs=1e-7)
    curves = mean_curves(sums, PROTOCOLS["a2s"])
    for name, key in (("precision",) * 2, ("recall",) * 2, ("fm_curve", "f_curve")):
        np.testing.assert_allclose(curves[name], A2S[key], rtol=0, atol=1e-7)


def test_the_same_maps_by_the_standard_protocol() -> None:
    sums = MetricSums()
    for i in range(5):
        sums.add(score(A2S[f"pred{i}"], A2S[f"gt{i}"] * np.uint8(255)))
    results = summarize(sums, PROTOCOLS["pysod"])
    for name, key in _OF_PYSOD.items():
        assert results[name] == pytest.approx(float(A2S[f"pysod_{key}"]), abs=1e-7), name
