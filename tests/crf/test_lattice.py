"""The lattice against loops over points and a dict of corners."""

from __future__ import annotations

import numpy as np
import pytest

from sor_ppa.crf.lattice import Corners, Lattice, corners
from sor_ppa.errors import SaliencyError
from tests.crf.plain_crf import corners_of, plain_filter

# dimensions, points, spread of the features
CASES = [(1, 1, 1.0), (1, 40, 3.0), (2, 60, 4.0), (3, 50, 1.0), (5, 80, 2.0), (5, 30, 300.0)]


def features_of(d: int, points: int, spread: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, spread, (d, points)).astype(np.float32)


def keys_of(found: Corners) -> np.ndarray:
    """(d, corners, N) coordinates of the corners, up to a shift of all of them."""
    steps, d = found.steps, len(found.steps) - 1
    k = found.codes % (d + 1)
    rest = found.codes - k
    cells = np.empty((d, *found.codes.shape), np.int64)
    for i in reversed(range(d)):
        cells[i], rest = rest // steps[i], rest % steps[i]
    return cells * (d + 1) + k


@pytest.mark.parametrize(("d", "points", "spread"), CASES)
def test_keys_and_weights(d: int, points: int, spread: float) -> None:
    features = features_of(d, points, spread)
    found = corners(features)
    plain = [corners_of([float(f) for f in column]) for column in features.T]
    weights = np.array([[weight for _, weight in point] for point in plain]).T
    np.testing.assert_allclose(found.weights, weights, atol=1e-6 * max(1, spread))
    keys = np.array([[key for key, _ in point] for point in plain]).T  # (d, corners, N)
    shift = keys_of(found) - keys
    assert (shift == shift[:, :1, :1]).all()
    assert (shift % (d + 1) == 0).all()


def test_far_points_have_longer_codes() -> None:
    assert corners(features_of(5, 30, 3.0)).codes.dtype == np.int32
    assert corners(features_of(5, 30, 300.0)).codes.dtype == np.int64


@pytest.mark.parametrize("d", [1, 2, 5])
def test_ties(d: int) -> None:
    """In the origin all coordinates are equal, and exactly so in any precision."""
    found = corners(np.zeros((d, 2), np.float32))
    keys = np.array([key for key, _ in corners_of([0.0] * d)]).T  # (d, corners)
    ours = keys_of(found)[:, :, 0]
    assert (ours - ours[:, :1] == keys - keys[:, :1]).all()
    np.testing.assert_array_equal(found.weights[:, 0], [1] + [0] * d)


@pytest.mark.parametrize(("d", "points", "spread"), CASES)
def test_filter(d: int, points: int, spread: float) -> None:
    features = features_of(d, points, spread)
    values = np.random.default_rng(1).normal(size=points).astype(np.float32)
    expected = plain_filter(features, values)
    ours = Lattice(features).filter(values)
    assert ours.dtype == np.float32
    # Far from the origin float32 has fewer digits for the fractions.
    np.testing.assert_allclose(ours, expected, atol=2e-6 * max(1, spread / 4))


def test_filter_on_the_grid_of_pixels() -> None:
    """Integer positions: many points lie on borders between simplices."""
    y, x = np.indices((9, 11))
    features = np.stack([x.ravel(), y.ravel()]) / np.float32(3)
    values = np.random.default_rng(2).normal(size=99).astype(np.float32)
    ours = Lattice(features).filter(values)
    np.testing.assert_allclose(ours, plain_filter(features, values), atol=1e-5)


def test_it_blurs() -> None:
    """A point's value reaches its neighbours, less the farther they are."""
    line = np.arange(20, dtype=np.float32)[None] / 2
    peak = np.zeros(20, np.float32)
    peak[8] = 1
    spread = Lattice(line).filter(peak)
    assert spread[8] == spread.max() and spread[8] > spread[10] > spread[12] > 0
    assert spread[19] == 0


def test_number_of_corners() -> None:
    assert Lattice(np.zeros((2, 7), np.float32)).vertices == 3


@pytest.mark.parametrize(
    ("features", "text"),
    [
        (np.array([[0, 1e12]]), "larger standard deviations"),
        (np.array([[0, np.nan]]), "larger standard deviations"),
        (np.array([[0, np.inf]]), "larger standard deviations"),
        (features_of(5, 10, 1e6), "cells: too many for a lattice"),
    ],
    ids=["far", "nan", "infinite", "many"],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_too_fine(features: np.ndarray, text: str) -> None:
    with pytest.raises(SaliencyError, match=text):
        Lattice(features)
