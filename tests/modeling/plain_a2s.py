"""A2S, the first stage of saliency without labels, written out slowly and obviously.

Reference: Zhou et al., "Texture-guided Saliency Distilling for Unsupervised Salient Object
Detection", CVPR 2023 (arXiv 2207.05921). Each line is one line of the network's description, with
the published parameter names. A step sends gradients through the encoder although nobody reads
them, enlarges maps before it convolves them, and unfolds all 121 neighbours of every pixel. The
product must give these numbers, and its speed is told as a share of this one's.

Self-contained: torch and torchvision only.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.resnet import Bottleneck, ResNet

RADIUS, ALPHA = 5, 200
WEIGHTS = {"csd": 1.0, "btm": 0.05, "consistency": 1.0}


def resize(x: torch.Tensor, size: tuple[int, ...], *, corners: bool = True) -> torch.Tensor:
    return F.interpolate(x, tuple(size), mode="bilinear", align_corners=corners)


class PlainResNet50(ResNet):
    """Maps x0 ... x4 at strides 2 ... 32, x0 before the max-pool."""

    channels = (64, 256, 512, 1024, 2048)

    def __init__(self) -> None:
        super().__init__(Bottleneck, [3, 4, 6, 3])
        del self.fc

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        x0 = torch.relu(self.bn1(self.conv1(x)))
        x1 = self.layer1(self.maxpool(x0))
        x2 = self.layer2(x1)
        x3 = self.layer3(x2)
        return [x0, x1, x2, x3, self.layer4(x3)]


class PlainGate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(64, 64, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.conv(F.adaptive_avg_pool2d(x, 1))) * x


class PlainBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        conv = nn.Conv2d(channels, 64, 3, padding=1)
        self.ad0 = nn.Sequential(conv, nn.GroupNorm(1, 64), nn.ReLU())
        self.se = PlainGate()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.se(self.ad0(x))


class PlainA2SDecoder(nn.Module):
    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.ad2 = PlainBlock(channels[2])
        self.ad3 = PlainBlock(channels[3])
        self.ad4 = PlainBlock(channels[4])
        self.fusion = PlainBlock(192)

    def forward(self, maps: list[torch.Tensor], size: tuple[int, ...]) -> torch.Tensor:
        x0, _, x2, x3, x4 = maps
        small = [self.ad2(x2), self.ad3(x3), self.ad4(x4)]
        large = [resize(a, x0.shape[2:]) for a in small]
        feat = self.fusion(torch.cat(large, 1))
        feat = feat - feat.mean((2, 3), keepdim=True)
        raw = feat.sum(1, keepdim=True)  # (N, 1, h, w)
        return resize(raw * sign(raw), size)


def sign(raw: torch.Tensor) -> torch.Tensor:
    """(N, 1, h, w) -> (N, 1, 1, 1): -1 for a map of which at least two corners are above 0."""
    signs = []
    for picture in raw.detach():
        top, bottom = picture[0, 0], picture[0, -1]
        corners = [top[0], top[-1], bottom[0], bottom[-1]]
        signs.append(1.0 if sum(bool(c > 0) for c in corners) < 2 else -1.0)
    return torch.tensor(signs).to(raw)[:, None, None, None]


class PlainA2S(nn.Module):
    """Normalised pictures (N, 3, H, W) -> logits (N, 1, H, W); one training step's losses.

    Args:
        encoder: gives five maps, ``encoder.channels`` wide; torchvision's ResNet-50 if None.
    """

    def __init__(self, encoder: nn.Module | None = None) -> None:
        super().__init__()
        self.encoder = encoder or PlainResNet50()
        self.decoder = PlainA2SDecoder(self.encoder.channels)

    def forward(self, rgb: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.encoder(rgb), rgb.shape[2:])

    def step(
        self, stack: torch.Tensor, step: int, epoch: int = 1, epochs: int = 20
    ) -> dict[str, torch.Tensor]:
        """Weighted losses of a picture with its modalities (N, 3 M, H, W), ``step`` larger too."""
        larger = resize(stack, (stack.shape[2] + step, stack.shape[3] + step))
        p1 = torch.sigmoid(self(stack[:, :3]))
        p2 = torch.sigmoid(self(larger[:, :3]))
        losses = {
            "csd": csd(p1, epoch, epochs) + csd(p2, epoch, epochs),
            "btm": btm(p1, stack) + btm(p2, larger),
            "consistency": ((p1 - resize(p2, p1.shape[2:])) ** 2).mean(),
        }
        return {f"loss_{name}": WEIGHTS[name] * loss for name, loss in losses.items()}


def csd(p: torch.Tensor, epoch: int, epochs: int) -> torch.Tensor:
    mu = 2 ** (1 - (epoch - 1) / epochs)
    return 0.5**mu - ((p - 0.5).abs() ** mu).mean()


def btm(p: torch.Tensor, stack: torch.Tensor) -> torch.Tensor:
    """Every pixel's 121 neighbours in every channel, then only those near outlines are kept."""
    q = F.interpolate(p, scale_factor=0.25, mode="bilinear", align_corners=True)
    texture = resize(stack, q.shape[2:])
    above = (q > 0.5).to(q)
    mask = maxpool5(above) - (1 - maxpool5(1 - above))  # (N, 1, h, w)
    n, channels, h, w = texture.shape
    squares = (differences(texture) ** 2).reshape(n, channels // 3, 3, -1, h * w).sum(2)
    weight = torch.exp(-ALPHA * squares).prod(1)  # (N, 121, h w)
    value = (weight * differences(q)[:, 0].abs()).sum(1)  # (N, h w)
    return (mask.reshape(n, h * w) * value).sum() / mask.sum()


def maxpool5(x: torch.Tensor) -> torch.Tensor:
    return F.max_pool2d(x, 5, stride=1, padding=2)


def differences(x: torch.Tensor) -> torch.Tensor:
    """(N, C, h, w) -> (N, C, 121, h w): neighbour minus pixel, 0 for neighbours outside."""
    n, c, h, w = x.shape
    neighbours = F.unfold(x, 2 * RADIUS + 1, padding=RADIUS).reshape(n, c, -1, h * w)
    return neighbours - x.reshape(n, c, 1, h * w)
