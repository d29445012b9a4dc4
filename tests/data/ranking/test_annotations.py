"""Checks on boxes, polygons, run lengths and ranks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as mask_utils

from sor_ppa.data.ranking.annotations import (
    box_form_problem,
    box_value_problem,
    compressed_rle,
    polygon_problem,
    rank_problem,
    ranks_problem,
    rle_counts,
    rle_problem,
    segmentation_problem,
    segmentation_to_mask,
    size_problem,
)

H, W = 10, 20
NAN, INF = math.nan, math.inf
SQUARE = [1, 1, 5, 1, 5, 5, 1, 5]


@pytest.mark.parametrize(
    ("polygon", "message"),
    [
        ([], "6 or more, got 0"),
        (SQUARE, None),
        ([float(v) for v in SQUARE], None),
        (tuple(SQUARE), None),
        (np.array(SQUARE), None),
        ([-20, -10, 40, -10, 40, 20], None),
        ([1, 1, 5, 5], "6 or more, got 4"),
        ([1, 1, 5, 1, 5, 5, 1], "even number of coordinates, 6 or more, got 7"),
        ([1, 1, NAN, 1, 5, 5], "not finite or far outside"),
        ([1, 1, INF, 1, 5, 5], "not finite or far outside"),
        ([1, 1, 5, -INF, 5, 5], "not finite or far outside"),
        ([1, 1, 1e9, 1, 5, 5], "not finite or far outside"),
        ([1, 1, 5, 20.5, 5, 5], "far outside the 10 x 20 image"),
        ([1, 1, -20.5, 1, 5, 5], "far outside"),
        ([1, 1, 10**400, 1, 5, 5], "flat list of numbers"),
        (["1", "1", "5", "1", "5", "5"], "flat list of numbers"),
        ([1, 1, "5", 1, 5, 5], "flat list of numbers"),
        ([1, 1, None, 1, 5, 5], "flat list of numbers"),
        ([[1, 1], [5, 1], [5, 5], [1, 5], [2, 2], [3, 3]], "flat list of numbers"),
        ([[1, 1], 5, 1, 5, 5, 3], "flat list of numbers"),
        ([True, False] * 3, "flat list of numbers"),
        ("1,1,5,1,5,5", "flat list"),
        (None, "flat list"),
        ({"x": 1}, "flat list"),
    ],
)
def test_polygons(polygon: Any, message: str | None) -> None:
    found = polygon_problem(polygon, H, W)
    assert found is None if message is None else message in found


@pytest.mark.parametrize(
    ("rle", "message"),
    [
        ({}, "RLE size must be [height, width], got None"),
        ({"size": [H, W], "counts": [H * W]}, None),
        ({"size": [H, W], "counts": [0, H * W]}, None),
        ({"size": (H, W), "counts": [50, 100, 50]}, None),
        ({"size": [W, H], "counts": [H * W]}, "RLE size [20, 10] is not the image's [10, 20]"),
        ({"size": [200000, 200000], "counts": [4 * 10**10]}, "is not the image's"),
        ({"size": [H], "counts": [1]}, "must be [height, width]"),
        ({"size": [H, "20"], "counts": [1]}, "must be [height, width]"),
        ({"size": [H, W]}, "expected a list of integers or a string, got None"),
        ({"size": [H, W], "counts": []}, "add up to 0, not to 10 x 20 = 200"),
        ({"size": [H, W], "counts": [199]}, "add up to 199"),
        ({"size": [H, W], "counts": [100, 101]}, "add up to 201"),
        ({"size": [H, W], "counts": [300, -100]}, "negative or too large"),
        ({"size": [H, W], "counts": [2**63, -(2**63) + 200]}, "too large"),
        ({"size": [H, W], "counts": [100.0, 100.0]}, "list of integers"),
        ({"size": [H, W], "counts": ["200"]}, "list of integers"),
        ({"size": [H, W], "counts": ""}, "empty"),
        ({"size": [H, W], "counts": b"\xff\x00"}, "outside COCO's alphabet"),
        ({"size": [H, W], "counts": "häß"}, "add up to"),
        ({"size": [H, W], "counts": "P"}, "cut in the middle"),
        ({"size": [H, W], "counts": "ooooooooo1"}, "too many digits"),
    ],
)
def test_run_lengths(rle: dict[str, Any], message: str | None) -> None:
    found = rle_problem(rle, H, W)
    assert found is None if message is None else message in found


def slow_counts(text: bytes) -> list[int]:
    """COCO's decompression, one character at a time."""
    counts: list[int] = []
    place = 0
    while place < len(text):
        value, shift, more = 0, 0, True
        while more:
            code = text[place] - 48
            value |= (code & 31) << (5 * shift)
            more = bool(code & 32)
            place += 1
            shift += 1
            if not more and code & 16:
                value -= 1 << (5 * shift)
        if len(counts) > 2:
            value += counts[-2]
        counts.append(value)
    return counts


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 60), st.floats(0, 1))
def test_decompression_equals_the_slow_one_and_pycocotools(
    seed: int, height: int, width: int, share: float
) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((height, width)) < share
    if seed % 2:  # long runs as well as short ones
        mask = np.repeat(np.repeat(mask, 7, axis=0), 7, axis=1)
    rle = mask_utils.encode(np.asfortranarray(mask.astype(np.uint8)))
    counts = rle_counts(rle["counts"])
    assert counts.tolist() == slow_counts(rle["counts"])
    assert rle_problem(rle, *mask.shape) is None
    np.testing.assert_array_equal(segmentation_to_mask(rle, *mask.shape), mask)
    # and the other way round: plain counts through pycocotools give the same mask
    plain = {"size": list(mask.shape), "counts": counts.tolist()}
    np.testing.assert_array_equal(segmentation_to_mask(plain, *mask.shape), mask)


