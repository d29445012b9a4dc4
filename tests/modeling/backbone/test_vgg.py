from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torchvision
from torch import nn

from sor_ppa.modeling.backbone.vgg import DilatedVGG16, max_pool_same

GOLDENS = np.load(Path(__file__).parents[2] / "goldens" / "msinet.npz")


def test_pool_of_stride_one_as_in_tensorflow() -> None:
    x, y = (
        torch.from_numpy(GOLDENS[f"ops/pool_s1/{k}"]).permute(2, 0, 1)[None] for k in ("x", "y")
    )
    torch.testing.assert_close(max_pool_same(x.relu()), y.relu(), atol=0, rtol=0)


def test_same_as_torchvisions_layers_with_three_changes() -> None:
    class Same(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return max_pool_same(x)

    torch.manual_seed(0)
    layers = torchvision.models.vgg16().features
    layers[23], layers[30] = Same(), Same()
    for index in (24, 26, 28):
        layers[index].dilation = layers[index].padding = (2, 2)
    encoder = DilatedVGG16()
    convs = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    for ours, theirs in zip(encoder.children(), convs, strict=True):
        ours.load_state_dict(theirs.state_dict())
    x = torch.rand(1, 3, 32, 40)
    found = encoder(x)
    for name, end in (("pool3", 17), ("pool4", 24), ("pool5", 31)):
        assert torch.equal(found[name], layers[:end](x))


def test_shapes_are_as_promised() -> None:
    encoder = DilatedVGG16()
    found = encoder(torch.rand(2, 3, 16, 24))
    for name, shape in encoder.output_shape().items():
        assert found[name].shape == (2, shape.channels, 16 // shape.stride, 24 // shape.stride)
