"""Dataset dict with fixations -> input of a fixation network."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode, configurable

from sor_ppa.canvas import CanvasRule
from sor_ppa.data.dataset_dicts import size_differs
from sor_ppa.data.dense.sizes import channels_first
from sor_ppa.data.fixation.maps import fixation_map
from sor_ppa.data.image_io import MAX_PIXELS, read_image
from sor_ppa.errors import ConfigError, DataError


class FixationMapper:
    """Maps a picture and its fixation map to the input of a fixation network.

    Args:
        is_train: True adds the map.
        canvas: how picture and map come on the canvas.
        flip: mirror every other picture and its map, in training; NumPy's global random state
            decides.
        max_pixels: larger pictures are refused.
    """

    @configurable
    def __init__(
        self,
        *,
        is_train: bool,
        canvas: CanvasRule,
        flip: bool = False,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self.is_train = is_train
        self.canvas = canvas
        self.flip = flip and is_train
        self.max_pixels = max_pixels

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool = True) -> dict[str, Any]:
        """Arguments of the constructor, out of a config.

        Raises:
            ConfigError: a flip that makes no sense for fixations.
        """
        if cfg.INPUT.RANDOM_FLIP not in ("none", "horizontal"):
            raise ConfigError(
                "INPUT.RANDOM_FLIP must be none or horizontal for fixations, got "
                f"{cfg.INPUT.RANDOM_FLIP!r}"
            )
        return {
            "is_train": is_train,
            "canvas": CanvasRule.from_config(cfg),
            "flip": cfg.INPUT.RANDOM_FLIP == "horizontal",
            "max_pixels": cfg.INPUT.MAX_PIXELS,
        }

    def __call__(self, dataset_dict: dict[str, Any]) -> dict[str, Any]:
        """Reads and converts one picture.

        Args:
            dataset_dict: ``file_name`` and, in training, what
                :func:`~sor_ppa.data.fixation.maps.fixation_map` reads. Not changed.

        Returns:
            The dict without its points, plus ``image`` float32 (3, H, W), RGB 0 ... 255 on its
            canvas, and the original ``height`` and ``width``; in training ``fixation`` float32
            (1, H, W) in 0 ... 255 or a little below.

        Raises:
            ImageError: the picture or the map cannot be read.
            DataError: there is no map and no points, or a stated size is not the picture's.
        """
        output = {key: value for key, value in dataset_dict.items() if key != "fixations"}
        image = read_image(output["file_name"], format="RGB", max_pixels=self.max_pixels)
        problem = size_differs(output, image.shape[:2])
        if problem:
            raise DataError([f"{output['file_name']}: {problem}"])
        output["height"], output["width"] = image.shape[:2]
        mirrored = self.flip and np.random.rand() < 0.5
        output["image"] = canvas_input(self.canvas, image[:, ::-1] if mirrored else image)
        if self.is_train:
            size = {"height": image.shape[0], "width": image.shape[1]}
            target = fixation_map({**dataset_dict, **size})
            target = self.canvas.target_on_canvas(target[:, ::-1] if mirrored else target)
            output["fixation"] = torch.from_numpy(target)[None]  # (1, H, W)
        return output


def canvas_input(canvas: CanvasRule, image: np.ndarray) -> torch.Tensor:
    """A picture uint8 (H, W, 3), RGB, on its canvas: float32 (3, h, w)."""
    return channels_first(canvas.on_canvas(image))
