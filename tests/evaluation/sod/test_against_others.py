"""The fast metrics against the slow definitions and against PySODMetrics."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from sor_ppa.evaluation.dense import score
from sor_ppa.evaluation.dense_oracle import differences
from tests.evaluation.sod import slow
from tests.evaluation.sod.pairs import Image, blob_pair, image_pairs


def _assert_like_the_definitions(prediction: Image, mask: Image) -> None:
    ours, expected = score(prediction, mask), slow.scores(prediction, mask)
    for key, value in expected.items():
        np.testing.assert_allclose(ours[key], value, rtol=1e-9, atol=1e-9, err_msg=key)


@settings(max_examples=60, deadline=None)
@given(image_pairs())
def test_definitions(pair: tuple[Image, Image]) -> None:
    _assert_like_the_definitions(*pair)


@pytest.mark.parametrize("seed", range(6))
def test_definitions_on_larger_pairs(seed: int) -> None:
    _assert_like_the_definitions(*blob_pair(seed, (61, 47)))


def test_definitions_far_from_the_object() -> None:
    """Further than distances are computed: what is left out weighs less than 1e-9."""
    prediction = np.full((20, 420), 3, np.uint8)
    prediction[:, 400:] = 255
    mask = np.zeros((20, 420), np.uint8)
    mask[5:9, 2:6] = 255
    _assert_like_the_definitions(prediction, mask)


@settings(max_examples=60, deadline=None)
@given(image_pairs())
def test_pysodmetrics(pair: tuple[Image, Image]) -> None:
    pytest.importorskip("py_sod_metrics")
    gaps = differences(*pair)
    # Where a quadrant is empty or has one grey its S is undefined or noise.
    gaps.pop("sm")
    assert max(gaps.values()) < 1e-9, gaps


@pytest.mark.parametrize("seed", range(8))
def test_pysodmetrics_on_larger_pairs(seed: int) -> None:
    pytest.importorskip("py_sod_metrics")
    prediction, mask = blob_pair(seed, (130, 97))
    prediction[-1, -1], mask[5:8, 5:8], mask[-9:-6, -9:-6] = 255, 255, 255  # inner centroid
    assert max(differences(prediction, mask).values()) < 1e-9


@settings(max_examples=25, deadline=None)
@given(image_pairs())
def test_outline_definitions(pair: tuple[Image, Image]) -> None:
    ours = score(*pair, "inspyrenet", ["biou", "tiou"])
    for key, value in slow.boundary_ious(*pair).items():
        np.testing.assert_allclose(ours[key], value, rtol=0, atol=1e-12, err_msg=key)


@settings(max_examples=25, deadline=None)
@given(image_pairs())
def test_floats_like_integers(pair: tuple[Image, Image]) -> None:
    """A map of all greys from 0 to 255 is not stretched, so both entries see the same."""
    prediction, mask = pair[0].copy(), pair[1]
    prediction.flat[0], prediction.flat[-1] = 0, 255
    expected = score(prediction, mask, metrics=["all"])
    ours = score(prediction / 255, mask > 128, metrics=["all"], normalize=False)
    assert ours.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(ours[key], value, rtol=0, atol=1e-12, err_msg=key)
