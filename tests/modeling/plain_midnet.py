"""MIDNet, saliency from a picture and a second modality, written out slowly and obviously.

References: Zhou et al., CVPR 2023 (arXiv 2207.05921), after Tu et al., "Multi-interactive
Dual-decoder for RGB-thermal Salient Object Detection", TIP 2021 (arXiv 2005.02315). Each line is
one line of the network's description, with the published parameter names: maps are enlarged before
they are convolved, and all four outputs are computed, also those that nothing is learnt from. The
product must give these numbers, and its speed is told as a share of this one's.

Self-contained: torch and torchvision only (with plain_a2s.py).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from tests.modeling.plain_a2s import PlainResNet50, resize

WIDTHS = (128, 256, 512, 512)
OUTPUTS = ("refine", "score_1", "score_2", "score_global")
WEIGHTS = {"refine": 1.0, "score_1": 0.2}


def cbr(channels_in: int, channels: int, kernel: int) -> nn.Sequential:
    conv = nn.Conv2d(channels_in, channels, kernel, padding=kernel // 2)
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU())


class PlainAttention(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.fus = nn.Sequential(nn.Conv2d(c, c // 2, 1), nn.ReLU(), nn.Conv2d(c // 2, c, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean, largest = F.adaptive_avg_pool2d(x, 1), F.adaptive_max_pool2d(x, 1)
        return x * torch.sigmoid(self.fus(mean) + self.fus(largest))


class PlainGlobal(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ca = PlainAttention(1024)
        self.de_chan = cbr(1024, 256, 3)
        for i, size in enumerate((13, 9, 5, 1)):
            conv = nn.Conv2d(256, 128, 1, bias=False)
            self.add_module(f"b{i}", nn.Sequential(nn.AdaptiveMaxPool2d(size), conv, nn.ReLU()))
        self.fus = cbr(768, 512, 1)

    def forward(self, r4: torch.Tensor, t4: torch.Tensor) -> torch.Tensor:
        z = self.de_chan(self.ca(torch.cat([r4, t4], 1)))
        branches = [resize(getattr(self, f"b{i}")(z), z.shape[2:]) for i in range(4)]
        return self.fus(torch.cat([*branches, z], 1))


class PlainFusion(nn.Module):
    def __init__(self, in1: int, in2: int) -> None:
        super().__init__()
        self.ca1 = PlainAttention(2 * in1)
        self.conv1 = cbr(2 * in1, 128, 3)
        self.conv_globalinfo = cbr(512, 128, 3)
        self.ca2 = PlainAttention(in2)
        self.conv_curfeat = cbr(in2, 128, 3)
        self.conv_out = cbr(128, in2, 3)

    def forward(
        self, p1: torch.Tensor, p2: torch.Tensor, cur: torch.Tensor, g: torch.Tensor
    ) -> torch.Tensor:
        p = self.conv1(resize(self.ca1(torch.cat([p1, p2], 1)), cur.shape[2:]))
        q = self.conv_globalinfo(resize(g, cur.shape[2:]))
        c = self.conv_curfeat(self.ca2(cur))
        return self.conv_out(p + c + q)


class PlainRefinement(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.ca = PlainAttention(2 * channels)
        self.score = nn.Conv2d(2 * channels, 1, 1)

    def forward(self, d7: torch.Tensor, d8: torch.Tensor) -> torch.Tensor:
        return self.score(self.ca(torch.cat([d7, d8], 1)))


class PlainMIDNetDecoder(nn.Module):
    def __init__(self, finest: int) -> None:
        super().__init__()
        self.global_info = PlainGlobal()
        widths = {4: (512, 512), 3: (512, 256), 2: (256, 128), 1: (128, finest)}
        for level, (in1, in2) in widths.items():
            self.add_module(f"gfb{level}_1", PlainFusion(in1, in2))
            self.add_module(f"gfb{level}_2", PlainFusion(in1, in2))
        self.score_global = nn.Conv2d(512, 1, 1)
        self.score_1 = nn.Conv2d(finest, 1, 1)
        self.score_2 = nn.Conv2d(finest, 1, 1)
        self.refine = PlainRefinement(finest)

    def forward(self, r: list[torch.Tensor], t: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        g = self.global_info(r[4], t[4])
        d1 = self.gfb4_1(g, t[4], r[3], g)
        d2 = self.gfb4_2(g, r[4], t[3], g)
        d3 = self.gfb3_1(d1, d2, r[2], g)
        d4 = self.gfb3_2(d2, d1, t[2], g)
        d5 = self.gfb2_1(d3, d4, r[1], g)
        d6 = self.gfb2_2(d4, d3, t[1], g)
        d7 = self.gfb1_1(d5, d6, r[0], g)
        d8 = self.gfb1_2(d6, d5, t[0], g)
        return {
            "refine": self.refine(d7, d8),
            "score_1": self.score_1(d7),
            "score_2": self.score_2(d8),
            "score_global": self.score_global(g),
        }


class PlainMIDNet(nn.Module):
    """Pictures and modalities (N, 3, H, W) -> logits of the four outputs; one step's losses.

    Args:
        encoder: gives five maps, ``encoder.channels`` wide; torchvision's ResNet-50 if None.
        t_net: the same for the modality.
    """

    def __init__(self, encoder: nn.Module | None = None, t_net: nn.Module | None = None) -> None:
        super().__init__()
        self.encoder = encoder or PlainResNet50()
        self.t_net = t_net or PlainResNet50()
        channels = self.encoder.channels
        self.trans_rgb = nn.ModuleList(cbr(channels[i + 1], WIDTHS[i], 1) for i in range(4))
        self.trans_t = nn.ModuleList(cbr(channels[i + 1], WIDTHS[i], 1) for i in range(4))
        self.decoder = PlainMIDNetDecoder(channels[0])

    def forward(self, rgb: torch.Tensor, modality: torch.Tensor) -> dict[str, torch.Tensor]:
        r, t = self.encoder(rgb), self.t_net(modality)
        r = [r[0], *(self.trans_rgb[i](r[i + 1]) for i in range(4))]
        t = [t[0], *(self.trans_t[i](t[i + 1]) for i in range(4))]
        return self.decoder(r, t)

    def step(
        self, rgb: torch.Tensor, modality: torch.Tensor, target: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Weighted losses against masks (N, 1, H, W)."""
        outputs = self(rgb, modality)
        return {f"loss_{name}": w * iou_loss(outputs[name], target) for name, w in WEIGHTS.items()}


def iou_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    p = torch.sigmoid(resize(logits, target.shape[2:], corners=False))
    overlap = (p * target).sum((1, 2, 3))
    union = (p + target - p * target).sum((1, 2, 3))
    return (1 - overlap / (union + 1e-7)).mean()
