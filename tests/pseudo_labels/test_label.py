"""From probabilities to a label: each step against the published bits."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sor_ppa.errors import ConfigError, ImageError
from sor_ppa.pseudo_labels import label as steps
from sor_ppa.pseudo_labels.label import pseudo_label
from tests.crf.test_crf import BACKENDS, GOLDEN

MEAN = np.array([0.485, 0.456, 0.406])
STD = np.array([0.229, 0.224, 0.225])


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as file:
        return dict(file)


def test_published_picture(golden: dict[str, np.ndarray]) -> None:
    found = steps.lowered_rgb(golden["image"])
    np.testing.assert_array_equal(found, golden["image_denorm"])
    lowered = found != golden["image"]
    assert lowered.sum() == golden["denorm_off_by_one_count"]
    assert 0.04 < lowered.mean() < 0.06


def test_every_grey_level() -> None:
    """Normalised and back, pixel by pixel; 0 stays 0 though it comes back a little below."""
    image = np.stack([np.arange(256, dtype=np.uint8)] * 3, axis=1)[None]  # (1, 256, 3)
    unit = (image.astype(np.float32) / np.float32(255)).astype(np.float64)
    seen = ((unit - MEAN) / STD).astype(np.float32)
    back = (seen.astype(np.float64) * STD + MEAN) * 255
    expected = np.floor(np.clip(back, 0, None))
    found = steps.lowered_rgb(image)
    np.testing.assert_array_equal(found, expected)
    assert set(np.unique(image.astype(int) - found)) == {0, 1}


def test_published_levels_and_threshold(golden: dict[str, np.ndarray]) -> None:
    levels = steps.to_levels(golden["prob"])
    np.testing.assert_array_equal(levels, golden["prob_u8"])
    np.testing.assert_array_equal(levels > golden["otsu"], golden["label"] > 0)
    np.testing.assert_array_equal(steps.otsu(levels), golden["label"] > 0)


def test_published_median_and_size(golden: dict[str, np.ndarray]) -> None:
    smooth = steps.median(golden["argmax"] > 0)
    np.testing.assert_array_equal(smooth, golden["median7"])
    resized = steps.resized_label(smooth, golden["resized"].shape)
    np.testing.assert_array_equal(resized, golden["resized"])


@pytest.mark.parametrize("crf", BACKENDS)
def test_published_label(golden: dict[str, np.ndarray], crf: str) -> None:
    found = pseudo_label(golden["prob"], golden["image"], (75, 90), crf)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, 255 * golden["resized"])


def test_published_map_of_evaluation(golden: dict[str, np.ndarray]) -> None:
    """The map itself is resized before it is rounded."""
    resized = cv2.resize(golden["prob"], (90, 75), interpolation=cv2.INTER_LINEAR)
    rounded = np.rint(resized * 255) / 255
    np.testing.assert_allclose(rounded, golden["prob_resized"], atol=1e-7)


def test_without_crf(golden: dict[str, np.ndarray]) -> None:
    found = pseudo_label(golden["prob"], golden["image"], golden["prob"].shape, "none")
    expected = plain_median(golden["label"] > 0)
    np.testing.assert_array_equal(found, 255 * expected)
    other = pseudo_label(golden["prob"], 255 - golden["image"], golden["prob"].shape, "none")
    np.testing.assert_array_equal(found, other)


def plain_median(label: np.ndarray) -> np.ndarray:
    """The majority of the 7 x 7 pixels around each, the border repeated."""
    padded = np.pad(label, 3, mode="edge")
    return np.array(
        [
            [padded[y : y + 7, x : x + 7].sum() > 24 for x in range(label.shape[1])]
            for y in range(label.shape[0])
        ]
    )


def plain_otsu(levels: np.ndarray) -> int:
    """The threshold that tells two groups apart best, by trying all."""
    best, found = 0.0, 0
    for threshold in range(255):
        low, high = levels[levels <= threshold], levels[levels > threshold]
        if low.size and high.size:
            between = low.size * high.size * (high.mean() - low.mean()) ** 2
            if between > best * (1 + 1e-9):
                best, found = between, threshold
    return found


@pytest.mark.parametrize("seed", range(4))
def test_otsu_against_all_thresholds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    levels = np.clip(rng.normal((60, 190), 30, (300, 2)), 0, 255).astype(np.uint8)
    np.testing.assert_array_equal(steps.otsu(levels), levels > plain_otsu(levels))


@pytest.mark.parametrize("crf", ["none", "scipy"])
@pytest.mark.parametrize(("level", "label"), [(0.0, 0), (0.4, 255), (1.0, 255)])
def test_one_level_all_over(level: float, label: int, crf: str) -> None:
    """As OpenCV has it; such labels are counted when a data set is labelled."""
    probability = np.full((20, 30), level, np.float32)
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    assert (pseudo_label(probability, image, (10, 15), crf) == label).all()


def test_levels_are_floored() -> None:
    shares = np.array([[0, 0.00391, 0.0039216, 0.5, 0.9999, 1]], np.float32)
    assert steps.to_levels(shares).tolist() == [[0, 0, 1, 127, 254, 255]]


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (np.zeros((0, 4), np.float32), r"is an array \(h, w\)"),
        (np.zeros((1, 4, 4), np.float32), r"is an array \(h, w\)"),
        (np.full((4, 4), np.nan, np.float32), "must lie in 0 ... 1, got nan"),
        (np.full((4, 4), np.inf, np.float32), "must lie in 0 ... 1, got inf"),
        (np.full((4, 4), -0.1, np.float32), "must lie in 0 ... 1, got -0.1"),
        (np.full((4, 4), 1.1, np.float32), "must lie in 0 ... 1, got 1.1"),
    ],
    ids=["empty", "batch", "nan", "infinite", "negative", "large"],
)
def test_unusable_maps(probability: np.ndarray, text: str) -> None:
    with pytest.raises(ImageError, match=text):
        pseudo_label(probability, np.zeros((4, 4, 3), np.uint8), (4, 4))


def test_map_and_picture_differ_in_size() -> None:
    with pytest.raises(ImageError, match=r"\(5, 4, 3\) and bool \(4, 4\)"):
        pseudo_label(np.zeros((4, 4), np.float32), np.zeros((5, 4, 3), np.uint8), (4, 4), "scipy")


def test_unknown_crf() -> None:
    with pytest.raises(ConfigError, match="PSEUDO_LABELS.CRF: .*got 'cuda'; or none"):
        steps.choose_crf("cuda")
