"""MIDNet: saliency from a picture and a second modality, learnt from pseudo labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY, Backbone, build_backbone
from torch import Tensor, nn

from sor_ppa.errors import ConfigError, DataError
from sor_ppa.modeling.batches import in_groups_of_one_size, stacked
from sor_ppa.modeling.mask_losses import mask_loss
from sor_ppa.modeling.registration import register
from sor_ppa.modeling.saliency.midnet import LEVEL_CHANNELS, DualDecoder, cbr, initialise
from sor_ppa.modeling.saliency.unlabelled import (
    EncoderNetwork,
    encoder_channels,
    encoder_maps,
    network_arguments,
    saliency_outputs,
)

_MODALITY_CHANNELS = 3


class MIDNetMaps(NamedTuple):
    """Logits of the network's four outputs."""

    refine: Tensor  # (N, 1, H/2, W/2), the network's answer
    score_1: Tensor  # (N, 1, H/2, W/2), of the picture's stream alone
    score_2: Tensor  # (N, 1, H/2, W/2), of the modality's stream alone; untrained as published
    score_global: Tensor  # (N, 1, H/32, W/32); untrained as published


@register(META_ARCH_REGISTRY)
class MIDNet(EncoderNetwork):
    """Second stage of A2S-v2 with a second modality (Zhou et al., CVPR 2023, section 4).

    Two encoders, one for the picture and one for depth, thermal image or optical flow, and a
    decoder of two streams that see each other. Parameter names are those of the published
    checkpoints.

    Args:
        encoder: hands on the five maps stem, res2 ... res5.
        t_net: the same for the modality, whose values enter in 0 ... 1.
        pixel_mean: of the picture, per channel, in grey levels 0 ... 255.
        pixel_std: per channel, in grey levels.
        output_weights: weights of the losses of refine, score_1, score_2, score_global, in this
            order; outputs that are left out or weigh nothing are not trained, as published.
        losses: names of :data:`sor_ppa.modeling.mask_losses.MASK_LOSSES`, summed.
        channels_last: run on channels-last tensors.

    Raises:
        ConfigError: the weights are too many, negative or all 0, or an encoder lacks a map.
    """

    @configurable
    def __init__(
        self,
        *,
        encoder: Backbone,
        t_net: Backbone,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        output_weights: Sequence[float] = (1.0, 0.2),
        losses: Sequence[str] = ("iou",),
        channels_last: bool = False,
    ) -> None:
        super().__init__(
            encoder, pixel_mean=pixel_mean, pixel_std=pixel_std, channels_last=channels_last
        )
        self.t_net = t_net
        finest, *widths = encoder_channels(encoder)
        self.trans_rgb = _reductions(widths)
        self.trans_t = _reductions(encoder_channels(t_net)[1:])
        self.decoder = DualDecoder((finest, *LEVEL_CHANNELS))
        for part in (self.decoder, self.trans_rgb, self.trans_t):
            initialise(part)
        self.output_weights = _weights_by_name(output_weights)
        self._leave_untrained(set(MIDNetMaps._fields) - set(self.output_weights))
        self.loss_names = tuple(losses)
        self.use_layout()

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            **network_arguments(cfg),
            "t_net": build_backbone(cfg),
            "output_weights": cfg.MODEL.STAGE2.OUTPUT_WEIGHTS,
            "losses": cfg.MODEL.STAGE2.LOSSES,
        }

    def forward(self, batched_inputs: list[dict[str, Any]]) -> Any:
        """Losses in training, saliency maps else.

        Args:
            batched_inputs: dicts with ``image`` (3, H, W) in grey levels, ``modality`` (3, H, W)
                in grey levels, the picture's own ``height`` and ``width``; in training
                ``saliency`` (1, H, W) in 0 ... 1.

        Returns:
            Training: ``{"loss_refine": ..., "loss_score_1": ...}``, weighted. Else a dict a
            picture: ``saliency`` float32 (height, width) in 0 ... 1.

        Raises:
            DataError: a modality is missing or does not fit its picture; training without masks,
                or on pictures of several sizes.
        """
        if not self.training:
            return in_groups_of_one_size(batched_inputs, self.inference)
        target = stacked(batched_inputs, "saliency", self.device)
        return self.losses(*self._two_inputs(batched_inputs), target)

    def losses(self, images: Tensor, modality: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Weighted losses of inputs as for :meth:`maps` and masks (N, 1, H, W)."""
        logits = self.outputs(images, modality, self.output_weights)
        return {
            f"loss_{name}": weight * mask_loss(logits[name], target, self.loss_names)
            for name, weight in self.output_weights.items()
        }

    def inference(self, batched_inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Saliency of pictures of one size."""
        logits = self.outputs(*self._two_inputs(batched_inputs), ("refine",))["refine"]
        return saliency_outputs(logits, batched_inputs)

    def _two_inputs(self, batched_inputs: Sequence[dict[str, Any]]) -> tuple[Tensor, Tensor]:
        problems = [problem for item in batched_inputs if (problem := _misfit(item))]
        if problems:
            raise DataError(problems, what="second modality")
        modality = stacked(batched_inputs, "modality", self.device).float() / 255
        return self.preprocess(batched_inputs), self.in_layout(modality)

    def maps(self, images: Tensor, modality: Tensor) -> MIDNetMaps:
        """All four outputs.

        Args:
            images: (N, 3, H, W), normalised.
            modality: (N, 3, H, W) in 0 ... 1.
        """
        return MIDNetMaps(**self.outputs(images, modality, MIDNetMaps._fields))

    def outputs(self, images: Tensor, modality: Tensor, names: Iterable[str]) -> dict[str, Tensor]:
        """Logits of the outputs that are named; those that are not cost nothing.

        Args:
            images: (N, 3, H, W), normalised.
            modality: (N, 3, H, W) in 0 ... 1.
            names: fields of :class:`MIDNetMaps`.
        """
        rgb = _reduced(encoder_maps(self.encoder, self.in_layout(images)), self.trans_rgb)
        other = _reduced(encoder_maps(self.t_net, self.in_layout(modality)), self.trans_t)
        features = self.decoder(rgb, other)
        return {name: self.decoder.output(name, features) for name in names}

    def _leave_untrained(self, names: Iterable[str]) -> None:
        # Without gradient: processes that train together wait for every gradient they were told of.
        for name in names:
            self.decoder.get_submodule(name).requires_grad_(False)


def _reductions(channels: Sequence[int]) -> nn.ModuleList:
    return nn.ModuleList(cbr(*widths, 1) for widths in zip(channels, LEVEL_CHANNELS, strict=True))


def _reduced(maps: Sequence[Tensor], reductions: nn.ModuleList) -> list[Tensor]:
    """Five maps of an encoder, all but the finest reduced to the decoder's channels."""
    finest, *others = maps
    return [finest, *(reduce(x) for reduce, x in zip(reductions, others, strict=True))]


def _weights_by_name(weights: Sequence[float]) -> dict[str, float]:
    names = MIDNetMaps._fields
    if len(weights) > len(names) or min(weights, default=0) < 0 or not any(weights):
        raise ConfigError(
            f"MODEL.STAGE2.OUTPUT_WEIGHTS is {tuple(weights)}; give a weight to each of MIDNet's "
            f"outputs {', '.join(names)} in this order (the last may be left out), none below 0, "
            "not all 0."
        )
    return {name: float(weight) for name, weight in zip(names, weights) if weight}


def _misfit(item: dict[str, Any]) -> str | None:
    """What is wrong with an input's modality, if there is one."""
    wanted = (_MODALITY_CHANNELS, *item["image"].shape[-2:])
    if "modality" not in item or tuple(item["modality"].shape) == wanted:
        return None
    return (
        f"{item.get('file_name', 'an input')}: the modality has shape "
        f"{tuple(item['modality'].shape)}, MIDNet needs {wanted}: name exactly one kind in "
        "INPUT.DENSE.MODALITIES, and resize it with its picture"
    )
