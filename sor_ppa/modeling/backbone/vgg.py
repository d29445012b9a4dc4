"""VGG-16's convolutions (Simonyan and Zisserman, ICLR 2015) at stride 8, as in MSI-Net."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, Backbone
from torch import nn

from sor_ppa.modeling.registration import register

# Channels and number of the 3 x 3 convolutions of each block.
_BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
# Blocks whose max-pool halves the map; the others' pool keeps its size.
_HALVINGS = 3
_STRIDE = 2**_HALVINGS


class DilatedVGG16(Backbone):
    """VGG-16 whose last two max-pools keep the size; the last block is dilated by 2 instead.

    Hands on pool3, pool4 and pool5, all at 1/8 of the picture (Kroner et al., Neural Networks
    2020, section 3.1). Layers are named ``conv1_1`` ... ``conv5_3``.
    """

    def __init__(self) -> None:
        super().__init__()
        in_channels = 3
        for block, (channels, count) in enumerate(_BLOCKS, start=1):
            dilation = 2 if block == len(_BLOCKS) else 1
            for index in range(1, count + 1):
                conv = nn.Conv2d(in_channels, channels, 3, padding=dilation, dilation=dilation)
                nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
                self.add_module(f"conv{block}_{index}", conv)
                in_channels = channels
        self._out_features = ["pool3", "pool4", "pool5"]
        self._out_feature_channels = {"pool3": 256, "pool4": 512, "pool5": 512}
        self._out_feature_strides = dict.fromkeys(self._out_features, _STRIDE)

    @property
    def size_divisibility(self) -> int:
        """Sides of the input are multiples of this."""
        return _STRIDE

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Feature maps of a batch of pictures without their mean.

        Args:
            x: (N, 3, H, W), sides multiples of 8.

        Returns:
            pool3 (N, 256, H/8, W/8), pool4 and pool5 (N, 512, H/8, W/8).
        """
        outputs = {}
        for block, (_, count) in enumerate(_BLOCKS, start=1):
            for index in range(1, count + 1):
                x = F.relu_(getattr(self, f"conv{block}_{index}")(x))
            x = F.max_pool2d(x, 2) if block <= _HALVINGS else max_pool_same(x)
            if block >= _HALVINGS:
                outputs[f"pool{block}"] = x
        return outputs


def max_pool_same(x: torch.Tensor) -> torch.Tensor:
    """2 x 2 max-pool of stride 1 that keeps the size, as TensorFlow's "SAME" pads.

    One row at the bottom and one column on the right are added, so features move by half a cell
    towards the upper left. (N, C, H, W) -> (N, C, H, W), for maps that are nowhere negative.
    """
    return F.max_pool2d(F.pad(x, (0, 1, 0, 1)), 2, stride=1)


@register(BACKBONE_REGISTRY)
def build_dilated_vgg16_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> DilatedVGG16:
    """VGG-16 at stride 8; nothing of the config is read."""
    return DilatedVGG16()
