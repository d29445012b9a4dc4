"""Both published ways onto the canvas and off it, against TensorFlow's numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sor_ppa.canvas import CanvasRule
from sor_ppa.config import get_cfg
from sor_ppa.errors import ConfigError
from tests.goldens import fill

GOLDENS = np.load(Path(__file__).parents[1] / "goldens" / "msinet.npz")
HUB = CanvasRule(preset="hub", pad_value=0)


def golden_image(case: str) -> np.ndarray:
    seed, height, width = (int(v) for v in GOLDENS[f"{case}/image"])
    with np.errstate(over="ignore"):
        return fill.image(seed, height, width)


def check_canvas(found: np.ndarray, golden: str) -> None:
    flat = found.transpose(2, 0, 1).reshape(-1)
    assert found.dtype == np.float32
    np.testing.assert_allclose(
        flat[GOLDENS[f"{golden}/sample_index"]], GOLDENS[f"{golden}/sample"], atol=5e-4
    )
    assert found.mean(dtype=np.float64) == pytest.approx(float(GOLDENS[f"{golden}/mean"]), abs=5e-4)
    assert found.min() == pytest.approx(float(GOLDENS[f"{golden}/min"]), abs=5e-4)


@pytest.mark.parametrize("case", "abcd")
def test_repository_canvas(case: str) -> None:
    rule = CanvasRule(tuple(int(v) for v in GOLDENS[f"{case}/size"]))
    check_canvas(rule.on_canvas(golden_image(case)), f"{case}/pre")


@pytest.mark.parametrize("case", "bd")
def test_hub_canvas(case: str) -> None:
    image = golden_image(case)
    assert HUB.canvas_hw(*image.shape[:2]) == tuple(GOLDENS[f"hub/{case}/target"])
    where = HUB.placement(*image.shape[:2])
    assert (where.height, where.width) == tuple(GOLDENS[f"hub/{case}/resized"])
    check_canvas(HUB.on_canvas(image), f"hub/{case}/pre")


@pytest.mark.parametrize("case", "bd")
def test_hub_map(case: str) -> None:
    height, width = golden_image(case).shape[:2]
    found = HUB.off_canvas(GOLDENS[f"hub/{case}/raw"].astype(np.float32), height, width)
    np.testing.assert_allclose(found, GOLDENS[f"hub/{case}/map"].astype(np.float32), atol=1e-3)


@pytest.mark.parametrize(
    ("size", "canvas"),
    [
        ((100, 100), (320, 320)),
        ((75, 100), (240, 320)),
        ((100, 75), (320, 240)),
        ((7, 8), (320, 320)),  # as near to square as to landscape
        ((10, 400), (240, 320)),
        ((400, 10), (320, 240)),
    ],
)
def test_hub_takes_the_nearest_shape(size: tuple[int, int], canvas: tuple[int, int]) -> None:
    assert HUB.canvas_hw(*size) == canvas


@pytest.mark.parametrize("rule", [CanvasRule((64, 96)), HUB])
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (64, 96), (211, 97), (40, 33)])
def test_any_picture_goes_on_and_off(rule: CanvasRule, size: tuple[int, int]) -> None:
    image = np.full((*size, 3), 50, np.uint8)
    canvas = rule.on_canvas(image)
    assert canvas.shape == (*rule.canvas_hw(*size), 3)
    np.testing.assert_allclose(canvas[rule.placement(*size).slices], 50, atol=1e-3)
    flat = rule.off_canvas(np.full(canvas.shape[:2], 0.25, np.float32), *size)
    assert flat.shape == size and flat.dtype == np.float32
    np.testing.assert_allclose(flat, 0.25, atol=1e-5)


def test_target_lies_where_its_picture_does() -> None:
    rule = CanvasRule((240, 320))
    target = rule.target_on_canvas(np.full((400, 300), 255, np.uint8))
    assert target.shape == (240, 320)
    assert target[:, :70].max() == 0 and target[:, 250:].max() == 0
    np.testing.assert_allclose(target[:, 70:250], 255, atol=1e-2)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("SIZE", (240, 321), "multiples of 8"),
        ("SIZE", (240,), "multiples of 8"),
        ("SIZE", (0, 8), "multiples of 8"),
        ("PRESET", "web", "repository or hub"),
        ("PAD_VALUE", 256, "0 ... 255"),
    ],
)
def test_settings_that_cannot_work(key: str, value: Any, words: str) -> None:
    cfg = get_cfg()
    cfg.INPUT.FIXATION[key] = value
    with pytest.raises(ConfigError, match=f"INPUT.FIXATION.{key}.*{words}"):
        CanvasRule.from_config(cfg)


def test_hub_pads_with_black_whatever_the_config_says() -> None:
    cfg = get_cfg()
    cfg.INPUT.FIXATION.PRESET = "hub"
    assert CanvasRule.from_config(cfg).pad_value == 0
