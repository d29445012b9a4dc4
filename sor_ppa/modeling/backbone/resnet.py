"""ResNet-50 as torchvision builds it, handing on the five maps that A2S's decoders read."""

from __future__ import annotations

import torch
from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, Backbone
from torchvision.models.resnet import Bottleneck, ResNet

from sor_ppa.modeling.backbone.layers import freeze
from sor_ppa.modeling.registration import register

_NAMES = ("stem", "res2", "res3", "res4", "res5")
_CHANNELS = (64, 256, 512, 1024, 2048)
_PARTS = (("conv1", "bn1"), ("layer1",), ("layer2",), ("layer3",), ("layer4",))


class ResNet50Maps(ResNet, Backbone):
    """ResNet-50 v1.5 (He et al., CVPR 2016; stride on the 3 x 3 convolution), without classifier.

    Names are torchvision's. detectron2's own ResNet does not serve: its stem ends after the
    max-pool, and the first map is taken before it.

    Args:
        freeze_at: 0 leaves everything trainable, 1 fixes conv1, 2 also layer1, ... 5 everything;
            batch norms in fixed parts become FrozenBN.
    """

    def __init__(self, *, freeze_at: int = 0) -> None:
        super().__init__(Bottleneck, [3, 4, 6, 3])
        del self.fc, self.avgpool
        self._out_features = list(_NAMES)
        self._out_feature_channels = dict(zip(_NAMES, _CHANNELS, strict=True))
        self._out_feature_strides = {name: 2**i for i, name in enumerate(_NAMES, start=1)}
        self.freeze(freeze_at)

    def freeze(self, freeze_at: int = 0) -> ResNet50Maps:
        """Fixes the first ``freeze_at`` parts; see the class."""
        for names in _PARTS[: max(freeze_at, 0)]:
            for name in names:
                setattr(self, name, freeze(getattr(self, name)))
        return self

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Feature maps of a normalised picture batch.

        Args:
            x: (N, 3, H, W) float, any size.

        Returns:
            stem (N, 64, H/2, W/2), before the max-pool; res2 (256, /4), res3 (512, /8), res4
            (1024, /16), res5 (2048, /32), sizes rounded up at every halving.
        """
        stem = self.relu(self.bn1(self.conv1(x)))
        outputs = {"stem": stem}
        x = self.maxpool(stem)
        for index, name in enumerate(_NAMES[1:], start=1):
            x = getattr(self, f"layer{index}")(x)
            outputs[name] = x
        return outputs


@register(BACKBONE_REGISTRY)
def build_resnet50_maps_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> ResNet50Maps:
    """Torchvision's ResNet-50; only ``BACKBONE.FREEZE_AT`` is read."""
    return ResNet50Maps(freeze_at=cfg.MODEL.BACKBONE.FREEZE_AT)
