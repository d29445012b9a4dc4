from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from sor_ppa.evaluation.rle import box_of_rle, decode_masks, encode_masks, segmentation_to_rle


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("size_hw", [(1, 1), (5, 9), (9, 5)])
def test_there_and_back(count: int, size_hw: tuple[int, int]) -> None:
    masks = np.random.default_rng(0).random((count, *size_hw)) < 0.5
    rles = json.loads(json.dumps(encode_masks(masks)))
    assert len(rles) == count
    assert (decode_masks(rles, size_hw=size_hw) == masks).all()
    assert decode_masks(rles, size_hw=size_hw).shape == masks.shape


def test_another_size() -> None:
    rles = encode_masks(np.ones((1, 4, 6), dtype=bool))
    with pytest.raises(ValueError, match="4 x 6 .* 6 x 4"):
        decode_masks(rles, size_hw=(6, 4))


@pytest.mark.parametrize(
    "segmentation",
    [
        [[1, 1, 5, 1, 5, 4, 1, 4]],
        {"size": [6, 8], "counts": [7, 3, 3, 3, 3, 3, 3, 3, 20]},
        encode_masks(np.pad(np.ones((1, 3, 4), bool), ((0, 0), (1, 2), (1, 3))))[0],
    ],
)
def test_any_segmentation(segmentation: Any) -> None:
    rle = segmentation_to_rle(segmentation, 6, 8)
    assert isinstance(rle["counts"], str)
    mask = decode_masks([rle], size_hw=(6, 8))[0]
    assert mask.sum() == 12 and mask[1:4, 1:5].all()
    assert box_of_rle(rle) == [1, 1, 4, 3]


@pytest.mark.parametrize(
    "segmentation",
    [
        None,
        [],
        [[0, 0, 1, 1]],
        [[0, 0, 1e9, 0, 1, 1]],
        {"size": [6, 8], "counts": [47]},
        {"size": [6, 8], "counts": "garbage\n"},
        {"size": [200000, 200000], "counts": [40000000000]},
    ],
)
def test_faults_never_reach_the_decoder(segmentation: Any) -> None:
    with pytest.raises(ValueError):
        segmentation_to_rle(segmentation, 6, 8)


def test_box_of_an_empty_mask() -> None:
    assert box_of_rle(encode_masks(np.zeros((1, 4, 4), bool))[0]) == [0, 0, 0, 0]
