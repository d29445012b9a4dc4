"""MSI-Net: where people look, by an encoder of context at several scales and a decoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY, Backbone, build_backbone
from torch import Tensor, nn

from sor_ppa.canvas import CanvasRule
from sor_ppa.density import to_density
from sor_ppa.errors import ConfigError
from sor_ppa.modeling.batches import in_groups_of_one_size, stacked
from sor_ppa.modeling.fixation import ASPP, Decoder, stretched
from sor_ppa.modeling.losses import fixation_kld_loss
from sor_ppa.modeling.precision import at_least_float32
from sor_ppa.modeling.registration import register

_REGIONS = ("canvas", "picture")


@register(META_ARCH_REGISTRY)
class MSINet(nn.Module):
    """Contextual encoder-decoder network (Kroner et al., Neural Networks 2020, figure 2).

    Layers are named as in the published network, ``conv1/conv1_1`` being ``encoder.conv1_1``.
    ``pixel_mean`` is part of the weights: the published ones were trained with a mean in another
    order of channels than ours are, and a file must say which is its own.

    Args:
        encoder: hands on the maps of ``in_features``.
        in_features: their names; the first one's size is the others', too. It is 1/8 of the input.
        aspp_channels: of each branch of the ASPP, and of its result.
        aspp_dilations: of its 3 x 3 convolutions.
        decoder_channels: after each enlargement.
        pixel_mean: per channel, in grey levels 0 ... 255; weights that are loaded replace it.
        pixel_std: per channel, in grey levels.
        canvas: how a map comes off the canvas.
        normalize_over: "canvas", as published, or "picture".
        density: also hand out a density.
        channels_last: run on channels-last tensors.
    """

    pixel_mean: Tensor
    pixel_std: Tensor

    @configurable
    def __init__(
        self,
        *,
        encoder: Backbone,
        in_features: Sequence[str] = ("pool3", "pool4", "pool5"),
        aspp_channels: int = 256,
        aspp_dilations: Sequence[int] = (4, 8, 12),
        decoder_channels: Sequence[int] = (128, 64, 32),
        pixel_mean: Sequence[float] = (123.68, 116.779, 103.939),
        pixel_std: Sequence[float] = (1.0, 1.0, 1.0),
        canvas: CanvasRule | None = None,
        normalize_over: str = "canvas",
        density: bool = False,
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        if normalize_over not in _REGIONS:
            known = " or ".join(_REGIONS)
            raise ConfigError(
                f"MODEL.MSINET.NORMALIZE_OVER must be {known}, got {normalize_over!r}"
            )
        self.encoder = encoder
        self.in_features = list(in_features)
        channels = _channels(encoder, self.in_features)
        self.aspp = ASPP(channels, aspp_channels, aspp_dilations)
        self.decoder = Decoder(aspp_channels, decoder_channels)
        for name, values in (("pixel_mean", pixel_mean), ("pixel_std", pixel_std)):
            vector = torch.tensor([float(v) for v in values])
            self.register_buffer(name, vector, persistent=name == "pixel_mean")
        self.canvas = canvas or CanvasRule()
        self.normalize_over = normalize_over
        self.density = density
        self.channels_last = channels_last
        if channels_last:
            self.to(memory_format=torch.channels_last)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Arguments of the constructor.

        Raises:
            ConfigError: the pictures would come blue first.
        """
        if cfg.INPUT.FORMAT != "RGB":
            raise ConfigError(f"MSINet sees RGB: set INPUT.FORMAT RGB, got {cfg.INPUT.FORMAT!r}")
        net = cfg.MODEL.MSINET
        return {
            "encoder": build_backbone(cfg),
            "in_features": net.IN_FEATURES,
            "aspp_channels": net.ASPP_CHANNELS,
            "aspp_dilations": net.ASPP_DILATIONS,
            "decoder_channels": net.DECODER_CHANNELS,
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
            "canvas": CanvasRule.from_config(cfg),
            "normalize_over": net.NORMALIZE_OVER,
            "density": net.DENSITY,
            "channels_last": cfg.MODEL.CHANNELS_LAST,
        }

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.pixel_mean.device

    def forward(self, batched_inputs: list[dict[str, Any]]) -> Any:  # noqa: ANN401
        """Losses in training, fixation maps else.

        Args:
            batched_inputs: dicts with ``image`` (3, H, W), RGB 0 ... 255 on its canvas, the
                picture's own ``height`` and ``width``; in training ``fixation`` (1, H, W), not
                negative, of any scale.

        Returns:
            Training: ``{"loss_kld": ...}``. Else a dict a picture: ``fixation`` float32 (height,
            width) in 0 ... 1 and, if wanted, ``fixation_density`` float32, which sums to 1.

        Raises:
            DataError: training without maps.
        """
        if not self.training:
            return in_groups_of_one_size(batched_inputs, self.inference)
        target = stacked(batched_inputs, "fixation", self.device)
        maps = stretched(at_least_float32(self.logits(self.preprocess(batched_inputs))))
        with torch.autocast(maps.device.type, enabled=False):
            return {"loss_kld": fixation_kld_loss(maps, target.to(maps.dtype))}

    def preprocess(self, batched_inputs: Sequence[dict[str, Any]]) -> Tensor:
        """(N, 3, H, W) normalised pictures of inputs whose canvases are of one size."""
        images = stacked(batched_inputs, "image", self.device).to(self.pixel_mean.dtype)
        mean, std = (v.view(-1, 1, 1) for v in (self.pixel_mean, self.pixel_std))
        images = (images - mean) / std
        return (
            images.contiguous(memory_format=torch.channels_last) if self.channels_last else images
        )

    def logits(self, images: Tensor) -> Tensor:
        """One pass over normalised pictures, (N, 3, H, W) -> (N, 1, H, W), not yet stretched."""
        return self.decoder(self.aspp(self.features(images)))

    def features(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) normalised -> the encoder's maps side by side, (N, C, H/8, W/8)."""
        maps = self.encoder(images)
        first, *others = (maps[name] for name in self.in_features)
        return torch.cat([first, *(_like(x, first) for x in others)], 1)

    def inference(self, batched_inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Maps of pictures whose canvases are of one size."""
        logits = at_least_float32(self.logits(self.preprocess(batched_inputs)))
        return [self.output(raw, item) for raw, item in zip(logits, batched_inputs, strict=True)]

    def output(self, logits: Tensor, item: dict[str, Any]) -> dict[str, Tensor]:
        """What a picture's output is made of.

        Args:
            logits: (1, H, W), of its canvas.
            item: its model input; without ``height`` and ``width`` the canvas is the picture.
        """
        height, width = logits.shape[-2:]
        height, width = item.get("height", height), item.get("width", width)
        fixation = self._stretched(logits.detach(), height, width).float().cpu().numpy()
        own = self.canvas.off_canvas(fixation, height, width)
        output = {"fixation": torch.from_numpy(np.clip(own, 0, 1)).to(logits.device)}
        if self.density:
            output["fixation_density"] = to_density(output["fixation"])
        return output

    def _stretched(self, logits: Tensor, height: int, width: int) -> Tensor:
        """The map (H, W) of a canvas, 0 ... 1."""
        if self.normalize_over == "canvas":
            return stretched(logits[None])[0, 0]
        rows, columns = self.canvas.placement(height, width).slices
        inside = logits[0, rows, columns]
        raised = (logits[0] - inside.amin()).clamp(min=0)
        return (raised / (1e-7 + inside.amax() - inside.amin())).clamp(max=1)


def _channels(encoder: Backbone, names: Sequence[str]) -> int:
    shapes = encoder.output_shape()
    missing = [name for name in names if name not in shapes]
    if missing or not names:
        raise ConfigError(
            f"MODEL.MSINET.IN_FEATURES: {type(encoder).__name__} hands on {', '.join(shapes)}, "
            f"not {', '.join(missing) or 'nothing'}"
        )
    if shapes[names[0]].stride != 8:
        raise ConfigError(
            f"MODEL.MSINET.IN_FEATURES: {names[0]} has stride {shapes[names[0]].stride}, but the "
            "decoder enlarges by 8"
        )
    return sum(int(shapes[name].channels or 0) for name in names)


def _like(x: Tensor, first: Tensor) -> Tensor:
    size = first.shape[-2:]
    if x.shape[-2:] == size:
        return x
    return F.interpolate(x, size, mode="bilinear", align_corners=False)
