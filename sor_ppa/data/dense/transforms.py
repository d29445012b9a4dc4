"""Augmentation of pictures with saliency masks, as published for InSPyReNet.

Every geometric step treats the mask like the picture (with the same filter, so a mask becomes soft
at its edges and stays so); only the very first resize takes the nearest pixel of the mask. All
random numbers come from NumPy's global generator. Pictures are uint8 (H, W, 3), masks uint8 (H, W).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from detectron2.config import CfgNode
from detectron2.data import transforms as T
from fvcore.transforms.transform import NoOpTransform, Transform, TransformList
from PIL import Image, ImageEnhance

from sor_ppa.data.dense.sizes import pillow_filter, size_pair
from sor_ppa.data.transforms import random_flip
from sor_ppa.errors import ConfigError

_ENHANCERS = (ImageEnhance.Contrast, ImageEnhance.Sharpness, ImageEnhance.Brightness)


class ResizeTo(T.Augmentation):
    """Resizes to one size whatever the shape: the picture filtered, the mask to nearest pixels.

    Args:
        height: new height in pixels.
        width: new width in pixels.
        interpolation: filter of pictures, "bilinear" or "bicubic".
    """

    def __init__(self, height: int, width: int, interpolation: str = "bilinear") -> None:
        super().__init__()
        self.height = height
        self.width = width
        self.interpolation = interpolation

    def get_transform(self, image: np.ndarray) -> Transform:
        """The resize for a picture (H, W, 3)."""
        filter_ = pillow_filter(self.interpolation)
        return T.ResizeTransform(*image.shape[:2], self.height, self.width, filter_)


class RandomScaleCrop(T.Augmentation):
    """Every other time: scales about the centre, cutting off or filling up with black.

    Args:
        low: smallest factor.
        high: largest factor.
    """

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low = low
        self.high = high

    def get_transform(self, image: np.ndarray) -> Transform | TransformList:
        """The scaling for a picture (H, W, 3), whose size stays."""
        scale = np.random.uniform(self.low, self.high)
        if np.random.rand() >= 0.5:
            return NoOpTransform()
        height, width = image.shape[:2]
        scaled = (max(1, round(height * scale)), max(1, round(width * scale)))
        resize = SoftResizeTransform(height, width, *scaled, Image.Resampling.BICUBIC)
        return TransformList([resize, CentreCropTransform(*scaled, height, width)])


class RandomTurn(T.Augmentation):
    """Every other time: turns by whole degrees about the centre and cuts to the old size.

    Args:
        degrees: angles are drawn from ``-degrees ... degrees - 1``.
    """

    def __init__(self, degrees: int) -> None:
        super().__init__()
        self.degrees = degrees

    def get_transform(self, image: np.ndarray) -> Transform | TransformList:
        """The turn for a picture (H, W, 3), whose size stays."""
        angle = int(np.random.randint(-self.degrees, self.degrees))
        if np.random.rand() >= 0.5:
            return NoOpTransform()
        height, width = image.shape[:2]
        turn = TurnTransform(height, width, angle)
        return TransformList([turn, CentreCropTransform(*turn.new_hw, height, width)])


class RandomEnhance(T.Augmentation):
    """Raises contrast, sharpness and brightness in random order, each every other time.

    Args:
        amount: factors are drawn from 1 ... 1 + amount.
    """

    def __init__(self, amount: float) -> None:
        super().__init__()
        self.amount = amount

    def get_transform(self, image: np.ndarray) -> Transform:
        """The changes for an RGB picture (H, W, 3); masks keep out of it."""
        steps = []
        for index in np.random.permutation(len(_ENHANCERS)):
            factor = 1 + np.random.uniform(0, self.amount)
            if np.random.rand() < 0.5:
                steps.append((_ENHANCERS[index], factor))
        return T.PILColorTransform(_enhancement(steps)) if steps else NoOpTransform()


def _enhancement(steps: Sequence[tuple[type, float]]) -> Callable[[Image.Image], Image.Image]:
    def apply(image: Image.Image) -> Image.Image:
        for enhancer, factor in steps:
            image = enhancer(image).enhance(factor)
        return image

    return apply


class SoftResizeTransform(T.ResizeTransform):
    """detectron2's resize (height, width, new height, new width, filter), masks filtered too."""

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        """(H, W) -> (new height, new width), with the filter of pictures."""
        return self.apply_image(segmentation)


