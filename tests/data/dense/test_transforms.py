"""The published augmentation of pictures with saliency masks."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from detectron2.data import transforms as T
from fvcore.transforms.transform import HFlipTransform, NoOpTransform, Transform, TransformList
from PIL import Image, ImageDraw

from sor_ppa.config import get_cfg
from sor_ppa.data.dense.transforms import (
    CentreCropTransform,
    RandomEnhance,
    RandomScaleCrop,
    RandomTurn,
    ResizeTo,
    SoftResizeTransform,
    TurnTransform,
    build_dense_augmentation,
    taken_along,
)
from sor_ppa.errors import ConfigError
from tests.data.pictures import smooth_rgb

DRAWS = 200


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    np.random.seed(0)
    yield


def scene(height: int = 90, width: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """A white disc off the centre on black, and its mask."""
    mask = Image.new("L", (width, height))
    ImageDraw.Draw(mask).ellipse((width * 0.45, height * 0.2, width * 0.8, height * 0.7), fill=255)
    return np.stack([np.asarray(mask)] * 3, axis=2), np.asarray(mask)


def drawn(augmentation: T.Augmentation, image: np.ndarray, count: int = DRAWS) -> list[Transform]:
    return [augmentation.get_transform(image) for _ in range(count)]


def is_off(transform: Transform) -> bool:
    return isinstance(transform, NoOpTransform)


# ---- the pieces


@pytest.mark.parametrize("size", [(1, 1), (3, 4), (4, 3), (7, 8), (8, 7), (20, 2)])
@pytest.mark.parametrize("new", [(1, 1), (4, 4), (5, 9), (9, 5)])
def test_centre_crop_equals_the_slow_way(size: tuple[int, int], new: tuple[int, int]) -> None:
    array = np.random.randint(1, 256, (*size, 3), dtype=np.uint8)
    crop = CentreCropTransform(*size, *new)
    found = crop.apply_image(array)
    assert found.shape == (*new, 3) and found.dtype == np.uint8
    top, left = ((b - a) // 2 for a, b in zip(size, new, strict=True))
    for y in range(new[0]):
        for x in range(new[1]):
            inside = 0 <= y - top < size[0] and 0 <= x - left < size[1]
            wanted = array[y - top, x - left] if inside else 0
            assert (found[y, x] == wanted).all()
    np.testing.assert_array_equal(crop.apply_segmentation(array[:, :, 0]), found[:, :, 0])


def test_centre_crop_moves_points_with_the_pixels() -> None:
    array = np.zeros((9, 11), np.uint8)
    array[4, 6] = 255
    for new in ((5, 7), (15, 20)):
        crop = CentreCropTransform(9, 11, *new)
        ((x, y),) = crop.apply_coords(np.array([[6.0, 4.0]]))
        assert crop.apply_image(array)[int(y), int(x)] == 255


@pytest.mark.parametrize("angle", [-10, -3, 0, 1, 9, 45, 90])
def test_turn_equals_pillow_and_moves_points(angle: int) -> None:
    image, _ = scene()
    turn = TurnTransform(*image.shape[:2], angle)
    turned = turn.apply_image(image)
    assert turned.shape[:2] == turn.new_hw
    expected = Image.fromarray(image).rotate(angle, Image.Resampling.NEAREST, expand=True)
    np.testing.assert_array_equal(turned, np.asarray(expected))

    def middle(array: np.ndarray) -> np.ndarray:
        return np.argwhere(array > 0).mean(axis=0)[::-1] + 0.5  # x first, pixel centres

    moved = turn.apply_coords(middle(image[:, :, 0])[None])[0]
    np.testing.assert_allclose(moved, middle(turned[:, :, 0]), atol=1.0)


def test_masks_are_filtered_like_pictures() -> None:
    _, mask = scene()
    bicubic = Image.Resampling.BICUBIC
    found = SoftResizeTransform(90, 120, 70, 100, bicubic).apply_segmentation(mask)
    np.testing.assert_array_equal(found, np.asarray(Image.fromarray(mask).resize((100, 70))))
    assert len(np.unique(found)) > 2  # soft now


@pytest.mark.parametrize(
    ("names", "filter_"),
    [((), Image.Resampling.BILINEAR), (("bilinear",), Image.Resampling.BILINEAR),
     (("bicubic",), Image.Resampling.BICUBIC)],
)  # fmt: skip
def test_the_first_resize_keeps_masks_hard(
    names: tuple[str, ...], filter_: Image.Resampling
) -> None:
    image, mask = scene()
    resize = ResizeTo(50, 40, *names).get_transform(image)
    pillows = Image.fromarray(image).resize((40, 50), filter_)
    np.testing.assert_array_equal(resize.apply_image(image), np.asarray(pillows))
    assert set(np.unique(resize.apply_segmentation(mask))) == {0, 255}


def test_nothing_taken_along_nothing_done() -> None:
    image, _ = scene()
    np.testing.assert_array_equal(taken_along(image, TransformList([])), image)
    np.testing.assert_array_equal(taken_along(image, NoOpTransform()), image)


def test_what_is_taken_along_moves_but_keeps_its_colours() -> None:
    image, _ = scene()
    darker = T.PILColorTransform(lambda picture: picture.point(lambda value: value // 2))
    steps = TransformList([ResizeTo(50, 40).get_transform(image), darker, HFlipTransform(40)])
    found = taken_along(image, steps)
    wanted = Image.fromarray(image).resize((40, 50), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(found, np.asarray(wanted)[:, ::-1])
    np.testing.assert_array_equal(steps.apply_image(image), found // 2)


def test_what_is_taken_along_may_have_a_size_of_its_own() -> None:
    image, _ = scene()
    other = smooth_rgb(33, 47)
    step = ResizeTo(50, 40, "bicubic").get_transform(image)
    wanted = Image.fromarray(other).resize((40, 50), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(taken_along(other, step), np.asarray(wanted))


# ---- random decisions


def test_scale_crop() -> None:
    image, mask = scene()
    found = drawn(RandomScaleCrop(0.75, 1.25), image)
    assert 0.4 < sum(map(is_off, found)) / DRAWS < 0.6
    scales = [t.transforms[0].new_h / 90 for t in found if not is_off(t)]
    assert 0.74 < min(scales) < 0.8 and 1.2 < max(scales) < 1.26
    for transform in found[:20]:
        moved, moved_mask = transform.apply_image(image), transform.apply_segmentation(mask)
        assert moved.shape == image.shape
        np.testing.assert_array_equal(moved[:, :, 0], moved_mask)
    smaller = next(t for t in found if not is_off(t) and t.transforms[0].new_h < 80)
    filled = smaller.apply_image(np.full_like(image, 200))
    assert not filled[0].any() and not filled[-1].any() and (filled[45, 60] == 200).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 300)])
def test_scale_crop_of_tiny_pictures(size: tuple[int, int]) -> None:
    image = np.full((*size, 3), 9, np.uint8)
    for transform in drawn(RandomScaleCrop(0.1, 0.2), image, 10):
        assert transform.apply_image(image).shape == image.shape


def test_turn() -> None:
    image, mask = scene()
    found = drawn(RandomTurn(10), image, 1000)
    assert 0.45 < sum(map(is_off, found)) / 1000 < 0.55
    assert {t.transforms[0].angle for t in found if not is_off(t)} == set(range(-10, 10))
    for transform in found[:20]:
        moved = transform.apply_image(image)
        assert moved.shape == image.shape
        np.testing.assert_array_equal(moved[:, :, 0], transform.apply_segmentation(mask))


def test_enhance() -> None:
    image, (_, mask) = smooth_rgb(60, 80), scene()
    found = drawn(RandomEnhance(0.1), image)
    assert 0.06 < sum(map(is_off, found)) / DRAWS < 0.2  # all three left out: 1 in 8
    changed = [t.apply_image(image) for t in found if not is_off(t)]
    assert all(c.shape == image.shape and c.dtype == np.uint8 for c in changed)
    # Never darker as a whole beyond rounding, never much brighter.
    means = np.array([c.mean() for c in changed]) / image.mean()
    assert means.min() > 0.97 and 1.05 < means.max() < 1.12
    assert found[0].apply_segmentation(mask) is mask


def test_enhance_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Contrast before brightness is another picture than brightness before contrast."""
    monkeypatch.setattr(np.random, "rand", lambda: 0.0)
    monkeypatch.setattr(np.random, "uniform", lambda low, high: high)
    image = smooth_rgb(60, 80)
    results = {RandomEnhance(0.5).get_transform(image).apply_image(image).tobytes()
               for _ in range(60)}  # fmt: skip
    assert 3 <= len(results) <= 6


