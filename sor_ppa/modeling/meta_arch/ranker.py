"""The salient object ranker: picture in, ranked instances out."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY, GeneralizedRCNN
from detectron2.structures import ImageList, Instances

from sor_ppa.modeling.registration import register


@register(META_ARCH_REGISTRY)
class SaliencyRanker(GeneralizedRCNN):
    """Detectron2's two-stage detector, exact for any batch of pictures.

    Padding changes what a picture's global averages and group norms see, hence its boxes and
    ranks. In test, pictures are therefore run together only with others of the same padded size,
    so that a picture's result does not depend on its company.

    Args:
        channels_last: run on channels-last tensors.
        kwargs: of detectron2's GeneralizedRCNN.
    """

    @configurable
    def __init__(self, *, channels_last: bool = False, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.channels_last = channels_last
        if channels_last:
            self.to(memory_format=torch.channels_last)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Arguments of the constructor."""
        arguments = super().from_config(cfg)
        arguments["channels_last"] = cfg.MODEL.CHANNELS_LAST
        return arguments

    def preprocess_image(self, batched_inputs: list[dict[str, Any]]) -> ImageList:
        """Normalises, pads right and below with zeros, and stacks the pictures."""
        images = super().preprocess_image(batched_inputs)
        if self.channels_last:
            images.tensor = images.tensor.contiguous(memory_format=torch.channels_last)
        return images

    def inference(
        self,
        batched_inputs: list[dict[str, Any]],
        detected_instances: list[Instances] | None = None,
        do_postprocess: bool = True,
    ) -> list[Any]:
        """Runs the pictures in groups of equal padded size; results in the order of the inputs.

        Args:
            batched_inputs: dicts with ``image`` (3, H, W) and, for post-processing, the original
                ``height`` and ``width``.
            detected_instances: boxes to use instead of proposals.
            do_postprocess: scale boxes and paste masks to the original size.
        """
        groups: dict[tuple[int, int], list[int]] = defaultdict(list)
        for index, item in enumerate(batched_inputs):
            groups[self._padded_size(item["image"].shape[-2:])].append(index)
        results: list[Any] = [None] * len(batched_inputs)
        for members in groups.values():
            given = None if detected_instances is None else [detected_instances[i] for i in members]
            outputs = super().inference([batched_inputs[i] for i in members], given, do_postprocess)
            for index, output in zip(members, outputs):
                results[index] = output
        return results

    def _padded_size(self, size_hw: tuple[int, int]) -> tuple[int, int]:
        step = max(self.backbone.size_divisibility, 1)
        height, width = (-(-side // step) * step for side in size_hw)
        return height, width