@given(st.binary(min_size=1, max_size=30))
def test_any_text_is_refused_or_fills_the_mask(text: bytes) -> None:
    rle = {"size": [H, W], "counts": text}
    if rle_problem(rle, H, W) is None:
        mask = segmentation_to_mask(rle, H, W)
        assert mask.shape == (H, W)
        assert int(mask.sum()) == int(rle_counts(text)[1::2].sum())


def test_compressed_form_of_both_kinds() -> None:
    mask = np.zeros((H, W), np.uint8)
    mask[2:5, 3:9] = 1
    wanted = mask_utils.encode(np.asfortranarray(mask))
    for counts in (wanted["counts"], wanted["counts"].decode(), rle_counts(wanted["counts"])):
        counts = counts.tolist() if isinstance(counts, np.ndarray) else counts
        rle = compressed_rle({"size": [H, W], "counts": counts}, H, W)
        np.testing.assert_array_equal(mask_utils.decode(rle), mask)


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([], "list of polygons or an RLE dict, got []"),
        (None, "got None"),
        ("polygon", "got 'polygon'"),
        ([SQUARE], None),
        ([SQUARE, SQUARE], None),
        ([SQUARE, [1, 2]], "polygon 1: needs an even number"),
        (SQUARE, "polygon 0: must be a flat list"),
        ({"size": [1, 1], "counts": [1]}, "RLE size [1, 1]"),
    ],
)
def test_segmentations(segmentation: Any, message: str | None) -> None:
    found = segmentation_problem(segmentation, H, W)
    assert found is None if message is None else message in found
    if message:
        with pytest.raises(ValueError, match="."):
            segmentation_to_mask(segmentation, H, W)


def test_polygons_of_one_object_are_united() -> None:
    mask = segmentation_to_mask([[0, 0, 4, 0, 4, 4, 0, 4], [6, 6, 8, 6, 8, 8, 6, 8]], H, W)
    wanted = np.zeros((H, W), bool)
    wanted[0:4, 0:4] = wanted[6:8, 6:8] = True
    np.testing.assert_array_equal(mask, wanted)


@pytest.mark.parametrize(
    ("bbox", "message"),
    [
        ([], "four numbers, got []"),
        (None, "four numbers, got None"),
        ([1, 2, 3], "four numbers"),
        ("1234", "four numbers, got '1234'"),
        ([1, 2, 3, "4"], "four numbers"),
        ([1, 2, 3, None], "four numbers"),
        ([1, 2, 3, True], "four numbers"),
        ([1, 2, 3, NAN], None),
        ([1, 2, 3, 4.5], None),
        ((1, 2, 3, 4), None),
        (np.ones(4), None),
    ],
)
def test_form_of_boxes(bbox: Any, message: str | None) -> None:
    found = box_form_problem(bbox)
    assert found is None if message is None else message in found


@pytest.mark.parametrize(
    ("xyxy", "message"),
    [
        ((0, 0, 20, 10), None),
        ((-3, -3, 1, 1), None),
        ((19, 9, 40, 40), None),
        ((1, 1, 1, 5), "no area"),
        ((5, 1, 1, 5), "no area"),
        ((1, 5, 5, 4), "no area"),
        ((20, 0, 25, 5), "outside the 10 x 20 image"),
        ((0, 10, 5, 15), "outside"),
        ((-5, 0, 0, 5), "outside"),
        ((NAN, 0, 5, 5), "not finite"),
        ((0, 0, INF, 5), "not finite"),
        ((0, 0, 10**400, 5), "not finite"),
    ],
)
def test_values_of_boxes(xyxy: tuple[float, ...], message: str | None) -> None:
    found = box_value_problem(xyxy, H, W)
    assert found is None if message is None else message in found


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((1, 1), None),
        ((np.int64(3), 4), None),
        ((0, 5), "at least 1"),
        ((5, -1), "at least 1"),
        ((None, 5), "must be integers"),
        (("5", 5), "must be integers"),
        ((5.0, 5), "must be integers"),
        ((True, 5), "must be integers"),
        ((200_000, 200_000), "more than 100000000 pixels"),
    ],
)
def test_sizes(size: tuple[Any, Any], message: str | None) -> None:
    found = size_problem(*size)
    assert found is None if message is None else message in found


@pytest.mark.parametrize(
    ("rank", "message"),
    [
        (0, None),
        (1, None),
        (37, None),
        (np.int64(2), None),
        (-1, "or 1, 2, ..., got -1"),
        ("1", "integer, got '1'"),
        (1.0, "integer, got 1.0"),
        (NAN, "integer"),
        (None, "integer"),
        (True, "integer"),
        ([1], "integer"),
    ],
)
def test_one_rank(rank: Any, message: str | None) -> None:
    found = rank_problem(rank)
    assert found is None if message is None else message in found


@pytest.mark.parametrize(
    ("ranks", "ties", "message"),
    [
        ([], False, None),
        ([0, 0], False, None),
        ([1], False, None),
        ([3, 1, 2, 0, 0], False, None),
        ([2], False, "rank 1 is missing among [2]"),
        ([1, 3], False, "rank 2 is missing among [1, 3]"),
        ([1, 2, 2, 3], False, "rank 2 is given to 2 objects"),
        ([1, 2, 2, 3], True, None),
        ([1, 1, 3], True, "rank 2 is missing"),
        ([10**9], False, "rank 1 is missing"),
    ],
)
def test_ranks_together(ranks: list[int], ties: bool, message: str | None) -> None:
    found = ranks_problem(ranks, ties=ties)
    assert found is None if message is None else message in found
