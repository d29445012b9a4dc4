"""MSI-Net as its description reads, layer after layer: slow, obvious, float32."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MEAN = (103.939, 116.779, 123.68)


class PlainMSINet(nn.Module):
    """Names of the parameters are the product's.

    Args:
        weights: name -> tensor of all 46 layers' parts.
    """

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.weights = {name: value for name, value in weights.items() if name != "pixel_mean"}

    def conv(self, x: Tensor, name: str, dilation: int = 1) -> Tensor:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        padding = dilation * (weight.shape[-1] // 2)
        return F.conv2d(x, weight, bias, padding=padding, dilation=dilation)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W), RGB 0 ... 255 -> (N, 1, H, W), each map stretched to 0 ... 1."""
        x = image - torch.tensor(MEAN).view(1, 3, 1, 1)
        x = self.decode(self.aspp(self.encode(x)))
        x = x - x.amin((2, 3), keepdim=True)
        return x / (1e-7 + x.amax((2, 3), keepdim=True))

    def encode(self, x: Tensor) -> Tensor:
        taps = []
        for block, count in enumerate((2, 2, 3, 3, 3), start=1):
            for index in range(1, count + 1):
                name = f"encoder.conv{block}_{index}"
                x = F.relu(self.conv(x, name, dilation=2 if block == 5 else 1))
            x = F.max_pool2d(x, 2) if block <= 3 else F.max_pool2d(F.pad(x, (0, 1, 0, 1)), 2, 1)
            if block >= 3:
                taps.append(x)
        return torch.cat(taps, 1)

    def aspp(self, x: Tensor) -> Tensor:
        branches = [F.relu(self.conv(x, "aspp.conv1_1"))]
        for index, dilation in ((2, 4), (3, 8), (4, 12)):
            branches.append(F.relu(self.conv(x, f"aspp.conv1_{index}", dilation)))
        mean = F.relu(self.conv(x.mean((2, 3), keepdim=True), "aspp.conv1_5"))
        branches.append(mean.expand_as(branches[0]))
        return F.relu(self.conv(torch.cat(branches, 1), "aspp.conv2"))

    def decode(self, x: Tensor) -> Tensor:
        for index in (1, 2, 3):
            x = F.relu(self.conv(twice(twice(x, 2), 3), f"decoder.conv{index}"))
        return self.conv(x, "decoder.conv4")


def twice(x: Tensor, dim: int) -> Tensor:
    """One axis twice as long: between two neighbours their mean, after the last one itself."""
    after = torch.cat([x.narrow(dim, 1, x.shape[dim] - 1), x.narrow(dim, -1, 1)], dim)
    return torch.stack([x, (x + after) / 2], dim + 1).flatten(dim, dim + 1)
