"""Fast against slow, identities, and corners."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sor_ppa.errors import ConfigError
from sor_ppa.evaluation import fixation as gaze
from sor_ppa.evaluation.gaze import areas
from tests.evaluation.gaze import slow

RNG = np.random.default_rng(0)
SIZES = [(12, 17), (12, 17), (9, 20), (1, 6)]


def some_points(size: tuple[int, int], count: int, rng: np.random.Generator) -> np.ndarray:
    return np.stack([rng.integers(0, size[1], count), rng.integers(0, size[0], count)], 1)


def some_set(levels: int = 0) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Maps (with ties if there are few levels) and points, some of them twice."""
    rng = np.random.default_rng(levels)
    maps = [rng.random(size) for size in SIZES]
    if levels:
        maps = [np.floor(m * levels) / levels for m in maps]
    points = [some_points(size, 6, rng) for size in SIZES]
    return maps, [np.concatenate([each, each[:2]]) for each in points]


@pytest.mark.parametrize("levels", [0, 3, 255])
def test_fast_equals_slow(levels: int) -> None:
    maps, points = some_set(levels)
    pool = gaze.PooledFixations(points, SIZES)
    listed = [[(int(x), int(y)) for x, y in each] for each in points]
    for index, fixation in enumerate(maps):
        mine = listed[index]
        row = gaze.score(fixation, points[index], sigma=2, others=gaze.Others(pool.counts(index)))
        every = fixation.ravel().tolist()
        other = slow.shuffled_negatives(fixation, index, listed, SIZES)
        people = slow.empirical(mine, SIZES[index], 2)
        expected = {
            "AUC": np.mean([slow.auc(fixation, x, y, every) for x, y in mine]),
            "sAUC": np.mean([slow.auc(fixation, x, y, other) for x, y in mine]),
            "AUC-Judd": slow.auc_judd(fixation, mine),
            "NSS": np.mean([slow.nss(fixation, x, y) for x, y in mine]),
            "SIM": slow.similarity(fixation, people),
            "KLD": slow.divergence(fixation, people),
            "CC": np.corrcoef(fixation.ravel(), people.ravel())[0, 1],
        }
        for name, value in expected.items():
            assert row[name] == pytest.approx(value, abs=1e-9), name


@pytest.mark.parametrize("levels", [0, 3])
def test_fast_equals_slow_in_the_mit_flavour(levels: int) -> None:
    maps, points = some_set(levels)
    for fixation, each in zip(maps[:3], points):
        places = np.unique(each, axis=0)
        scaled = areas.min_max(fixation)
        listed = [(int(x), int(y)) for x, y in each]
        row = gaze.score(fixation, each, flavour="mit")
        assert row["AUC-Judd"] == pytest.approx(slow.auc_judd_mit(fixation, listed), abs=1e-9)
        positives = areas.fixated(scaled, places)
        negatives = scaled.ravel()[RNG.integers(0, scaled.size, (len(places), 7))]
        found = gaze.auc_borji(positives, negatives)
        assert found == pytest.approx(slow.auc_borji(positives, negatives), abs=1e-12)


@pytest.mark.parametrize("new_size", [(12, 17), (5, 30), (24, 34), (3, 3), (1, 1)])
def test_matlabs_resize(new_size: tuple[int, int]) -> None:
    fixation = np.random.default_rng(1).random((12, 17))
    rows = np.stack([slow.matlab_resize_line(c, new_size[0]) for c in fixation.T], 1)
    expected = np.stack([slow.matlab_resize_line(r, new_size[1]) for r in rows])
    np.testing.assert_allclose(gaze.matlab_resize(fixation, new_size), expected, atol=1e-10)


# ---- identities


def test_what_does_not_change_the_scores() -> None:
    maps, points = some_set()
    row, scaled = (gaze.score(m, points[0], sigma=2) for m in (maps[0], 3 * maps[0] + 7))
    for name in ("NSS", "AUC", "AUC-Judd", "AUC-Borji", "CC"):
        assert scaled[name] == pytest.approx(row[name], abs=1e-9), name
    turned = gaze.score(-maps[0], points[0], sigma=2)
    assert turned["AUC"] == pytest.approx(1 - row["AUC"])
    assert turned["NSS"] == pytest.approx(-row["NSS"])
    assert turned["CC"] == pytest.approx(-row["CC"])


