"""Maps and masks on which careless code divides by 0."""

from __future__ import annotations

import logging
import math
from typing import Any

import numpy as np
import pytest

from sor_ppa.errors import ConfigError
from sor_ppa.evaluation.dense import (
    PROTOCOLS,
    Subject,
    choose_metrics,
    get_dense_protocol,
    score,
)
from sor_ppa.evaluation.sod.levels import eight_bit, histograms, stretched
from tests.evaluation.sod.pairs import Image, blob_pair, constant, rectangle_mask

N, N1 = 9 * 12, 4 * 6
EMPTY, FULL, SOME = constant(0), constant(255), rectangle_mask()


def base_rate(positives: int = N1, size: int = N) -> float:
    """F of a map that selects everything."""
    precision = positives / size
    return 1.3 * precision / (0.3 * precision + 1)


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0)])
def test_no_pixels(shape: tuple[int, int]) -> None:
    nothing = np.zeros(shape, np.uint8)
    with pytest.raises(ValueError, match="not empty"):
        score(nothing, nothing)


@pytest.mark.parametrize(
    "prediction, mask, curve, adaptive",
    [
        (EMPTY, EMPTY, [(0, 256, 0.0)], 0.0),
        (SOME, EMPTY, [(0, 256, 0.0)], 0.0),
        # The adaptive threshold of an empty map is 0 and selects every pixel.
        (EMPTY, SOME, [(0, 255, 0.0), (255, 256, base_rate())], base_rate()),
        (EMPTY, FULL, [(0, 255, 0.0), (255, 256, 1.0)], 1.0),
        (constant(100), SOME, [(0, 155, 0.0), (155, 256, base_rate())], 0.0),
        (constant(127), SOME, [(0, 128, 0.0), (128, 256, base_rate())], 0.0),
        (FULL, SOME, [(0, 256, base_rate())], base_rate()),
        (FULL, FULL, [(0, 256, 1.0)], 1.0),
        (SOME, SOME, [(0, 255, 1.0), (255, 256, base_rate())], 1.0),
    ],
)
def test_f_measure(
    prediction: Image, mask: Image, curve: list[tuple[int, int, float]], adaptive: float
) -> None:
    scores: dict[str, Any] = score(prediction, mask)
    expected = np.concatenate([np.full(end - start, value) for start, end, value in curve])
    np.testing.assert_allclose(scores["fm_curve"], expected, rtol=0, atol=1e-15)
    assert scores["fm_adp"] == pytest.approx(adaptive, abs=1e-15)


@pytest.mark.parametrize(
    "prediction, mask, sm, mae, wfm, em_adp",
    [
        (EMPTY, EMPTY, 1, 0, 0, 0),
        (FULL, EMPTY, 0, 1, 0, 0),
        (SOME, EMPTY, 1 - N1 / N, N1 / N, 0, (N - N1) / (N - 1)),
        (EMPTY, FULL, 0, 1, None, N / (N - 1)),
        (FULL, FULL, 1, 0, 1, N / (N - 1)),
        (SOME, SOME, 1, 0, 1, N / (N - 1)),
    ],
)
def test_other_metrics(
    prediction: Image, mask: Image, sm: float, mae: float, wfm: float | None, em_adp: float
) -> None:
    scores = score(prediction, mask)
    assert scores["sm"] == pytest.approx(sm, abs=1e-12)
    assert scores["mae"] == pytest.approx(mae, abs=1e-15)
    assert scores["em_adp"] == pytest.approx(em_adp, abs=1e-12)
    if wfm is not None:
        assert scores["wfm"] == pytest.approx(wfm, abs=1e-12)


def test_empty_map_of_a_full_mask_has_a_weighted_f() -> None:
    """Errors near the picture's edge are blurred with zeros."""
    assert score(constant(0, (16, 20)), constant(255, (16, 20)))["wfm"] == pytest.approx(
        0.30, abs=0.01
    )


def test_e_curve_of_nothing_in_nothing() -> None:
    curve = score(EMPTY, EMPTY)["em_curve"]
    assert curve[:255] == pytest.approx(np.full(255, N / (N - 1))) and curve[255] == 0


