"""Means that do not depend on order, grouping or process."""

from __future__ import annotations

import itertools
import math
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sor_ppa.errors import DataError
from sor_ppa.evaluation.dense import MetricSums, Subject
from sor_ppa.evaluation.sod.tally import DenseTally, Plan
from tests.evaluation.sod.pairs import blob_pair, constant

VALUES = st.floats(-10, 4e15, allow_nan=False)


def _sums(values: list[float]) -> MetricSums:
    sums = MetricSums()
    for value in values:
        sums.add({"a": value, "curve": np.array([value, 2.0])})
    return sums


def test_nothing() -> None:
    sums = MetricSums()
    assert sums.images == 0 and sums.keys == []
    sums.merge(MetricSums())
    assert sums.images == 0


@given(st.lists(VALUES, min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_order_and_grouping(values: list[float], shuffle: random.Random) -> None:
    expected = _sums(values)
    shuffled = list(values)
    shuffle.shuffle(shuffled)
    place = shuffle.randint(0, len(values))
    merged = _sums(shuffled[:place])
    merged.merge(_sums(shuffled[place:]))
    assert merged.mean("a") == expected.mean("a") and merged.images == len(values)
    exact = Fraction(sum(map(Fraction, values))) / len(values)
    assert abs(Fraction(expected.mean("a")) - exact) <= Fraction(abs(exact)) / 2**52 + 2**-59


def test_undefined_values_are_left_out_and_counted() -> None:
    sums = _sums([1.0, math.nan, 0.5])
    assert sums.mean("a") == 0.75 and sums.count("a") == 2 and sums.images == 3
    assert math.isnan(_sums([math.nan]).mean("a"))
    assert sums.curve("curve").tolist() == [0.75, 2.0]


def test_other_scores() -> None:
    sums = _sums([1.0])
    with pytest.raises(ValueError, match="curve"):
        sums.add({"b": 1.0})
    other = MetricSums()
    other.add({"b": 1.0})
    with pytest.raises(ValueError, match="'b'"):
        sums.merge(other)


def _tally(indices: list[int]) -> DenseTally:
    tally = DenseTally(Plan.of(["pysod", "inspyrenet", "a2s"]))
    for index in indices:
        pair = blob_pair(index) if index else (constant(3), constant(0))  # without an outline
        tally.add(index, Subject(*pair))
    return tally


def test_any_split_gives_the_same_bits() -> None:
    whole = _tally(list(range(7)))
    parts = [[[6, 0, 3], [1, 2], [5, 4]], [[], [3, 2, 1, 0], [4, 5, 6]]]
    for split, order in itertools.product(parts, ([0, 1, 2], [2, 0, 1])):
        merged = DenseTally(whole.plan)
        for place in order:
            merged.merge(_tally(split[place]))
        assert merged.results() == whole.results()
        assert merged.rows == whole.rows or repr(sorted(merged.rows.items())) == repr(
            sorted(whole.rows.items())
        )
        for ours, theirs in zip(merged.curves(), whole.curves(), strict=True):
            assert ours.keys() == {"precision", "recall", "fm_curve"}
            assert all((ours[key] == theirs[key]).all() for key in ours)
    assert whole.results()[1]["images_mBA"] == 6


def test_a_picture_twice() -> None:
    assert len(_tally([1, 1])) == 1
    assert _tally([1, 1]).results() == _tally([1]).results()
    with pytest.raises(DataError, match="more than one process"):
        _tally([1]).merge(_tally([1, 2]))
