"""From a picture to a network's canvas and back, in the two ways of the published MSI-Net."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from detectron2.config import CfgNode

from sor_ppa.canvas.legacy_resize import resize_area, resize_bicubic
from sor_ppa.canvas.placement import Placement, fitted_hw, place
from sor_ppa.errors import ConfigError

#: "repository": Kroner et al., Neural Networks 2020, whatever the data set; "hub": the release on
#: model hubs, which takes one of three canvases and black borders.
PRESETS = ("repository", "hub")
_STEP = 8
# Square, landscape, portrait: of equally near ones the first.
_HUB_CANVASES = ((320, 320), (240, 320), (320, 240))


@dataclass(frozen=True)
class CanvasRule:
    """How pictures are put on a canvas, and maps taken off it.

    Attributes:
        size_hw: (height, width) of the canvas; not looked at by the preset "hub".
        preset: one of :data:`PRESETS`.
        pad_value: grey level around the picture, 0 ... 255.
    """

    size_hw: tuple[int, int] = (240, 320)
    preset: str = "repository"
    pad_value: float = 126.0

    @classmethod
    def from_config(cls, cfg: CfgNode) -> CanvasRule:
        """The rule of INPUT.FIXATION.

        Raises:
            ConfigError: a setting cannot work.
        """
        keys = cfg.INPUT.FIXATION
        size = tuple(keys.SIZE)
        if len(size) != 2 or any(not isinstance(n, int) or n < _STEP or n % _STEP for n in size):
            raise ConfigError(
                f"INPUT.FIXATION.SIZE must be a height and a width, multiples of {_STEP}, "
                f"got {keys.SIZE}"
            )
        if keys.PRESET not in PRESETS:
            raise ConfigError(
                f"INPUT.FIXATION.PRESET must be {' or '.join(PRESETS)}, got {keys.PRESET!r}"
            )
        if not 0 <= keys.PAD_VALUE <= 255:
            raise ConfigError(
                f"INPUT.FIXATION.PAD_VALUE must lie in 0 ... 255, got {keys.PAD_VALUE}"
            )
        pad = 0.0 if keys.PRESET == "hub" else float(keys.PAD_VALUE)
        return cls(size, keys.PRESET, pad)

    def canvas_hw(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of the canvas for a picture."""
        if self.preset != "hub":
            return self.size_hw
        shape = height / width
        # Portrait's published ratio is 1.333, not 4 / 3.
        ratios = (1.0, 0.75, 1.333)
        nearest = min(range(3), key=lambda index: abs(shape - ratios[index]))
        return _HUB_CANVASES[nearest]

    def placement(self, height: int, width: int) -> Placement:
        """Where a picture lies on its canvas."""
        return place((height, width), self.canvas_hw(height, width))

    def on_canvas(self, image: np.ndarray) -> np.ndarray:
        """A picture on its canvas.

        Args:
            image: (H, W, 3), grey levels 0 ... 255.

        Returns:
            float32 (h, w, 3), not rounded.
        """
        return self._padded(image, self.pad_value)

    def target_on_canvas(self, fixation: np.ndarray) -> np.ndarray:
        """A map (H, W) 0 ... 255 as its picture lies on the canvas: float32 (h, w), 0 around it."""
        return self._padded(fixation, 0.0)

    def off_canvas(self, fixation: np.ndarray, height: int, width: int) -> np.ndarray:
        """A network's map at the picture's own size.

        Args:
            fixation: (h, w) in 0 ... 1, of the canvas.
            height: of the picture.
            width: of the picture.

        Returns:
            float32 (height, width) in 0 ... 1. It is not stretched again: its maximum is below 1
            where the canvas had it beside the picture.
        """
        if self.preset == "hub":
            inner = fixation[self.placement(height, width).slices]
            return _bilinear(inner, (height, width))
        size = fitted_hw(fixation.shape[:2], (height, width), cover=True)
        grown = _resized(fixation * np.float32(255), size) / np.float32(255)
        top, left = (size[0] - height) // 2, (size[1] - width) // 2
        return np.ascontiguousarray(grown[top : top + height, left : left + width])

    def _padded(self, image: np.ndarray, value: float) -> np.ndarray:
        height, width = image.shape[:2]
        where = self.placement(height, width)
        resize = _bilinear if self.preset == "hub" else _resized
        canvas_hw = self.canvas_hw(height, width)
        canvas = np.full((*canvas_hw, *image.shape[2:]), value, dtype=np.float32)
        canvas[where.slices] = resize(image, (where.height, where.width))
        return canvas


def _resized(image: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Grey levels 0 ... 255 at another size: area where a side shrinks, else bicubic."""
    if tuple(image.shape[:2]) == tuple(size_hw):
        return image.astype(np.float32)
    shrinks = size_hw[0] < image.shape[0] or size_hw[1] < image.shape[1]
    resize = resize_area if shrinks else resize_bicubic
    return np.clip(resize(image, size_hw), 0, 255)


def _bilinear(image: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Half-pixel centres, no antialiasing; (H, W) or (H, W, C) -> float32."""
    planes = torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))
    planes = planes.reshape(*image.shape[:2], -1).permute(2, 0, 1)[None]  # (1, C, H, W)
    resized = F.interpolate(planes, tuple(size_hw), mode="bilinear", align_corners=False)
    return resized[0].permute(1, 2, 0).reshape(*size_hw, *image.shape[2:]).numpy()
