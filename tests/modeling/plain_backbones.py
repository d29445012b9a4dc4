"""Res2Net-50 and Swin-B written out slowly and obviously, with the published parameter names.

References: Gao et al., "Res2Net", TPAMI 2021 (arXiv 1904.01169), the v1b stem and 26w x 4s, here
dilated at stride 32; Liu et al., "Swin Transformer", ICCV 2021 (arXiv 2103.14030), the layout of
the detection backbone. Nothing is cached, fused or kept from one call to the next: this is what
the product is compared with, in numbers and in speed.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class PlainBottle2neck(nn.Module):
    """A Res2Net block: four groups of channels, three of them through 3 x 3 convolutions."""

    def __init__(
        self, channels_in: int, planes: int, *, stride: int, dilation: int, first: bool
    ) -> None:
        super().__init__()
        width = planes * 26 // 64
        self.first = first
        self.conv1 = nn.Conv2d(channels_in, 4 * width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(4 * width)
        self.convs = nn.ModuleList(
            nn.Conv2d(width, width, 3, stride, dilation, dilation, bias=False) for _ in range(3)
        )
        self.bns = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(3))
        self.conv3 = nn.Conv2d(4 * width, 4 * planes, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * planes)
        if first:
            self.pool = nn.AvgPool2d(3, stride, 1)  # padding counts in the mean
            self.downsample = nn.Sequential(
                nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False),
                nn.Conv2d(channels_in, 4 * planes, 1, bias=False),
                nn.BatchNorm2d(4 * planes),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        groups = torch.chunk(torch.relu(self.bn1(self.conv1(x))), 4, dim=1)
        done: list[torch.Tensor] = []
        for i in range(3):
            group = groups[i] if self.first or i == 0 else groups[i] + done[-1]
            done.append(torch.relu(self.bns[i](self.convs[i](group))))
        done.append(self.pool(groups[3]) if self.first else groups[3])
        out = self.bn3(self.conv3(torch.cat(done, 1)))
        return torch.relu(out + (self.downsample(x) if self.first else x))


class PlainRes2Net50(nn.Module):
    """Maps x1 ... x5 of 64, 256, 512, 1024, 2048 channels at strides 4, 4, 8, 16, 32."""

    channels = (64, 256, 512, 1024, 2048)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, 1, 1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, 1, 1, bias=False),
        )
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = self._layer(64, 64, stride=1, dilations=(1, 1, 1))
        self.layer2 = self._layer(256, 128, stride=2, dilations=(1, 1, 1, 1))
        self.layer3 = self._layer(512, 256, stride=2, dilations=(2, 2, 2, 2, 2, 2))
        self.layer4 = self._layer(1024, 512, stride=2, dilations=(4, 8, 16))

    def _layer(
        self, channels_in: int, planes: int, *, stride: int, dilations: tuple[int, ...]
    ) -> nn.Sequential:
        blocks = []
        for i, dilation in enumerate(dilations):
            first = i == 0
            block = PlainBottle2neck(
                channels_in if first else 4 * planes,
                planes,
                stride=stride if first else 1,
                dilation=dilation,
                first=first,
            )
            blocks.append(block)
        return nn.Sequential(*blocks)

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        x = F.max_pool2d(torch.relu(self.bn1(self.conv1(image))), 3, 2, 1)
        maps = [x]
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            maps.append(x)
        return maps


class PlainWindowAttention(nn.Module):
    """Self-attention inside windows of 12 x 12 tokens, with a bias by relative position."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.scale = (width // heads) ** -0.5
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        rows, cols = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
        rows, cols = rows.flatten(), cols.flatten()
        down = rows[:, None] - rows[None, :] + window - 1  # query minus key
        right = cols[:, None] - cols[None, :] + window - 1
        self.register_buffer("relative_position_index", down * (2 * window - 1) + right)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """x: (windows, tokens, width); mask: (windows of one image, tokens, tokens)."""
        count, tokens, width = x.shape
        qkv = self.qkv(x).reshape(count, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (windows, heads, tokens, 32)
        scores = (q * self.scale) @ k.transpose(-2, -1)
        bias = self.relative_position_bias_table[self.relative_position_index.view(-1)]
        bias = bias.view(tokens, tokens, self.heads).permute(2, 0, 1).contiguous()
        scores = scores + bias.unsqueeze(0)
        if mask is not None:
            each = len(mask)
            scores = scores.view(count // each, each, self.heads, tokens, tokens)
            scores = scores + mask.unsqueeze(1).unsqueeze(0)
            scores = scores.view(count, self.heads, tokens, tokens)
        out = torch.softmax(scores, -1) @ v
        return self.proj(out.transpose(1, 2).reshape(count, tokens, width))


class PlainSwinBlock(nn.Module):
    def __init__(self, width: int, heads: int, window: int, *, shift: int) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1 = nn.LayerNorm(width)
        self.attn = PlainWindowAttention(width, heads, window)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Module()
        self.mlp.fc1 = nn.Linear(width, 4 * width)
        self.mlp.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (N, H, W, width)."""
        x = x + self._attend(self.norm1(x))
        return x + self.mlp.fc2(F.gelu(self.mlp.fc1(self.norm2(x))))

    def _attend(self, x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[1:3]
        window, shift = self.window, self.shift
        x = F.pad(x, (0, 0, 0, -width % window, 0, -height % window))
        padded_height, padded_width = x.shape[1:3]
        mask = None
        if shift:
            x = torch.roll(x, (-shift, -shift), (1, 2))
            mask = shift_mask(padded_height, padded_width, window, shift, x.device)
        windows = to_windows(x, window).flatten(1, 2)
        windows = self.attn(windows, mask).unflatten(1, (window, window))
        x = from_windows(windows, padded_height, padded_width)
        if shift:
            x = torch.roll(x, (shift, shift), (1, 2))
        return x[:, :height, :width].contiguous()


def to_windows(x: torch.Tensor, window: int) -> torch.Tensor:
    """(N, H, W, C) -> (N x windows row by row, window, window, C)."""
    n, h, w, c = x.shape
    x = x.view(n, h // window, window, w // window, window, c)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, window, window, c)


def from_windows(windows: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The way back."""
    window, channels = windows.shape[2:]
    x = windows.view(-1, height // window, width // window, window, window, channels)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, height, width, channels)


def shift_mask(
    height: int, width: int, window: int, shift: int, device: torch.device
) -> torch.Tensor:
    """-100 between tokens that were not neighbours before the roll: (windows, tokens, tokens)."""
    regions = torch.zeros(1, height, width, 1, device=device)
    cuts = (slice(0, -window), slice(-window, -shift), slice(-shift, None))
    for i, rows in enumerate(cuts):
        for j, cols in enumerate(cuts):
            regions[:, rows, cols] = 3 * i + j
    tokens = to_windows(regions, window).reshape(-1, window * window)
    return (tokens[:, None, :] != tokens[:, :, None]) * -100.0


class PlainMerging(nn.Module):
    """2 x 2 neighbours become the channels of one token."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        phases = [x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]]
        return self.reduction(self.norm(torch.cat(phases, -1)))


class PlainSwin(nn.Module):
    """Maps x1 ... x5; of the default (Swin-B): 128, 128, 256, 512, 1024 channels."""

    def __init__(
        self,
        width: int = 128,
        depths: tuple[int, ...] = (2, 2, 18, 2),
        heads: tuple[int, ...] = (4, 8, 16, 32),
        window: int = 12,
    ) -> None:
        super().__init__()
        self.channels = (width, *(width * 2**i for i in range(4)))
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(3, width, 4, 4)
        self.patch_embed.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList()
        for i in range(4):
            layer = nn.Module()
            layer.blocks = nn.ModuleList(
                PlainSwinBlock(width * 2**i, heads[i], window, shift=window // 2 * (j % 2))
                for j in range(depths[i])
            )
            if i < 3:
                layer.downsample = PlainMerging(width * 2**i)
            self.layers.append(layer)
            self.add_module(f"norm{i}", nn.LayerNorm(width * 2**i))

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        height, width = image.shape[2:]
        image = F.pad(image, (0, -width % 4, 0, -height % 4))
        x = self.patch_embed.norm(self.patch_embed.proj(image).permute(0, 2, 3, 1))
        maps = [x]
        for i, layer in enumerate(self.layers):
            for block in layer.blocks:
                x = block(x)
            maps.append(getattr(self, f"norm{i}")(x))
            if i < 3:
                x = layer.downsample(x)
        return [m.permute(0, 3, 1, 2).contiguous() for m in maps]  # NHWC -> NCHW
