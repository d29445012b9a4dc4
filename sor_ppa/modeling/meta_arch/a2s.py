"""A2S: the first stage of saliency without labels. No mask is ever read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY, Backbone
from detectron2.utils import comm
from torch import Tensor

from sor_ppa.errors import ConfigError
from sor_ppa.modeling.batches import in_groups_of_one_size, stacked
from sor_ppa.modeling.precision import at_least_float32
from sor_ppa.modeling.registration import register
from sor_ppa.modeling.saliency.a2s import A2SDecoder, Activation
from sor_ppa.modeling.saliency.unlabelled import (
    EncoderNetwork,
    encoder_channels,
    encoder_maps,
    network_arguments,
    saliency_outputs,
)
from sor_ppa.modeling.texture_matching import texture_matching_loss
from sor_ppa.modeling.unsupervised_losses import saliency_distilling_loss, scale_consistency_loss


@register(META_ARCH_REGISTRY)
class A2S(EncoderNetwork):
    """Activation to saliency with texture-guided distilling (Zhou et al., CVPR 2023, figure 2).

    Reads pictures only; depth, flow or thermal pictures only enter the texture loss. Parameter
    names are those of the published checkpoints.

    Args:
        encoder: hands on five maps, strides 2 ... 32.
        pixel_mean: per channel, in grey levels 0 ... 255.
        pixel_std: per channel, in grey levels.
        frozen_epochs: in the first so many epochs the encoder gets no gradient (its batch norms
            still use and track the batch); -1 = in all.
        size_steps: each step also sees the batch at its size plus one of these, drawn at random.
        loss_weights: of distilling, of texture matching, of consistency between sizes.
        radius: of texture matching.
        alpha: of texture matching.
        channels_last: run on channels-last tensors.
    """

    @configurable
    def __init__(
        self,
        *,
        encoder: Backbone,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        frozen_epochs: int = -1,
        size_steps: Sequence[int] = (-128, -64, 64, 128),
        loss_weights: Sequence[float] = (1.0, 0.05, 1.0),
        radius: int = 5,
        alpha: float = 200.0,
        channels_last: bool = False,
    ) -> None:
        super().__init__(
            encoder, pixel_mean=pixel_mean, pixel_std=pixel_std, channels_last=channels_last
        )
        if len(size_steps) == 0:
            raise ConfigError("MODEL.A2S.SIZE_STEPS is empty: give at least one second size")
        self.decoder = A2SDecoder(encoder_channels(encoder))
        self.frozen_epochs = frozen_epochs
        self.size_steps = tuple(size_steps)
        self.loss_weights = tuple(loss_weights)
        self.radius = radius
        self.alpha = alpha
        self.set_epoch(1, 20)
        self.use_layout()

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Arguments of the constructor."""
        net = cfg.MODEL.A2S
        return {
            **network_arguments(cfg),
            "frozen_epochs": net.FROZEN_EPOCHS,
            "size_steps": net.SIZE_STEPS,
            "loss_weights": (net.CSD_WEIGHT, net.BTM_WEIGHT, net.CONSISTENCY_WEIGHT),
            "radius": net.BTM_RADIUS,
            "alpha": net.BTM_ALPHA,
        }

    @property
    def encoder_is_frozen(self) -> bool:
        """Whether the encoder learns nothing in the present epoch."""
        return self.frozen_epochs < 0 or self.epoch <= self.frozen_epochs

    def set_epoch(self, epoch: int, epochs: int) -> None:
        """Tells the network how far the training is.

        Args:
            epoch: 1 ... epochs.
            epochs: of the whole training.
        """
        self.epoch, self.epochs = epoch, epochs

    def forward(self, batched_inputs: list[dict[str, Any]]) -> Any:  # noqa: ANN401
        """Losses in training, saliency maps else.

        Args:
            batched_inputs: dicts with ``image`` (3, H, W), the picture's own ``height`` and
                ``width``; in training ``modality`` (3 M, H, W) if there are such.

        Returns:
            Training: ``{"loss_csd": ..., "loss_btm": ..., "loss_consistency": ...}``, weighted.
            Else a dict a picture: ``saliency`` float32 (height, width) in 0 ... 1.
        """
        if self.training:
            return self.losses(*self._training_inputs(batched_inputs))
        return in_groups_of_one_size(batched_inputs, self.inference)

    def inference(self, batched_inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Saliency of pictures of one size."""
        logits = self.maps(self.preprocess(batched_inputs)).logits
        return saliency_outputs(logits, batched_inputs)

    def _training_inputs(
        self, batched_inputs: Sequence[dict[str, Any]]
    ) -> tuple[Tensor, Tensor | None]:
        images = self.preprocess(batched_inputs)
        if not any("modality" in item for item in batched_inputs):
            return images, None
        return images, stacked(batched_inputs, "modality", self.device).float() / 255

    def maps(self, images: Tensor, modality: Tensor | None = None) -> Activation:
        """One pass over normalised pictures (N, 3, H, W); ``modality`` is not looked at."""
        images = self.in_layout(images)
        learns = torch.is_grad_enabled() and not (self.training and self.encoder_is_frozen)
        with torch.set_grad_enabled(learns):
            maps = encoder_maps(self.encoder, images)
        return self.decoder(maps, images.shape[-2:])

    def losses(
        self, images: Tensor, modality: Tensor | None = None, second_size: int | None = None
    ) -> dict[str, Tensor]:
        """The weighted losses of a batch seen at two sizes.

        Args:
            images: (N, 3, H, W) normalised.
            modality: (N, 3 M, H, W) in 0 ... 1, zeros where a picture has none.
            second_size: added to both sides for the second pass; drawn from ``size_steps`` if
                None.
        """
        step = self._draw_step() if second_size is None else second_size
        stack = images if modality is None else torch.cat([images, modality.to(images.dtype)], 1)
        size = (images.shape[-2] + step, images.shape[-1] + step)
        stack2 = F.interpolate(stack, size, mode="bilinear", align_corners=True)
        # Both passes move the running statistics, as published.
        logits, logits2 = self.maps(images).logits, self.maps(stack2[:, :3]).logits
        with torch.autocast(images.device.type, enabled=False):
            p1, p2 = (at_least_float32(x).sigmoid() for x in (logits, logits2))
            distilling, matching, consistency = self.loss_weights
            losses = {
                "loss_csd": distilling * (self._distilling(p1) + self._distilling(p2)),
                "loss_btm": matching * (self._matching(p1, stack) + self._matching(p2, stack2)),
                "loss_consistency": consistency * scale_consistency_loss(p1, p2),
            }
        return losses

    def _distilling(self, saliency: Tensor) -> Tensor:
        return saliency_distilling_loss(saliency, self.epoch, self.epochs)

    def _matching(self, saliency: Tensor, stack: Tensor) -> Tensor:
        if self.loss_weights[1] == 0:
            return saliency.new_zeros(())
        return texture_matching_loss(saliency, stack, radius=self.radius, alpha=self.alpha)

    def _draw_step(self) -> int:
        drawn = int(torch.randint(len(self.size_steps), ()))
        # Each process has its own random state; all take the first one's size.
        return self.size_steps[comm.all_gather(drawn)[0]]