class CentreCropTransform(Transform):
    """The middle of an array; what lies beyond its border is black.

    Args:
        height: of the array.
        width: of the array.
        new_height: of the result.
        new_width: of the result.
    """

    def __init__(self, height: int, width: int, new_height: int, new_width: int) -> None:
        super().__init__()
        self.new_hw = (new_height, new_width)
        # Position of the array's corner in the result; negative where it is cut.
        self.top = (new_height - height) // 2
        self.left = (new_width - width) // 2

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        """(H, W, ...) -> (new_height, new_width, ...)."""
        result = np.zeros((*self.new_hw, *img.shape[2:]), dtype=img.dtype)
        part = img[max(0, -self.top) :, max(0, -self.left) :]
        top, left = max(0, self.top), max(0, self.left)
        part = part[: self.new_hw[0] - top, : self.new_hw[1] - left]
        result[top : top + part.shape[0], left : left + part.shape[1]] = part
        return result

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Moves points (N, 2), x first."""
        return coords + np.array([self.left, self.top], dtype=coords.dtype)


class TurnTransform(Transform):
    """Turns counter-clockwise, to the nearest pixel, into an array that holds all corners.

    Args:
        height: of the array.
        width: of the array.
        angle: degrees.
    """

    def __init__(self, height: int, width: int, angle: int) -> None:
        super().__init__()
        self.height = height
        self.width = width
        self.angle = angle
        turned = Image.new("1", (width, height)).rotate(angle, expand=True)
        self.new_hw = (turned.height, turned.width)

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        """(H, W) or (H, W, 3) -> ``new_hw``, corners black."""
        turned = Image.fromarray(img).rotate(self.angle, Image.Resampling.NEAREST, expand=True)
        return np.asarray(turned)

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Turns points (N, 2), x first, about the centre."""
        cos, sin = math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))
        centre = np.array([self.width, self.height]) / 2
        new_centre = np.array(self.new_hw[::-1]) / 2
        return (coords - centre) @ np.array([[cos, -sin], [sin, cos]]) + new_centre


def taken_along(array: np.ndarray, steps: Transform | TransformList) -> np.ndarray:
    """What belongs to a picture pixel by pixel (its depth, say), moved as the picture was.

    Changes of colour pass it by. A resize of the picture brings it to the same size out of its
    own, which may be another.

    Args:
        array: uint8 (H', W', 3).
        steps: what was done to the picture.
    """
    for step in steps.transforms if isinstance(steps, TransformList) else [steps]:
        if isinstance(step, T.ColorTransform):
            continue
        if isinstance(step, T.ResizeTransform) and array.shape[:2] != (step.h, step.w):
            step = T.ResizeTransform(*array.shape[:2], step.new_h, step.new_w, step.interp)
        array = step.apply_image(array)
    return array


def build_dense_augmentation(cfg: CfgNode) -> list[T.Augmentation]:
    """The training augmentation of a config, in the published order.

    Resize to INPUT.DENSE.TRAIN_SIZE (INTERPOLATION), scale and crop (SCALE_CROP), flip
    (INPUT.RANDOM_FLIP), turn (ROTATE), enhance (ENHANCE). Equal limits or zeros switch a step
    off.

    Raises:
        ConfigError: a setting cannot work.
    """
    dense = cfg.INPUT.DENSE
    low, high = dense.SCALE_CROP
    if not 0 < low <= high:
        raise ConfigError(f"INPUT.DENSE.SCALE_CROP must be 0 < low <= high, got {low}, {high}")
    if dense.ROTATE < 0 or dense.ENHANCE < 0:
        raise ConfigError(
            "INPUT.DENSE.ROTATE and ENHANCE must not be negative, got "
            f"{dense.ROTATE} and {dense.ENHANCE}"
        )
    pillow_filter(dense.INTERPOLATION)
    size = size_pair("TRAIN_SIZE", dense.TRAIN_SIZE)
    steps: list[T.Augmentation] = [ResizeTo(*size, dense.INTERPOLATION)]
    if low < high:
        steps.append(RandomScaleCrop(low, high))
    steps += random_flip(cfg)
    if dense.ROTATE:
        steps.append(RandomTurn(dense.ROTATE))
    if dense.ENHANCE:
        steps.append(RandomEnhance(dense.ENHANCE))
    return steps
