"""Resizing as detectron2 does it, and pictures one pixel wide."""

from __future__ import annotations

import numpy as np
import pytest
from detectron2.data import transforms as T
from hypothesis import given
from hypothesis import strategies as st

from sor_ppa.config import get_cfg
from sor_ppa.data.transforms import ResizeShortestEdge, build_augmentation, resized_hw
from sor_ppa.errors import ConfigError


@given(
    st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 900), st.sampled_from([100, 1333])
)
def test_sizes_equal_detectron2s_with_at_least_one_pixel(
    height: int, width: int, short: int, max_size: int
) -> None:
    image = np.broadcast_to(np.uint8(0), (height, width, 3))
    theirs = T.ResizeShortestEdge(short, max_size, "choice").get_transform(image)
    wanted = (max(1, theirs.new_h), max(1, theirs.new_w))
    assert resized_hw(height, width, short, max_size) == wanted


@pytest.mark.parametrize(
    ("size_hw", "wanted"),
    [
        ((1, 1), (480, 480)),
        ((1, 1000), (1, 1333)),
        ((2000, 1), (1333, 1)),
        ((480, 640), (480, 640)),
        ((640, 480), (640, 480)),
        ((333, 500), (480, 721)),
        ((16, 4000), (5, 1333)),
    ],
)
def test_sizes(size_hw: tuple[int, int], wanted: tuple[int, int]) -> None:
    assert resized_hw(*size_hw, 480, 1333) == wanted


def test_pixels_equal_detectron2s() -> None:
    image = np.random.default_rng(0).integers(0, 256, (37, 51, 3), dtype=np.uint8)
    ours = ResizeShortestEdge(24, 1333).get_transform(image).apply_image(image)
    theirs = T.ResizeShortestEdge(24, 1333, "choice").get_transform(image).apply_image(image)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("style", ["choice", "range"])
def test_same_random_numbers_as_detectron2(style: str) -> None:
    image = np.zeros((50, 70, 3), np.uint8)
    lengths = (20, 31) if style == "range" else (20, 24, 28, 31)
    ours, theirs = (cls(lengths, 1333, style) for cls in (ResizeShortestEdge, T.ResizeShortestEdge))
    sizes = []
    for augmentation in (ours, theirs):
        np.random.seed(3)
        sizes.append([augmentation.get_transform(image).new_h for _ in range(30)])
    assert sizes[0] == sizes[1]
    assert len(set(sizes[0])) > 3


def test_length_0_changes_nothing() -> None:
    image = np.zeros((5, 7, 3), np.uint8)
    transform = ResizeShortestEdge(0).get_transform(image)
    assert transform.apply_image(image).shape == image.shape


@pytest.mark.parametrize(
    ("lengths", "style", "message"),
    [((1, 2, 3), "range", "needs two lengths"), (5, "best", "'choice' or 'range', got 'best'")],
)
def test_faults(lengths: object, style: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ResizeShortestEdge(lengths, 1333, style)  # type: ignore[arg-type]


def test_repr_is_readable() -> None:
    assert "short_edge_length=(480, 480)" in repr(ResizeShortestEdge(480))


def test_augmentation_of_a_config() -> None:
    cfg = get_cfg()
    cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MIN_SIZE_TEST = (400, 480), 320
    resize, flip = build_augmentation(cfg, True)
    assert resize.short_edge_length == (400, 480) and resize.max_size == cfg.INPUT.MAX_SIZE_TRAIN
    assert isinstance(flip, T.RandomFlip) and flip.horizontal
    (only,) = build_augmentation(cfg, False)
    assert only.short_edge_length == (320, 320)
    cfg.INPUT.RANDOM_FLIP = "vertical"
    assert build_augmentation(cfg, True)[1].vertical
    cfg.INPUT.RANDOM_FLIP = "none"
    assert len(build_augmentation(cfg, True)) == 1
    cfg.INPUT.RANDOM_FLIP = "diagonal"
    with pytest.raises(ConfigError, match="INPUT.RANDOM_FLIP.*'diagonal'"):
        build_augmentation(cfg, True)
