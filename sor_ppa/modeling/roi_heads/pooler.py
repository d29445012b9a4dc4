"""Pooling of box features from the pyramid level that fits the box, and of where the box lies."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch
from detectron2.modeling.poolers import assign_boxes_to_levels
from detectron2.structures import Boxes
from torch import Tensor, nn
from torchvision.ops import roi_align

from sor_ppa.errors import ConfigError


class AdaptivePooler(nn.Module):
    """RoIAlign whose level depends on the box's share of the picture.

    CenterMask (Lee & Park, CVPR 2020), eq. 2 for ``criterion="ratio"``; FPN (Lin et al., CVPR
    2017), eq. 1 for ``"area"``.

    Args:
        resolution: side of the pooled maps.
        strides: of the levels, ascending powers of two.
        sampling_ratio: samples per bin side; 0 = adaptive.
        criterion: "ratio" or "area".
    """

    def __init__(
        self,
        *,
        resolution: int,
        strides: Sequence[int],
        sampling_ratio: int = 0,
        criterion: str = "ratio",
    ) -> None:
        super().__init__()
        if criterion not in ("ratio", "area"):
            raise ConfigError(
                f"MODEL.ROI_MASK_HEAD.ASSIGN_CRITERION is {criterion!r}; use 'ratio' or 'area'"
            )
        self.resolution = resolution
        self.strides = tuple(strides)
        self.sampling_ratio = sampling_ratio
        self.criterion = criterion
        self.min_level = self.strides[0].bit_length() - 1
        self.max_level = self.strides[-1].bit_length() - 1

    def levels(self, boxes: Sequence[Boxes], image_sizes: Sequence[tuple[int, int]]) -> Tensor:
        """(R,) index of each box's level; ``image_sizes`` are (height, width) without padding."""
        if self.criterion == "area":
            return assign_boxes_to_levels(list(boxes), self.min_level, self.max_level, 224, 4)
        parts = [
            ratio_levels(b.area(), h * w, self.min_level, self.max_level)
            for b, (h, w) in zip(boxes, image_sizes)
        ]
        return torch.cat(parts) - self.min_level

    def forward(
        self,
        features: Sequence[Tensor],
        boxes: Sequence[Boxes],
        image_sizes: Sequence[tuple[int, int]],
    ) -> Tensor:
        """Pools every box of the batch.

        Args:
            features: per level (N, C, h, w), or (1, C, h, w) when the same for every picture.
            boxes: per picture.
            image_sizes: per picture (height, width) without padding.

        Returns:
            (R, C, resolution, resolution) in the order of the boxes.
        """
        shared = features[0].shape[0] == 1
        rois = _with_batch_index(boxes, shared)  # (R, 5)
        channels = features[0].shape[1]
        if len(rois) == 0:
            return features[0].new_zeros(0, channels, self.resolution, self.resolution)
        levels = self.levels(boxes, image_sizes)
        pooled = features[0].new_zeros(len(rois), channels, self.resolution, self.resolution)
        for level, (feature, stride) in enumerate(zip(features, self.strides)):
            chosen = (levels == level).nonzero().squeeze(1)
            if len(chosen) == 0:
                continue
            maps = roi_align(
                feature,
                rois[chosen].to(feature.dtype),
                self.resolution,
                spatial_scale=1.0 / stride,
                sampling_ratio=self.sampling_ratio,
                aligned=True,
            )
            pooled = pooled.index_put((chosen,), maps)
        return pooled


def ratio_levels(box_areas: Tensor, image_area: float, low: int, high: int) -> Tensor:
    """CenterMask eq. 2: ceil(high - log2(image area / box area)), clamped to [low, high].

    Args:
        box_areas: (R,) in pixels of the network input, boxes not clipped.
        image_area: of the unpadded network input, in pixels.
        low: lowest level.
        high: highest level.

    Returns:
        (R,) int64 levels; a box without area gets the lowest.
    """
    ratio = image_area / box_areas
    level = torch.ceil(high - torch.log2(ratio + sys.float_info.epsilon))
    return level.clamp(min=low, max=high).to(torch.int64)


def coordinate_maps(
    features: Sequence[Tensor],
    strides: Sequence[int],
    canvas_hw: tuple[float, float] | None,
) -> list[Tensor]:
    """Where each cell lies: the "position" that position-preserved attention preserves.

    Position-Preserved Attention (Fang et al., ICCV 2021), section 3.3.

    Args:
        features: per level (N, C, h, w); only size, dtype and device are used.
        strides: per level, in pixels.
        canvas_hw: height and width (pixels) that coordinates are divided by; None = the size of
            the padded network input.

    Returns:
        per level (1, 2, h, w): y, then x, of the cell centres.
    """
    height, width = features[0].shape[-2:]
    canvas = canvas_hw or (height * strides[0], width * strides[0])
    maps = []
    for feature, stride in zip(features, strides):
        h, w = feature.shape[-2:]
        ys = (stride / 2 + torch.arange(h, dtype=torch.float32) * stride) / canvas[0]
        xs = (stride / 2 + torch.arange(w, dtype=torch.float32) * stride) / canvas[1]
        grid = torch.stack(torch.meshgrid(ys, xs, indexing="ij"))  # (2, h, w)
        maps.append(grid[None].to(feature))
    return maps


def _with_batch_index(boxes: Sequence[Boxes], shared: bool) -> Tensor:
    """(R, 5): index of the picture (0 when all share their maps), then XYXY."""
    parts = []
    for index, box in enumerate(boxes):
        column = box.tensor.new_full((len(box), 1), 0 if shared else index)
        parts.append(torch.cat([column, box.tensor], dim=1))
    return torch.cat(parts)
