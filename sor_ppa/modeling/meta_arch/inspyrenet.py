"""InSPyReNet: dense saliency by an inverse Laplacian pyramid, at any resolution by blending two."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY, Backbone, build_backbone
from torch import Tensor, nn

from sor_ppa.errors import DataError
from sor_ppa.modeling.losses import pyramid_losses
from sor_ppa.modeling.precision import at_least_float32
from sor_ppa.modeling.pyramid import blend, reconstruct, resize
from sor_ppa.modeling.registration import register
from sor_ppa.modeling.saliency.layers import kaiming_init
from sor_ppa.modeling.saliency.paa import PAAContext, PAADecoder
from sor_ppa.modeling.saliency.sica import SICA


class Pyramid(NamedTuple):
    """What a pass hands on: logits and Laplacians, coarsest first, each (N, 1, h, w)."""

    saliency: list[Tensor]  # d3, d2, d1, d0
    laplacian: list[Tensor]  # p2, p1, p0


@register(META_ARCH_REGISTRY)
class InSPyReNet(nn.Module):
    """Inverse saliency pyramid reconstruction network (Kim et al., ACCV 2022, figure 2).

    Parameter names are those of the published checkpoints.

    Args:
        backbone: hands on the five maps of ``in_features``.
        in_features: their names, finest first.
        depths: channels of attention0, attention1, attention2, and of the decoder.
        context_kernels: kernel sizes of the attention branches of context1 ... context5.
        base_size: (height, width) the contexts' grids are made for.
        pixel_mean: per channel, in grey levels 0 ... 255.
        pixel_std: per channel, in grey levels.
        normalize: stretch each map to 0 ... 1, as published.
        return_pyramid: also hand out the pyramid that a map was made from.
        loss_weight: of the saliency losses.
        consistency_weight: of the consistency between levels.
        channels_last: run on channels-last tensors.
    """

    levels: Tensor

    @configurable
    def __init__(
        self,
        *,
        backbone: Backbone,
        in_features: Sequence[str],
        depths: Sequence[int] = (64, 64, 64, 64),
        context_kernels: Sequence[Sequence[int]] = ((3, 5, 7),) * 5,
        base_size: Sequence[int] = (384, 384),
        pixel_mean: Sequence[float] = (123.675, 116.28, 103.53),
        pixel_std: Sequence[float] = (58.395, 57.12, 57.375),
        normalize: bool = True,
        return_pyramid: bool = False,
        loss_weight: float = 1.0,
        consistency_weight: float = 1e-4,
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.in_features = list(in_features)
        shapes = backbone.output_shape()
        channels = [int(shapes[name].channels or 0) for name in in_features]
        fine, middle, coarse, deep = depths
        widths = (middle, coarse, deep, deep, deep)
        contexts = map(PAAContext, channels, widths, context_kernels)
        self.context1, self.context2, self.context3, self.context4, self.context5 = contexts
        self.decoder = PAADecoder(deep)
        self.attention0 = SICA(middle, fine, grid_hw=_halved(base_size, 0), laplacian=True)
        self.attention1 = SICA(
            middle + coarse, middle, grid_hw=_halved(base_size, 1), laplacian=True
        )
        self.attention2 = SICA(
            coarse + deep, coarse, grid_hw=_halved(base_size, 2), laplacian=False
        )
        for part in (module for name, module in self.named_children() if name != "backbone"):
            kaiming_init(part)
        table = normalised_levels(pixel_mean, pixel_std)
        self.register_buffer("levels", table, persistent=False)
        self.normalize = normalize
        self.return_pyramid = return_pyramid
        self.loss_weight = loss_weight
        self.consistency_weight = consistency_weight
        self.channels_last = channels_last
        if channels_last:
            self.to(memory_format=torch.channels_last)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Arguments of the constructor."""
        net = cfg.MODEL.INSPYRENET
        return {
            "backbone": build_backbone(cfg),
            "in_features": net.IN_FEATURES,
            "depths": net.DEPTHS,
            "context_kernels": net.CONTEXT_KERNELS,
            "base_size": net.BASE_SIZE,
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
            "normalize": net.NORMALIZE,
            "return_pyramid": net.RETURN_PYRAMID,
            "loss_weight": net.LOSS_WEIGHT,
            "consistency_weight": net.CONSISTENCY_WEIGHT,
            "channels_last": cfg.MODEL.CHANNELS_LAST,
        }

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.levels.device

    def forward(self, batched_inputs: list[dict[str, Any]]) -> Any:  # noqa: ANN401
        """Losses in training, saliency maps else.

        Args:
            batched_inputs: dicts with ``image`` (3, H, W), for blending also ``image_lr``, the
                picture's own ``height`` and ``width``; in training ``saliency`` (1, H, W) in
                0 ... 1.

        Returns:
            Training: ``{"loss_d3": ..., "loss_d0": ..., "loss_consistency": ...}``. Else a dict a
            picture: ``saliency`` float32 (height, width) in 0 ... 1 and, if wanted, ``pyramid``:
            the maps d3 ... d0 and p2 ... p0, each (h, w).

        Raises:
            DataError: training without masks.
        """
        if self.training:
            return self.losses(batched_inputs)
        groups: dict[tuple[Any, Any], list[int]] = defaultdict(list)
        for index, item in enumerate(batched_inputs):
            low = item.get("image_lr")
            shape = (item["image"].shape, None if low is None else low.shape)
            groups[shape].append(index)
        results: list[Any] = [None] * len(batched_inputs)
        for members in groups.values():
            items = [batched_inputs[index] for index in members]
            for index, result in zip(members, self.inference(items), strict=True):
                results[index] = result
        return results

    def losses(self, batched_inputs: list[dict[str, Any]]) -> dict[str, Tensor]:
        """The weighted losses of a batch of pictures of one size."""
        if any("saliency" not in item for item in batched_inputs):
            raise DataError(
                ["training needs a mask with every picture: use the 'dense' mapper and data sets "
                 "that have masks"]
            )  # fmt: skip
        target = torch.stack([item["saliency"].to(self.device) for item in batched_inputs])
        pyramid = self.pyramid(self.preprocess([item["image"] for item in batched_inputs]))
        losses = pyramid_losses(pyramid.saliency, target)
        weights = {"loss_consistency": self.consistency_weight}
        return {name: loss * weights.get(name, self.loss_weight) for name, loss in losses.items()}

    def inference(self, batched_inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Maps of pictures of one size: one pass, or two that are blended."""
        pyramid = self.pyramid(self.preprocess([item["image"] for item in batched_inputs]))
        if "image_lr" in batched_inputs[0]:
            low = self.pyramid(self.preprocess([item["image_lr"] for item in batched_inputs]))
            coarse_size = pyramid.saliency[0].shape[-2:]
            pyramid = Pyramid(*blend(low.saliency[-1], coarse_size, pyramid.laplacian))
        return [self.postprocess(pyramid, i, item) for i, item in enumerate(batched_inputs)]

    def preprocess(self, images: Sequence[Tensor]) -> Tensor:
        """(N, 3, H, W) normalised pictures; sides that are no multiples of 4 are stretched."""
        batch = torch.stack([self._normalised(image.to(self.device)) for image in images])
        height, width = (-(-side // 4) * 4 for side in batch.shape[-2:])
        batch = resize(batch, (height, width))
        if self.channels_last:
            batch = batch.contiguous(memory_format=torch.channels_last)
        return batch

    def _normalised(self, image: Tensor) -> Tensor:
        """(3, H, W) grey levels -> normalised, rounded as published for whole levels."""
        if image.dtype != torch.uint8:
            below, above = self.levels[:, 0], self.levels[:, 255]
            return image * ((above - below) / 255)[:, None, None] + below[:, None, None]
        return torch.stack([row[band.int()] for row, band in zip(self.levels, image, strict=True)])

    def pyramid(self, images: Tensor) -> Pyramid:
        """One pass over normalised pictures of sides that are multiples of 4.

        Args:
            images: (N, 3, H, W).

        Returns:
            d3 at a stride of 8, d2, d1 and d0 each twice the size of the one before; p2, p1, p0 at
            strides of 4, 2 and 1.
        """
        height, width = images.shape[-2:]
        maps = self.backbone(images)
        x1, x2, x3, x4, x5 = (maps[name] for name in self.in_features)
        c1, c2 = self.context1(x1), self.context2(x2)
        f3, d3 = self.decoder(self.context3(x3), self.context4(x4), self.context5(x5))

        # The coarser stage enters without gradient: each level learns from its own loss.
        f2 = torch.cat([c2, resize(f3, (height // 4, width // 4))], 1)
        f2, p2 = self.attention2(f2, d3.detach())
        d2 = reconstruct(d3.detach(), p2)

        half = (height // 2, width // 2)
        f1 = torch.cat([resize(c1, half), resize(f2, half)], 1)
        f1, p1 = self.attention1(f1, d2.detach(), p2.detach())
        d1 = reconstruct(d2.detach(), p1)

        _, p0 = self.attention0(resize(f1, (height, width)), d1.detach(), p1.detach())
        d0 = reconstruct(d1.detach(), p0)
        return Pyramid([d3, d2, d1, d0], [p2, p1, p0])

    def postprocess(self, pyramid: Pyramid, index: int, item: dict[str, Any]) -> dict[str, Any]:
        """The output of one picture, at its own size."""
        logits = at_least_float32(pyramid.saliency[-1][index : index + 1])
        saliency = logits.sigmoid()  # (1, 1, h, w)
        if self.normalize:
            saliency = stretch(saliency)
        size = (item.get("height", logits.shape[-2]), item.get("width", logits.shape[-1]))
        if size != tuple(saliency.shape[-2:]):
            saliency = F.interpolate(saliency, size, mode="bilinear", align_corners=True)
        output: dict[str, Any] = {"saliency": saliency[0, 0].clamp(0, 1)}
        if self.return_pyramid:
            names = ("d3", "d2", "d1", "d0", "p2", "p1", "p0")
            maps = [level[index, 0] for level in (*pyramid.saliency, *pyramid.laplacian)]
            output["pyramid"] = dict(zip(names, maps, strict=True))
        return output


def stretch(saliency: Tensor) -> Tensor:
    """A map stretched to 0 ... 1; a constant one becomes 0."""
    low, high = saliency.min(), saliency.max()
    return (saliency - low) / (high - low + 1e-8)


def _halved(size_hw: Sequence[int], times: int) -> tuple[int, int]:
    height, width = size_hw
    return height // 2**times, width // 2**times


def normalised_levels(mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """(3, 256) float32: the normalised value of every grey level of every channel.

    Rounded to float32 after each of the three published steps, / 255, - mean and / std.
    """
    levels = (torch.arange(256, dtype=torch.float64) / 255).float().double()
    means, stds = (torch.tensor(list(v), dtype=torch.float64)[:, None] / 255 for v in (mean, std))
    return ((levels - means).float().double() / stds).float()