# ---- the whole


def build(*changes: object) -> list[T.Augmentation]:
    cfg = get_cfg()
    cfg.INPUT.RANDOM_FLIP = "horizontal"
    cfg.merge_from_list(list(changes))
    return build_dense_augmentation(cfg)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ((), [ResizeTo, RandomScaleCrop, T.RandomFlip, RandomTurn, RandomEnhance]),
        (("INPUT.RANDOM_FLIP", "none"), [ResizeTo, RandomScaleCrop, RandomTurn, RandomEnhance]),
        (("INPUT.DENSE.SCALE_CROP", (1.0, 1.0)), [ResizeTo, T.RandomFlip, RandomTurn,
                                                  RandomEnhance]),
        (("INPUT.DENSE.ROTATE", 0, "INPUT.DENSE.ENHANCE", 0.0),
         [ResizeTo, RandomScaleCrop, T.RandomFlip]),
        (("INPUT.DENSE.SCALE_CROP", (1.0, 1.0), "INPUT.DENSE.ROTATE", 0, "INPUT.DENSE.ENHANCE", 0.0,
          "INPUT.DENSE.INTERPOLATION", "bicubic"), [ResizeTo, T.RandomFlip]),
    ],
)  # fmt: skip
def test_steps_in_the_published_order(changes: tuple[object, ...], wanted: list[type]) -> None:
    assert [type(step) for step in build(*changes)] == wanted


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("INPUT.DENSE.TRAIN_SIZE", (384, 8)),
        ("INPUT.DENSE.SCALE_CROP", (1.25, 0.75)),
        ("INPUT.DENSE.SCALE_CROP", (0.0, 1.0)),
        ("INPUT.DENSE.ROTATE", -1),
        ("INPUT.DENSE.ENHANCE", -0.1),
        ("INPUT.DENSE.INTERPOLATION", "nearest"),
        ("INPUT.RANDOM_FLIP", "diagonal"),
    ],
)
def test_bad_settings_are_named(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=key.rsplit(".")[-1]):
        build(key, value)