def test_peoples_own_map_is_perfect() -> None:
    _, points = some_set()
    people = gaze.empirical_map(points[0], SIZES[0], 2)
    row = gaze.score(people, points[0], sigma=2)
    assert row["CC"] == pytest.approx(1) and row["SIM"] == pytest.approx(1)
    assert row["KLD"] == pytest.approx(0, abs=1e-9)
    assert row["NSS"] > 1 and row["AUC"] > 0.8


def test_the_baseline_gains_nothing_on_itself() -> None:
    _, points = some_set()
    bias = gaze.centre_bias(SIZES[0])
    row = gaze.score(bias, points[0], density=bias)
    assert row["IG"] == pytest.approx(0, abs=1e-12)
    assert row["LL"] == pytest.approx(np.log(areas.fixated(bias, points[0])).mean())


def test_fouriers_map_is_a_blur() -> None:
    points = np.array([[30, 20], [5, 7], [30, 20]])
    found = gaze.fourier_map(points, (40, 60))
    binary = np.zeros((64, 64))
    binary[20, 30] = binary[7, 5] = 1
    y, x = np.meshgrid(*[np.fft.fftfreq(64) * 64] * 2, indexing="ij")
    fall = np.exp(-np.log(2) * (x**2 + y**2) / 64)
    expected = np.fft.ifft2(np.fft.fft2(binary) * fall).real[:40, :60]
    np.testing.assert_allclose(found, expected.clip(0), atol=1e-12)


# ---- corners


def test_no_fixation_no_score() -> None:
    with pytest.raises(ValueError, match="leave it out"):
        gaze.score(np.ones((3, 3)), np.zeros((0, 2), int))


def test_a_constant_map() -> None:
    points = np.array([[1, 1], [2, 0]])
    row = gaze.score(np.zeros((4, 5)), points, sigma=1)
    assert row["NSS"] == 0 and row["AUC"] == 0.5 and row["CC"] == 0
    assert row["AUC-Judd"] == pytest.approx(0.5)
    assert row["IG-uniform"] == pytest.approx(0, abs=1e-12)
    assert math.isfinite(row["KLD"]) and 0 < row["SIM"] < 1


def test_people_who_looked_everywhere_alike() -> None:
    assert math.isnan(gaze.correlation(np.eye(3), np.ones((3, 3))))


@pytest.mark.parametrize("flavour", gaze.FLAVOURS)
def test_one_fixation(flavour: str) -> None:
    row = gaze.score(np.eye(4), np.array([[1, 1]]), flavour=flavour, sigma=1)
    assert math.isnan(row["AUC-Borji"]) and math.isnan(row["sAUC"])
    assert row["AUC-Judd"] > 0.8 and row["NSS"] > 0


def test_every_pixel_fixated_leaves_no_negative() -> None:
    points = np.array([[x, y] for y in range(2) for x in range(2)])
    row = gaze.score(np.arange(4.0).reshape(2, 2), points, sigma=1)
    assert math.isnan(row["AUC-Judd"]) and row["AUC"] == 0.5
    row = gaze.score(np.arange(4.0).reshape(2, 2), points, flavour="mit")
    assert math.isnan(row["AUC-Judd"])


def test_random_negatives_follow_from_the_seed() -> None:
    maps, points = some_set()
    first, again = (gaze.score(maps[0], points[0], place=3)["AUC-Borji"] for _ in range(2))
    other = gaze.score(maps[0], points[0], place=4)["AUC-Borji"]
    assert first == again != other


@pytest.mark.parametrize(
    ("flavour", "metrics", "words"),
    [
        ("matlab", (), "use tuebingen or mit"),
        ("tuebingen", ("EMD",), "EMD unknown"),
        ("mit", ("LL",), "LL unknown; use NSS"),
    ],
)
def test_unknown_names(flavour: str, metrics: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        gaze.choose(flavour, metrics)


def test_only_what_is_asked_for() -> None:
    row = gaze.score(np.eye(4), np.array([[1, 1]]), metrics=["SIM", "NSS"])
    assert list(row) == ["NSS", "SIM"]
