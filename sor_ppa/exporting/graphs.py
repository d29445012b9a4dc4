"""What is exported of each kind of network: one pass, with names for its outputs."""

from __future__ import annotations

import json
from typing import Any

from torch import Tensor, nn

from sor_ppa.modeling.fixation import stretched
from sor_ppa.modeling.saliency.unlabelled import encoder_maps

#: Names of the graph's input and outputs. ``saliency`` is the sigmoid of ``d0``, not stretched, or
#: of ``logits``; ``fixation`` is ``logits`` stretched to 0 ... 1.
INPUT_NAME = "image"
OUTPUT_NAMES = ("saliency", "d3", "d2", "d1", "d0", "p2", "p1", "p0")
LOGITS_NAMES = ("saliency", "logits")
FIXATION_NAMES = ("fixation", "logits")
#: What a file says of itself: whose outputs it has.
PYRAMID_FORMAT, LOGITS_FORMAT = "sor_ppa InSPyReNet", "sor_ppa logits"
FIXATION_FORMAT = "sor_ppa fixation"
FORMATS = (PYRAMID_FORMAT, LOGITS_FORMAT, FIXATION_FORMAT)


class ExportGraph(nn.Module):
    """What is exported of a network.

    Args:
        network: in eval mode.

    Attributes:
        format: what the file says of itself.
        names: of the outputs.
        step: sides of pictures are multiples of this.
    """

    format: str
    names: tuple[str, ...]
    step = 32

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network

    def about(self) -> dict[str, str]:
        """What the file says beside that; every value is JSON."""
        return {}


class PyramidGraph(ExportGraph):
    """Of an InSPyReNet: one pass, its maps side by side."""

    format = PYRAMID_FORMAT
    names = OUTPUT_NAMES

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(1, 3, H, W) normalised -> the maps of ``OUTPUT_NAMES``, each (1, 1, h, w)."""
        pyramid = self.network.pyramid(image)
        saliency = pyramid.saliency[-1].sigmoid()
        return (saliency, *pyramid.saliency, *pyramid.laplacian)


class LogitsGraph(ExportGraph):
    """Of a network that looks at a picture once: A2S, CoRNet."""

    format = LOGITS_FORMAT
    names = LOGITS_NAMES

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(1, 3, H, W) normalised -> the maps of ``LOGITS_NAMES``, each (1, 1, H, W)."""
        # Not by its method `maps`, which switches gradients on and off.
        found = self.network.decoder(encoder_maps(self.network.encoder, image), image.shape[-2:])
        logits = getattr(found, "logits", found)
        return logits.sigmoid(), logits


class FixationGraph(ExportGraph):
    """Of an MSI-Net, whatever its encoder."""

    format = FIXATION_FORMAT
    names = FIXATION_NAMES
    step = 8

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(1, 3, H, W) normalised -> the maps of ``FIXATION_NAMES``, each (1, 1, H, W)."""
        logits = self.network.logits(image)
        return stretched(logits), logits

    def about(self) -> dict[str, str]:
        """The network's own mean (weights bring it along), and how maps come off its canvas."""
        network, canvas = self.network, self.network.canvas
        return {
            "pixel_mean": json.dumps(network.pixel_mean.flatten().tolist()),
            "pixel_std": json.dumps(network.pixel_std.flatten().tolist()),
            "normalize_over": json.dumps(network.normalize_over),
            "canvas": json.dumps({"preset": canvas.preset, "pad_value": canvas.pad_value}),
        }