def augmented(seed: int, image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    np.random.seed(seed)
    inputs = T.AugInput(image, sem_seg=mask)
    T.AugmentationList(build("INPUT.DENSE.TRAIN_SIZE", (96, 64)))(inputs)
    return inputs.image, inputs.sem_seg


def test_picture_and_mask_stay_together() -> None:
    image, mask = scene()
    outside = []
    for seed in range(40):
        moved, moved_mask = augmented(seed, image, mask)
        assert moved.shape == (96, 64, 3) and moved_mask.shape == (96, 64)
        # They differ at the disc's edge only: there the first resize is soft or hard.
        assert np.abs(moved[:, :, 0].astype(int) - moved_mask).mean() < 8
        outside.append(np.argwhere(moved_mask > 127).mean(axis=0))
    assert np.std(outside, axis=0).min() > 0.5  # and they do move


def test_only_numpys_global_generator_decides() -> None:
    image, mask = scene()
    random.seed(0)
    torch.manual_seed(0)
    first = augmented(3, image, mask)
    random.seed(1)
    torch.manual_seed(1)
    states = random.getstate(), torch.get_rng_state()
    second = augmented(3, image, mask)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    assert random.getstate() == states[0] and torch.equal(torch.get_rng_state(), states[1])
    assert not np.array_equal(first[0], augmented(4, image, mask)[0])
