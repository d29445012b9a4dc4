"""The sizes at which dense saliency looks at a picture, and the pictures at those sizes.

Evaluation and prediction both come through here, so they see the same pixels. Kim et al.,
"Revisiting Image Pyramid Structure for High Resolution Salient Object Detection", ACCV 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data import transforms as T
from PIL import Image
from torch import Tensor

from sor_ppa.errors import ConfigError

# Networks halve a picture five times.
_STEP = 32
_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def dynamic_size(height: int, width: int, limit: int) -> tuple[int, int]:
    """(height, width) near the picture's own, each a multiple of 32 (halves go to even).

    Args:
        height: of the picture.
        width: of the picture.
        limit: a shorter side above this becomes this; the shape is kept.

    Returns:
        at least 32 x 32.
    """
    scale = min(1.0, limit / min(height, width))
    rows, columns = (round(side * scale / _STEP) * _STEP for side in (height, width))
    return max(_STEP, rows), max(_STEP, columns)


def size_pair(key: str, value: Sequence[int]) -> tuple[int, int]:
    """INPUT.DENSE.<key> as (height, width).

    Raises:
        ConfigError: it is not a pair of whole numbers of at least 32.
    """
    pair = tuple(value)
    if len(pair) != 2 or any(not isinstance(side, int) or side < _STEP for side in pair):
        raise ConfigError(
            f"INPUT.DENSE.{key} must be a height and a width of at least {_STEP}, got {value}"
        )
    return pair


def pillow_filter(name: str) -> Image.Resampling:
    """Pillow's filter of INPUT.DENSE.INTERPOLATION; both antialias.

    Raises:
        ConfigError: an unknown name.
    """
    if name not in _FILTERS:
        known = " or ".join(_FILTERS)
        raise ConfigError(f"INPUT.DENSE.INTERPOLATION must be {known}, got {name!r}")
    return _FILTERS[name]


@dataclass(frozen=True)
class SizeRule:
    """At which size a picture is looked at, and whether at a small one as well.

    Attributes:
        fixed: (height, width) for every picture; None = :func:`dynamic_size`.
        limit: longest shorter side of a dynamic size.
        blend_above: 0 = one look at each picture. Else pictures with both sides (after resizing)
            above this are looked at twice, in full and at ``small``, and the others only at
            ``small``.
        small: (height, width) of the small look.
        interpolation: name of the filter, see :func:`pillow_filter`.
    """

    fixed: tuple[int, int] | None = None
    limit: int = 1280
    blend_above: int = 0
    small: tuple[int, int] = (384, 384)
    interpolation: str = "bilinear"

    @classmethod
    def from_config(cls, cfg: CfgNode) -> SizeRule:
        """The rule of INPUT.DENSE.

        Raises:
            ConfigError: a setting cannot work.
        """
        dense = cfg.INPUT.DENSE
        if dense.TEST_RESIZE not in ("static", "dynamic"):
            raise ConfigError(
                f"INPUT.DENSE.TEST_RESIZE must be static or dynamic, got {dense.TEST_RESIZE!r}"
            )
        if dense.DYNAMIC_LIMIT < _STEP or dense.BLEND_ABOVE < 0:
            raise ConfigError(
                f"INPUT.DENSE.DYNAMIC_LIMIT must be at least {_STEP} and BLEND_ABOVE at least 0, "
                f"got {dense.DYNAMIC_LIMIT} and {dense.BLEND_ABOVE}"
            )
        pillow_filter(dense.INTERPOLATION)
        static = dense.TEST_RESIZE == "static"
        return cls(
            fixed=size_pair("TEST_SIZE", dense.TEST_SIZE) if static else None,
            limit=dense.DYNAMIC_LIMIT,
            blend_above=dense.BLEND_ABOVE,
            small=size_pair("LR_SIZE", dense.LR_SIZE),
            interpolation=dense.INTERPOLATION,
        )

    def sizes(self, height: int, width: int) -> tuple[tuple[int, int], tuple[int, int] | None]:
        """(height, width) of the look at a picture, and of the small look if there is one too."""
        size = self.fixed or dynamic_size(height, width, self.limit)
        if self.blend_above == 0:
            return size, None
        return (size, self.small) if min(size) > self.blend_above else (self.small, None)

    def inputs(self, image: np.ndarray) -> dict[str, Tensor]:
        """A model's input out of a picture.

        Args:
            image: uint8 (H, W, 3), in the model's order of channels.

        Returns:
            ``image`` uint8 (3, h, w) and ``image_lr`` (3, h', w'), likewise out of the original,
            where the two looks are to be blended.
        """
        size, small = self.sizes(*image.shape[:2])
        looks = {"image": size} if small is None else {"image": size, "image_lr": small}
        name = self.interpolation
        return {key: channels_first(resized(image, hw, name)) for key, hw in looks.items()}


def resized(
    image: np.ndarray, size_hw: tuple[int, int], interpolation: str = "bilinear"
) -> np.ndarray:
    """A uint8 picture (H, W, 3) at another size, antialiased; ``interpolation`` by name."""
    filter_ = pillow_filter(interpolation)
    return T.ResizeTransform(*image.shape[:2], *size_hw, filter_).apply_image(image)


def channels_first(image: np.ndarray) -> Tensor:
    """(H, W, 3) -> (3, H, W), the memory its own."""
    return torch.from_numpy(image.transpose(2, 0, 1).copy(order="C"))