@pytest.mark.parametrize("corner", [(0, 0), (0, 11), (8, 0), (8, 11)])
def test_empty_quadrants_do_not_count(corner: tuple[int, int]) -> None:
    """An object in the last row or column leaves quadrants without a pixel."""
    mask = constant(0)
    mask[corner] = 255
    scores = score(mask, mask)
    assert scores["sm"] == pytest.approx(1, abs=1e-9)
    if corner == (8, 11):
        assert score(mask, mask, "inspyrenet")["sm"] == 0
        assert math.isnan(score(mask, mask, "a2s")["sm"])


def test_flat_quadrants_have_no_spread() -> None:
    """A flat map in a quadrant without object and one that lies in it: 1 and 0, not noise."""
    mask = rectangle_mask((40, 40), np.s_[2:6, 2:6])
    prediction = constant(77, (40, 40))
    prediction[3, 3] = 200
    quadrant = score(prediction, mask)["sm"]
    prediction[3, 3], prediction[30, 30] = 77, 200
    assert np.isfinite(quadrant) and score(prediction, mask)["sm"] < quadrant


@pytest.mark.parametrize("level, foreground", [(128, False), (129, True)])
def test_mask_threshold(level: int, foreground: bool) -> None:
    assert score(FULL, constant(level))["recall"][0] == foreground


def test_a2s_takes_half_of_the_masks_own_maximum() -> None:
    mask = SOME // 10
    assert score(SOME, mask, "a2s")["fm_adp"] == 1 and score(SOME, mask)["fm_adp"] == 0


