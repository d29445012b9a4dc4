"""InSPyReNet written out slowly and obviously, with the published parameter names.

Reference: Kim et al., "Revisiting Image Pyramid Structure for High Resolution Salient Object
Detection", ACCV 2022 (arXiv 2209.09475). Each line is one line of the network's description: no
folded norms, no fused attention, morphology by writing out every neighbourhood, Laplacians always
resized. The product must give these numbers, and its speed is told as a share of this one's.

Self-contained: torch, numpy and Pillow only (with plain_backbones.py and plain_pyramid.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from tests.modeling.plain_backbones import PlainRes2Net50, PlainSwin
from tests.modeling.plain_pyramid import bilinear, reconstruct, transition


class PlainConv(nn.Module):
    """Convolution without bias, then BatchNorm, then (``relu``) ReLU."""

    def __init__(
        self,
        channels_in: int,
        channels: int,
        kernel: tuple[int, int],
        *,
        dilation: int = 1,
        relu: bool = False,
        norm: bool = True,
    ) -> None:
        super().__init__()
        padding = (dilation * (kernel[0] - 1) // 2, dilation * (kernel[1] - 1) // 2)
        self.conv = nn.Conv2d(
            channels_in, channels, kernel, padding=padding, dilation=dilation, bias=False
        )
        if norm:
            self.bn = nn.BatchNorm2d(channels)
        self.norm, self.relu = norm, relu

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        x = self.bn(x) if self.norm else x
        return torch.relu(x) if self.relu else x


class PlainAxisAttention(nn.Module):
    """Self-attention over a flat re-reading of the map in rows of ``axis`` (2 = H, 3 = W) cells.

    Along the width that is what the name says; for the height it is not, and the published
    weights want it so.
    """

    def __init__(self, channels: int, axis: int) -> None:
        super().__init__()
        self.axis = axis
        self.query_conv = PlainConv(channels, channels // 8, (1, 1))
        self.key_conv = PlainConv(channels, channels // 8, (1, 1))
        self.value_conv = PlainConv(channels, channels, (1, 1))
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, length = x.shape[0], x.shape[self.axis]
        q = self.query_conv(x).reshape(n, -1, length).permute(0, 2, 1)
        k = self.key_conv(x).reshape(n, -1, length)
        v = self.value_conv(x).reshape(n, -1, length)
        attention = torch.softmax(torch.bmm(q, k), -1)  # (N, length, length)
        out = torch.bmm(v, attention.permute(0, 2, 1)).reshape(x.shape)
        return self.gamma * out + x


class PlainContextBranch(nn.Module):
    def __init__(self, channels_in: int, channels: int, kernel: int) -> None:
        super().__init__()
        self.conv0 = PlainConv(channels_in, channels, (1, 1))
        self.conv1 = PlainConv(channels, channels, (1, kernel))
        self.conv2 = PlainConv(channels, channels, (kernel, 1))
        self.conv3 = PlainConv(channels, channels, (3, 3), dilation=kernel)
        self.Hattn = PlainAxisAttention(channels, 2)
        self.Wattn = PlainAxisAttention(channels, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv2(self.conv1(self.conv0(x)))
        return self.conv3(self.Hattn(x) + self.Wattn(x))


class PlainContext(nn.Module):
    def __init__(self, channels_in: int, channels: int, kernels: tuple[int, ...]) -> None:
        super().__init__()
        self.kernels = kernels
        self.branch0 = PlainConv(channels_in, channels, (1, 1))
        for i, kernel in enumerate(kernels, start=1):
            self.add_module(f"branch{i}", PlainContextBranch(channels_in, channels, kernel))
        self.conv_cat = PlainConv((1 + len(kernels)) * channels, channels, (3, 3))
        self.conv_res = PlainConv(channels_in, channels, (1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        branches = [getattr(self, f"branch{i}")(x) for i in range(1 + len(self.kernels))]
        return torch.relu(self.conv_cat(torch.cat(branches, 1)) + self.conv_res(x))


class PlainDecoder(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = PlainConv(3 * channels, channels, (3, 3))
        self.Hattn = PlainAxisAttention(channels, 2)
        self.Wattn = PlainAxisAttention(channels, 3)
        self.conv2 = PlainConv(channels, channels, (3, 3))
        self.conv3 = PlainConv(channels, channels, (3, 3))
        self.conv4 = PlainConv(channels, channels, (3, 3))
        self.conv5 = PlainConv(channels, 1, (3, 3), norm=False)

    def forward(
        self, c3: torch.Tensor, c4: torch.Tensor, c5: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        c4 = bilinear(c4, c3.shape[2:], corners=True)
        c5 = bilinear(c5, c3.shape[2:], corners=True)
        x = self.conv1(torch.cat([c5, c4, c3], 1))
        feature = self.conv4(self.conv3(self.conv2(self.Hattn(x) + self.Wattn(x))))
        return feature, self.conv5(feature)


class PlainContextAttention(nn.Module):
    """Every pixel attends to a few contexts: sums of the map over fore-, background and doubt."""

    def __init__(
        self, channels_in: int, channels: int, grid: tuple[int, int], *, laplacian: bool
    ) -> None:
        super().__init__()
        self.channels, self.grid = channels, grid
        self.threshold = nn.Parameter(torch.full((1,), 0.5))
        if laplacian:
            self.lthreshold = nn.Parameter(torch.full((1,), 0.5))

        def two(kernel: tuple[int, int]) -> nn.Sequential:
            first = PlainConv(channels_in, channels, kernel, relu=True)
            return nn.Sequential(first, PlainConv(channels, channels, kernel, relu=True))

        self.conv_query = two((3, 3))
        self.conv_key = two((1, 1))
        self.conv_value = two((1, 1))
        self.conv_out1 = PlainConv(channels, channels, (3, 3), relu=True)
        self.conv_out2 = PlainConv(channels_in + channels, channels, (3, 3), relu=True)
        self.conv_out3 = PlainConv(channels, channels, (3, 3), relu=True)
        self.conv_out4 = PlainConv(channels, 1, (1, 1))

    def forward(
        self, x: torch.Tensor, saliency: torch.Tensor, laplacian: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        n, channels_in, h, w = x.shape
        maps = self._context_maps(saliency, laplacian, (h, w))
        on_grid = bilinear(x, self.grid).reshape(n, -1, channels_in)  # not a transpose
        maps = bilinear(maps, self.grid).reshape(n, maps.shape[1], -1)
        context = torch.bmm(maps, on_grid)  # (N, contexts, channels_in)
        context = context.permute(0, 2, 1).unsqueeze(3)
        query = self.conv_query(x).reshape(n, self.channels, -1).permute(0, 2, 1)
        key = self.conv_key(context).reshape(n, self.channels, -1)
        value = self.conv_value(context).reshape(n, self.channels, -1).permute(0, 2, 1)
        similarity = torch.softmax(torch.bmm(query, key) * self.channels**-0.5, -1)
        attended = torch.bmm(similarity, value).permute(0, 2, 1).reshape(n, self.channels, h, w)
        out = self.conv_out2(torch.cat([x, self.conv_out1(attended)], 1))
        feature = self.conv_out3(out)
        return feature, self.conv_out4(feature)

    def _context_maps(
        self, saliency: torch.Tensor, laplacian: torch.Tensor | None, size: tuple[int, int]
    ) -> torch.Tensor:
        p = torch.sigmoid(bilinear(saliency, size)) - self.threshold
        maps = [p.clip(0, 1), (-p).clip(0, 1), self.threshold - p.abs()]
        if laplacian is not None:
            p = torch.sigmoid(bilinear(laplacian, size)) - self.lthreshold
            maps += [p.clip(0, 1), (-p).clip(0, 1)]
        return torch.cat(maps, 1)


class PlainInSPyReNet(nn.Module):
    """One pass (:meth:`forward`), or the blend of a small and a large one (:meth:`blend`).

    Args:
        backbone: gives five maps, ``backbone.channels`` wide.
        base_size: what the grids of the context attention are made for.
        depths: channels of attention0, attention1, attention2 and of the decoder.
        kernels: kernel sizes of the branches of each context module.
    """

    def __init__(
        self,
        backbone: nn.Module,
        base_size: tuple[int, int] = (384, 384),
        depths: tuple[int, int, int, int] = (64, 64, 64, 64),
        kernels: tuple[tuple[int, ...], ...] = ((3, 5, 7),) * 5,
    ) -> None:
        super().__init__()
        self.backbone: Any = backbone
        d0, d1, d2, d3 = depths
        widths = (d1, d2, d3, d3, d3)
        for i, (channels, width) in enumerate(zip(backbone.channels, widths, strict=True)):
            self.add_module(f"context{i + 1}", PlainContext(channels, width, kernels[i]))
        self.decoder = PlainDecoder(d3)
        grids = [(base_size[0] // 2**i, base_size[1] // 2**i) for i in range(3)]
        self.attention0 = PlainContextAttention(d1, d0, grids[0], laplacian=True)
        self.attention1 = PlainContextAttention(d1 + d2, d1, grids[1], laplacian=True)
        self.attention2 = PlainContextAttention(d2 + d3, d2, grids[2], laplacian=False)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Every intermediate map by name; image: float32 (1, 3, H, W), normalised."""
        h, w = image.shape[2:]
        m = {f"x{i}": x for i, x in enumerate(self.backbone(image), start=1)}
        for i in range(1, 6):
            m[f"c{i}"] = getattr(self, f"context{i}")(m[f"x{i}"])
        m["f3"], m["d3"] = self.decoder(m["c3"], m["c4"], m["c5"])

        x = torch.cat([m["c2"], bilinear(m["f3"], (h // 4, w // 4))], 1)
        m["f2"], m["p2"] = self.attention2(x, m["d3"].detach(), None)
        m["d2"] = reconstruct(m["d3"].detach(), m["p2"])

        half = (h // 2, w // 2)
        x = torch.cat([bilinear(m["c1"], half), bilinear(m["f2"], half)], 1)
        m["f1"], m["p1"] = self.attention1(x, m["d2"].detach(), m["p2"].detach())
        m["d1"] = reconstruct(m["d2"].detach(), m["p1"])

        x = bilinear(m["f1"], (h, w))
        m["f0"], m["p0"] = self.attention0(x, m["d1"].detach(), m["p1"].detach())
        m["d0"] = reconstruct(m["d1"].detach(), m["p0"])
        m["pred"] = stretch(torch.sigmoid(m["d0"]))
        return m

    def blend(self, small: torch.Tensor, large: torch.Tensor) -> dict[str, torch.Tensor]:
        """Pyramid blending: the small pass says where, the large pass adds detail there."""
        low, high = self(small), self(large)
        m = {f"lr.{k}": v for k, v in low.items()} | {f"hr.{k}": v for k, v in high.items()}
        m["d3"] = bilinear(low["d0"], high["d3"].shape[2:])
        for i, size in ((2, 5), (1, 9), (0, 17)):
            mask = bilinear(transition(m[f"d{i + 1}"], size), high[f"p{i}"].shape[2:])
            m[f"t{i}"] = mask
            m[f"p{i}"] = mask * high[f"p{i}"]
            m[f"d{i}"] = reconstruct(m[f"d{i + 1}"], m[f"p{i}"])
        m["pred"] = stretch(torch.sigmoid(m["d0"]))
        return m


def stretch(p: torch.Tensor) -> torch.Tensor:
    return (p - p.min()) / (p.max() - p.min() + 1e-8)


def plain_res2net50(**options: Any) -> PlainInSPyReNet:
    return PlainInSPyReNet(PlainRes2Net50(), **options).eval()


def plain_swinb(**options: Any) -> PlainInSPyReNet:
    return PlainInSPyReNet(PlainSwin(), **options).eval()


def normalise(rgb: np.ndarray) -> torch.Tensor:
    """uint8 (H, W, 3) -> float32 (1, 3, H, W); each step in double, rounded to float32."""
    x = rgb.astype(np.float32)
    x = (x / np.float64(255)).astype(np.float32)
    x = (x - np.array([0.485, 0.456, 0.406])).astype(np.float32)
    x = (x / np.array([0.229, 0.224, 0.225])).astype(np.float32)
    return torch.from_numpy(x.transpose(2, 0, 1).copy())[None]


def resize(rgb: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Bilinear with antialiasing, as Pillow does it."""
    return np.asarray(Image.fromarray(rgb).resize(size_hw[::-1], Image.Resampling.BILINEAR))
