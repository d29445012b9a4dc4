"""The sizes at which dense saliency looks at a picture."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sor_ppa.config import get_cfg
from sor_ppa.data.dense.sizes import SizeRule, dynamic_size, resized, size_pair
from sor_ppa.errors import ConfigError
from tests.data.pictures import smooth_rgb


@pytest.mark.parametrize(
    ("width_height", "wanted"),
    [
        ((1, 1), (32, 32)),
        ((20, 15), (32, 32)),
        ((400, 300), (384, 288)),  # 12.5 -> 12, 9.375 -> 9
        ((1024, 768), (1024, 768)),
        ((640, 480), (640, 480)),
        ((500, 2000), (512, 1984)),
        ((1920, 1080), (1920, 1088)),
        ((4000, 3000), (1696, 1280)),
        ((3000, 4000), (1280, 1696)),
        ((48, 80), (64, 64)),  # 1.5 -> 2, 2.5 -> 2: halves go to even
        ((20000, 10), (20000, 32)),
    ],
)
def test_dynamic_sizes(width_height: tuple[int, int], wanted: tuple[int, int]) -> None:
    width, height = width_height
    assert dynamic_size(height, width, 1280) == wanted[::-1]


@given(st.integers(1, 6000), st.integers(1, 6000), st.sampled_from([32, 500, 1280]))
def test_dynamic_sizes_equal_exact_ones(height: int, width: int, limit: int) -> None:
    """Slow version in fractions; at exact halves the two may take either neighbour."""
    found = dynamic_size(height, width, limit)
    scale = min(Fraction(1), Fraction(limit, min(height, width)))
    for side, rounded in zip((height, width), found, strict=True):
        exact = max(Fraction(1), side * scale / 32)
        assert rounded % 32 == 0
        assert abs(exact - rounded // 32) <= Fraction(1, 2) + Fraction(1, 10**9)
    assert min(found) <= max(32, limit + 16)


SMALL = (384, 384)


@pytest.mark.parametrize(
    ("rule", "size_hw", "wanted"),
    [
        (SizeRule(), (300, 400), ((288, 384), None)),
        (SizeRule(fixed=(384, 320)), (300, 400), ((384, 320), None)),
        (SizeRule(fixed=(384, 384), blend_above=512), (3000, 4000), (SMALL, None)),
        (SizeRule(blend_above=512), (300, 400), (SMALL, None)),
        (SizeRule(blend_above=512), (2000, 500), (SMALL, None)),  # 1984 x 512: one side is not
        (SizeRule(blend_above=512), (528, 528), (SMALL, None)),  # 16.5 -> 16
        (SizeRule(blend_above=512), (529, 529), ((544, 544), SMALL)),
        (SizeRule(blend_above=512, small=(96, 64)), (3000, 4000), ((1280, 1696), (96, 64))),
        (SizeRule(fixed=(1024, 1024)), (1, 9), ((1024, 1024), None)),
    ],
)
def test_which_looks(rule: SizeRule, size_hw: tuple[int, int], wanted: object) -> None:
    assert rule.sizes(*size_hw) == wanted


@pytest.mark.parametrize(
    ("name", "filter_"),
    [(None, Image.Resampling.BILINEAR), ("bilinear", Image.Resampling.BILINEAR),
     ("bicubic", Image.Resampling.BICUBIC)],
)  # fmt: skip
def test_inputs_are_pillows_of_the_original(name: str | None, filter_: Image.Resampling) -> None:
    image = smooth_rgb(100, 150)
    image[::7, ::5] = 255  # something to antialias
    named = {} if name is None else {"interpolation": name}
    found = SizeRule(blend_above=64, small=(40, 48), **named).inputs(image)
    assert set(found) == {"image", "image_lr"}
    for look, size_hw in (("image", (96, 160)), ("image_lr", (40, 48))):
        pillows = np.asarray(Image.fromarray(image).resize(size_hw[::-1], filter_))
        assert found[look].dtype == torch.uint8 and found[look].is_contiguous()
        np.testing.assert_array_equal(found[look].numpy(), pillows.transpose(2, 0, 1))
    assert (resized(image, (40, 48)) != resized(image, (40, 48), "bicubic")).any()


def test_inputs_own_their_memory() -> None:
    image = smooth_rgb(64, 64)
    found = SizeRule(fixed=(64, 64)).inputs(image[:, :, ::-1])["image"]
    before = found.clone()
    image[:] = 0
    assert torch.equal(found, before) and found.any()


def test_from_config() -> None:
    cfg = get_cfg()
    assert SizeRule.from_config(cfg) == SizeRule(None, 1280, 0, (384, 384))
    dense = cfg.INPUT.DENSE
    dense.TEST_RESIZE, dense.TEST_SIZE, dense.BLEND_ABOVE = "static", [320, 352], 512
    assert SizeRule.from_config(cfg) == SizeRule((320, 352), 1280, 512, (384, 384))
    dense.INTERPOLATION = "bicubic"
    assert SizeRule.from_config(cfg).interpolation == "bicubic"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("TEST_RESIZE", "fixed"),
        ("TEST_SIZE", (384,)),
        ("TEST_SIZE", (384, 31)),
        ("TEST_SIZE", (384.0, 384.0)),
        ("LR_SIZE", (0, 384)),
        ("DYNAMIC_LIMIT", 31),
        ("BLEND_ABOVE", -1),
        ("INTERPOLATION", "lanczos"),
    ],
)
def test_bad_settings_are_named(key: str, value: object) -> None:
    cfg = get_cfg()
    cfg.INPUT.DENSE.TEST_RESIZE = "static"
    cfg.INPUT.DENSE[key] = value
    with pytest.raises(ConfigError, match=key):
        SizeRule.from_config(cfg)


def test_size_pair_keeps_height_first() -> None:
    assert size_pair("TRAIN_SIZE", [64, 96]) == (64, 96)
