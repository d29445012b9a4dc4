"""Augmentations that detectron2 lacks, and the list that a config asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from detectron2.config import CfgNode
from detectron2.data import transforms as T
from fvcore.transforms.transform import NoOpTransform, Transform
from PIL import Image
from torch import Tensor

from sor_ppa.canvas import CanvasRule
from sor_ppa.data.dense.modalities import (
    Modality,
    given_modalities,
    inputs_of_test,
    modality_kinds,
)
from sor_ppa.data.dense.sizes import SizeRule, channels_first
from sor_ppa.data.fixation.mapper import canvas_input
from sor_ppa.errors import ConfigError


class ResizeShortestEdge(T.Augmentation):
    """Scales the shorter side to a length, the longer one to at most ``max_size``.

    Same numbers as detectron2's, except that each side keeps at least one pixel, so that pictures
    one pixel wide survive.

    Args:
        short_edge_length: a length, lengths to choose from ("choice") or a (low, high) pair
            ("range", both ends included). 0 leaves the picture as it is.
        max_size: longest allowed side.
        sample_style: "choice" or "range".
        interp: Pillow's resampling filter for uint8 pictures.
    """

    def __init__(
        self,
        short_edge_length: int | Sequence[int],
        max_size: int = 1333,
        sample_style: str = "choice",
        interp: int = Image.Resampling.BILINEAR,
    ) -> None:
        super().__init__()
        if sample_style not in ("choice", "range"):
            raise ConfigError(f"sample style must be 'choice' or 'range', got {sample_style!r}")
        if isinstance(short_edge_length, int):
            short_edge_length = (short_edge_length, short_edge_length)
        if sample_style == "range" and len(short_edge_length) != 2:
            raise ConfigError(f"'range' needs two lengths, got {tuple(short_edge_length)}")
        # Attributes are named like the arguments: detectron2's __repr__ looks for them.
        self.short_edge_length = tuple(short_edge_length)
        self.max_size = max_size
        self.sample_style = sample_style
        self.interp = interp

    def get_transform(self, image: np.ndarray) -> Transform:
        """The resize for an image (H, W, ...)."""
        height, width = image.shape[:2]
        lengths = self.short_edge_length
        if self.sample_style == "range":
            size = int(np.random.randint(lengths[0], lengths[1] + 1))
        else:
            size = int(np.random.choice(lengths))
        if size == 0:
            return NoOpTransform()
        new_height, new_width = resized_hw(height, width, size, self.max_size)
        return T.ResizeTransform(height, width, new_height, new_width, self.interp)


def resized_hw(height: int, width: int, short: int, max_size: int) -> tuple[int, int]:
    """(height, width) with the shorter side at ``short`` and the longer one within ``max_size``."""
    scale = short / min(height, width)
    new_height, new_width = (short, scale * width) if height < width else (scale * height, short)
    longest = max(new_height, new_width)
    if longest > max_size:
        new_height, new_width = (side * (max_size / longest) for side in (new_height, new_width))
    return max(1, int(new_height + 0.5)), max(1, int(new_width + 0.5))


def build_augmentation(cfg: CfgNode, is_train: bool) -> list[T.Augmentation]:
    """The augmentations of a config, as detectron2's function of that name.

    Training: resize to one of INPUT.MIN_SIZE_TRAIN, then INPUT.RANDOM_FLIP. Test: resize to
    INPUT.MIN_SIZE_TEST only.
    """
    if not is_train:
        return [ResizeShortestEdge(cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST)]
    augmentation: list[T.Augmentation] = [
        ResizeShortestEdge(
            cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MAX_SIZE_TRAIN, cfg.INPUT.MIN_SIZE_TRAIN_SAMPLING
        )
    ]
    return augmentation + random_flip(cfg)


class Preparation(Protocol):
    """What makes a model's input out of a picture in memory: see :func:`build_preparation`."""

    def __call__(self, image: np.ndarray, modality: Modality | None = None) -> dict[str, Tensor]:
        """The input for one picture."""


def build_preparation(cfg: CfgNode) -> Preparation:
    """What makes a model's input out of a picture at test time, as the config's mapper does.

    Returns:
        a function of uint8 (H, W, 3) in the order of INPUT.FORMAT -> ``image`` uint8 (3, h, w), for
        fixations float32; for dense saliency with ``image_lr`` where two sizes are to be blended.
        Where the network sees modalities (INPUT.DENSE.TEST_MODALITIES) its second argument is one:
        uint8 RGB (H', W', 3) or grey (H', W') of any size, or a mapping from kind to such arrays;
        and ``modality`` uint8 (3 M, h, w) is among the results. Other networks pass it over. The
        function raises DataError where the network sees modalities and is given none.

    Raises:
        ConfigError: a setting of INPUT cannot work.
    """
    if cfg.INPUT.DATASET_MAPPER_NAME == "dense":
        return _dense_preparation(cfg)
    if cfg.INPUT.DATASET_MAPPER_NAME == "fixation":
        return _fixation_preparation(cfg)
    augmentations = T.AugmentationList(build_augmentation(cfg, is_train=False))

    def prepare(image: np.ndarray, modality: Modality | None = None) -> dict[str, Tensor]:
        augmented = T.AugInput(image)
        augmentations(augmented)
        return {"image": channels_first(augmented.image)}

    return prepare


def _dense_preparation(cfg: CfgNode) -> Preparation:
    rule, kinds = SizeRule.from_config(cfg), modality_kinds(cfg)
    if not cfg.INPUT.DENSE.TEST_MODALITIES:
        kinds = ()

    def prepare(image: np.ndarray, modality: Modality | None = None) -> dict[str, Tensor]:
        found = given_modalities(modality, kinds) if kinds else {}
        return inputs_of_test(rule, image, found, kinds)

    return prepare


def _fixation_preparation(cfg: CfgNode) -> Preparation:
    canvas = CanvasRule.from_config(cfg)

    def prepare(image: np.ndarray, modality: Modality | None = None) -> dict[str, Tensor]:
        return {"image": canvas_input(canvas, image)}

    return prepare


def random_flip(cfg: CfgNode) -> list[T.Augmentation]:
    """The flip that INPUT.RANDOM_FLIP asks for, every other time; none for "none".

    Raises:
        ConfigError: an unknown direction.
    """
    flip = cfg.INPUT.RANDOM_FLIP
    if flip not in ("none", "horizontal", "vertical"):
        raise ConfigError(f"INPUT.RANDOM_FLIP must be none, horizontal or vertical, got {flip!r}")
    if flip == "none":
        return []
    return [T.RandomFlip(horizontal=flip == "horizontal", vertical=flip == "vertical")]
