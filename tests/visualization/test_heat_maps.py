from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sor_ppa.errors import SaliencyError
from sor_ppa.visualization.heat_maps import (
    heat_colours,
    heat_contours,
    heat_map,
    heat_overlay,
)

GREY = np.full((20, 30, 3), 128, np.uint8)


def bump() -> np.ndarray:
    y, x = np.mgrid[:20, :30]
    return np.exp(-((y - 10) ** 2 + (x - 12) ** 2) / 30).astype(np.float32)


def test_colours_get_brighter() -> None:
    brightness = heat_colours().astype(float) @ [0.114, 0.587, 0.299]
    assert heat_colours().shape == (256, 3)
    assert brightness[0] < 5 and brightness[-1] > 230 and (np.diff(brightness) > -1).all()


def test_least_and_largest() -> None:
    found = heat_map(np.array([[0.0, 1.0, 0.5]]))
    np.testing.assert_array_equal(found[0], heat_colours()[[0, 255, 128]])
    assert found.dtype == np.uint8


@pytest.mark.parametrize("even", [True, False])
def test_overlay_leaves_the_picture_visible_where_nobody_looks(even: bool) -> None:
    found = heat_overlay(GREY, bump(), even=even)
    assert found.shape == GREY.shape and found.dtype == np.uint8
    corner, peak = (np.abs(found[at].astype(int) - 128).max() for at in ((0, 29), (10, 12)))
    assert peak > 60
    assert corner == pytest.approx(83, abs=2) if even else corner < 30


def test_even_overlay_is_the_blend_that_was_published() -> None:
    expected = 0.65 * heat_map(bump()).astype(float) + 0.35 * GREY
    assert np.abs(heat_overlay(GREY, bump(), even=True) - expected).max() <= 0.5


@pytest.mark.parametrize("even", [True, False])
def test_opacity_nought_is_the_picture(even: bool) -> None:
    np.testing.assert_array_equal(heat_overlay(GREY, bump(), 0.0, even=even), GREY)


def test_contours_are_lines_around_the_peak() -> None:
    large, image = np.kron(bump(), np.ones((8, 8))), np.full((160, 240, 3), 128, np.uint8)
    changed = (heat_contours(image, large) != image).any(axis=2)
    assert 0 < changed.mean() < 0.3 and not changed[84, 100] and not changed[0, 239]
    np.testing.assert_array_equal(heat_contours(GREY, np.zeros((20, 30))), GREY)


@pytest.mark.parametrize("draw", [heat_overlay, heat_contours])
def test_a_map_of_another_size(draw: Callable) -> None:
    with pytest.raises(SaliencyError):
        draw(GREY, np.zeros((5, 5)))


@pytest.mark.parametrize("fixation", [np.zeros(5), np.full((2, 2), np.nan)])
def test_no_map(fixation: np.ndarray) -> None:
    with pytest.raises(SaliencyError):
        heat_map(fixation)


def test_opacity_out_of_range() -> None:
    with pytest.raises(SaliencyError, match="0 ... 1, got 1.5"):
        heat_overlay(GREY, bump(), 1.5)
