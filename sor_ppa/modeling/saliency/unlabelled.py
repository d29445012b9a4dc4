"""What the networks of saliency without labels share: inputs, outputs, an encoder's five maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode
from detectron2.modeling import Backbone, build_backbone
from torch import Tensor, nn

from sor_ppa.errors import ConfigError
from sor_ppa.modeling.batches import stacked
from sor_ppa.modeling.precision import at_least_float32

#: Names of an encoder's maps, finest first (strides 2, 4, 8, 16, 32).
MAP_NAMES = ("stem", "res2", "res3", "res4", "res5")


class EncoderNetwork(nn.Module):
    """A network of an encoder and what reads its five maps; normalises pictures as published.

    Args:
        encoder: hands on five maps, strides 2 ... 32.
        pixel_mean: per channel, in grey levels 0 ... 255.
        pixel_std: per channel, in grey levels.
        channels_last: run on channels-last tensors (see :meth:`preprocess`).
    """

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(
        self,
        encoder: Backbone,
        *,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        for name, values in (("pixel_mean", pixel_mean), ("pixel_std", pixel_std)):
            shares = torch.tensor(list(values), dtype=torch.float64) / 255
            self.register_buffer(name, shares, persistent=False)
        self.channels_last = channels_last

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.pixel_mean.device

    def preprocess(self, batched_inputs: Sequence[dict[str, Any]]) -> Tensor:
        """(N, 3, H, W) normalised pictures of inputs whose pictures are of one size."""
        images = stacked(batched_inputs, "image", self.device)
        return self.in_layout(normalise(images, self.pixel_mean, self.pixel_std))

    def use_layout(self) -> None:
        """Puts the weights into the memory order that the network runs on."""
        if self.channels_last:
            self.to(memory_format=torch.channels_last)

    def in_layout(self, x: Tensor) -> Tensor:
        """A batch (N, C, H, W) in the memory order that the network runs on."""
        return x.contiguous(memory_format=torch.channels_last) if self.channels_last else x


def network_arguments(cfg: CfgNode) -> dict[str, Any]:
    """Arguments of :class:`EncoderNetwork`, out of a config; the encoder is built."""
    return {
        "encoder": build_backbone(cfg),
        "pixel_mean": cfg.MODEL.PIXEL_MEAN,
        "pixel_std": cfg.MODEL.PIXEL_STD,
        "channels_last": cfg.MODEL.CHANNELS_LAST,
    }


def encoder_channels(encoder: Backbone) -> list[int]:
    """Channels of the five maps.

    Raises:
        ConfigError: the backbone does not hand on all of them.
    """
    shapes = encoder.output_shape()
    missing = [name for name in MAP_NAMES if name not in shapes]
    if missing:
        raise ConfigError(
            f"MODEL.BACKBONE.NAME: {type(encoder).__name__} does not hand on {', '.join(missing)}; "
            "build_resnet50_maps_backbone and build_mnv2_backbone do"
        )
    return [int(shapes[name].channels or 0) for name in MAP_NAMES]


def encoder_maps(encoder: Backbone, x: Tensor) -> list[Tensor]:
    """The five maps of a batch (N, 3, H, W), finest first."""
    maps = encoder(x)
    return [maps[name] for name in MAP_NAMES]


def normalise(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Pictures as the published networks see them.

    The quotient by 255 is rounded to float32, the rest is done in float64 and rounded once more:
    the published order, which pseudo labels depend on.

    Args:
        images: (N, 3, H, W) grey levels 0 ... 255.
        mean: (3,) float64, per channel in 0 ... 1.
        std: (3,) float64, per channel.

    Returns:
        (N, 3, H, W) float32.
    """
    shares = (images.float() / 255).double()
    return ((shares - mean[:, None, None]) / std[:, None, None]).float()


def saliency_outputs(
    logits: Tensor, batched_inputs: Sequence[dict[str, Any]]
) -> list[dict[str, Tensor]]:
    """Each picture's saliency at the picture's own size.

    Probabilities are enlarged, not logits (half-pixel centres, as OpenCV does it): published.

    Args:
        logits: (N, 1, h, w).
        batched_inputs: dicts with ``height`` and ``width``; without them the input's size.

    Returns:
        a dict a picture: ``saliency`` float32 (height, width) in 0 ... 1.
    """
    saliency = at_least_float32(logits).sigmoid()
    outputs = []
    for index, item in enumerate(batched_inputs):
        height, width = item["image"].shape[-2:]
        size = (item.get("height", height), item.get("width", width))
        own = F.interpolate(saliency[index : index + 1], size, mode="bilinear")
        outputs.append({"saliency": own[0, 0].clamp(0, 1)})
    return outputs


def enlarged(x: Tensor, like: Tensor, *, align_corners: bool) -> Tensor:
    """(N, C, h, w) -> the height and width of ``like``, bilinearly."""
    size = like.shape[-2:]
    if x.shape[-2:] == size:
        return x
    return F.interpolate(x, size, mode="bilinear", align_corners=align_corners)