def test_one_pixel(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        scores = score(constant(255, (1, 1)), constant(255, (1, 1)))
    assert scores["em_adp"] == pytest.approx(1 / 2.0**-52) and "1 pixels" in caplog.text


@pytest.mark.parametrize("mask", [EMPTY, FULL])
def test_masks_without_outline(mask: Image) -> None:
    scores = score(SOME, mask, "inspyrenet")
    assert math.isnan(scores["mba"])
    assert np.isfinite(scores["biou_curve"]).all() and np.isfinite(scores["tiou_curve"]).all()


@pytest.mark.parametrize("seed", range(40))
def test_adaptive_threshold_on_a_tie(seed: int) -> None:
    """Maps of 0 and c with half the pixels each: the threshold is c, give or take rounding."""
    random = np.random.default_rng(seed)
    low, high = sorted(random.choice(256, 2, replace=False))
    prediction = np.array([[0, low, high, 255]] * 6, np.uint8)
    prediction[:, 3] = 255 if low + high == 255 else min(2 * (low + high), 255)
    p = prediction / 255
    p = (p - p.min()) / (p.max() - p.min()) if p.max() > p.min() else p
    mask = rectangle_mask((6, 4), np.s_[1:3, 1:4])
    chosen = p >= min(2 * p.mean(), 1)
    hits = (chosen & (mask > 128)).sum()
    expected = hits / (chosen.sum() + 6 - hits)
    assert score(prediction, mask)["iou_adp"] == pytest.approx(expected, abs=1e-15)


def test_every_stretch_is_rounded_like_the_float_map() -> None:
    for low in range(0, 256, 3):
        for high in range(low, 256, 5):
            levels = np.arange(low, high + 1)
            p = levels / 255
            if low < high:
                p = (p - p.min()) / (p.max() - p.min())
            table = stretched(low, high)
            assert (table[low : high + 1] == p).all()
            assert (eight_bit(table)[low : high + 1] == (p * 255).astype(np.uint8)).all()


def test_counting_in_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    prediction, mask = blob_pair(3)
    expected = histograms(prediction, mask // 255, 256)
    monkeypatch.setattr("sor_ppa.evaluation.sod.levels._STRIP_PIXELS", 200)
    assert (histograms(prediction, mask // 255, 256) == expected).all()
    assert (expected[0] == np.bincount(prediction.ravel(), minlength=256)).all()
    assert (expected[1] == np.bincount(prediction[mask > 0], minlength=256)).all()


def test_more_pixels_of_a_grey_than_float32_counts() -> None:
    picture = np.zeros((4100, 4100), np.uint8)
    picture[0, 0] = 255
    counts = histograms(picture, np.zeros_like(picture), 256)[0]
    assert counts[0] == 4100 * 4100 - 1 and counts[255] == 1


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_views_and_strides(protocol: str) -> None:
    prediction, mask = blob_pair(5)
    expected = score(prediction.copy(), mask.copy(), protocol, ["all"])
    wide = np.stack([prediction, mask], 2)
    strided = score(wide[:, :, 0], wide[:, :, 1], protocol, ["all"])
    assert all((np.asarray(strided[k]) == expected[k]).all() for k in expected)


@pytest.mark.parametrize(
    "prediction, mask, options, error, message",
    [
        (SOME[:-1], SOME, {}, ValueError, "one shape"),
        (SOME[..., None], SOME[..., None], {}, ValueError, "one shape"),
        (SOME / 255, SOME, {}, ValueError, "normalize=False"),
        (SOME, SOME > 0, {}, ValueError, "uint8"),
        (SOME / 255, SOME, {"normalize": False}, TypeError, "bool"),
        (SOME, SOME > 0, {"normalize": False}, ValueError, "floating"),
        (SOME / 100, SOME > 0, {"normalize": False}, ValueError, r"\[0, 1\]"),
        (SOME * math.nan, SOME > 0, {"normalize": False}, ValueError, "nan"),
        (SOME, SOME, {"protocol": "best"}, ConfigError, "inspyrenet"),
        (SOME, SOME, {"metrics": ["auc"]}, ConfigError, "'auc'"),
    ],
)
def test_wrong_arguments(
    prediction: Any, mask: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        score(prediction, mask, **options)


@pytest.mark.parametrize(
    "metrics, families",
    [
        ([], PROTOCOLS["pysod"].families),
        (["sm"], ("sm",)),
        (["maxFm", "fm_curve", "adpFm"], ("fm",)),
        (["wFm", "mBA", "MAE"], ("mae", "wfm", "mba")),
        (["recall"], ("pr",)),
        (["binIoU", "avgBIoU", "msiou_adp"], ("iou", "biou", "msiou")),
    ],
)
def test_names_of_metrics(metrics: list[str], families: tuple[str, ...]) -> None:
    assert choose_metrics(get_dense_protocol("pysod"), metrics) == families


def test_all_metrics() -> None:
    for protocol in PROTOCOLS.values():
        assert choose_metrics(protocol, ["all"]) == (*protocol.families, *protocol.extras)


@pytest.mark.parametrize(
    "prediction, mask, iou, distance",
    [
        (EMPTY, EMPTY, math.nan, 320 / (12 + 1e-5)),
        (SOME, EMPTY, 0, 320 / (12 + 1e-5)),
        (EMPTY, SOME, 0, 320 / (12 + 1e-5)),
        (SOME, SOME, 1, 0),
        # Rows 2 ... 5 and columns 3 ... 8 against all of 9 x 12: (3.5, 5.5) and (4, 5.5).
        (FULL, SOME, N1 / N, 0.5 / (12 + 1e-5)),
    ],
)
def test_overlap_and_distance(prediction: Image, mask: Image, iou: float, distance: float) -> None:
    scores = score(prediction, mask, "a2s")
    assert scores["iou_bin"] == pytest.approx(iou, abs=1e-15, nan_ok=True)
    assert scores["dis"] == pytest.approx(distance, abs=1e-12)
    # Elsewhere two empty masks have no overlap.
    expected = 0 if math.isnan(iou) else iou
    assert score(prediction, mask)["iou_bin"] == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("grey, salient", [(0, 0), (127, 0), (128, 1), (255, 1)])
def test_mask_of_one_grey_straight_from_a_network(grey: int, salient: int) -> None:
    """All white is all salient, although a stretched mask of one grey would be empty."""
    subject = Subject(EMPTY, constant(grey), rounded=EMPTY)
    assert subject.prepared(PROTOCOLS["a2s"]).pair.positives == salient * N


def test_rounded_map_of_another_shape() -> None:
    with pytest.raises(ValueError, match="one shape"):
        Subject(EMPTY, EMPTY, rounded=EMPTY[1:])
