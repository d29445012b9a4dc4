"""CoRNet: the second stage of saliency without labels, for pictures alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY, Backbone
from torch import Tensor

from sor_ppa.modeling.batches import in_groups_of_one_size, stacked
from sor_ppa.modeling.mask_losses import mask_loss
from sor_ppa.modeling.registration import register
from sor_ppa.modeling.saliency.cornet import CoRNetDecoder
from sor_ppa.modeling.saliency.unlabelled import (
    EncoderNetwork,
    encoder_channels,
    encoder_maps,
    network_arguments,
    saliency_outputs,
)


@register(META_ARCH_REGISTRY)
class CoRNet(EncoderNetwork):
    """Contextual refinement network (Zhou et al., TCSVT 2023 and CVPR 2023), taught by masks.

    The masks are pseudo labels as a rule; true ones do as well. Parameter names are those of the
    published checkpoints.

    Args:
        encoder: hands on five maps, strides 2 ... 32.
        pixel_mean: per channel, in grey levels 0 ... 255.
        pixel_std: per channel, in grey levels.
        losses: names of :mod:`sor_ppa.modeling.mask_losses`, summed.
        channels_last: run on channels-last tensors.
    """

    @configurable
    def __init__(
        self,
        *,
        encoder: Backbone,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        losses: Sequence[str] = ("iou",),
        channels_last: bool = False,
    ) -> None:
        super().__init__(
            encoder, pixel_mean=pixel_mean, pixel_std=pixel_std, channels_last=channels_last
        )
        self.decoder = CoRNetDecoder(encoder_channels(encoder))
        self.loss_names = tuple(losses)
        self.use_layout()

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**network_arguments(cfg), "losses": cfg.MODEL.STAGE2.LOSSES}

    def forward(self, batched_inputs: list[dict[str, Any]]) -> Any:  # noqa: ANN401
        """Losses in training, saliency maps else.

        Args:
            batched_inputs: dicts with ``image`` (3, H, W), the picture's own ``height`` and
                ``width``; in training ``saliency`` (1, H, W) in 0 ... 1.

        Returns:
            Training: ``{"loss_saliency": ...}``. Else a dict a picture: ``saliency`` float32
            (height, width) in 0 ... 1.

        Raises:
            DataError: training without masks.
        """
        if not self.training:
            return in_groups_of_one_size(batched_inputs, self.inference)
        target = stacked(batched_inputs, "saliency", self.device)
        return self.losses(self.preprocess(batched_inputs), target)

    def losses(self, images: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Normalised pictures (N, 3, H, W) and masks (N, 1, H, W) -> the loss."""
        return {"loss_saliency": mask_loss(self.maps(images), target, self.loss_names)}

    def inference(self, batched_inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Saliency of pictures of one size."""
        return saliency_outputs(self.maps(self.preprocess(batched_inputs)), batched_inputs)

    def maps(self, images: Tensor, modality: Tensor | None = None) -> Tensor:
        """Logits (N, 1, H, W) of normalised pictures; ``modality`` is not looked at."""
        return self.decoder(encoder_maps(self.encoder, images), images.shape[-2:])
