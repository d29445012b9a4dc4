"""oneDNN's layers give the numbers of PyTorch's, and step aside where they do not fit."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from sor_ppa.modeling import onednn
from sor_ppa.modeling.onednn import OneDNNConv2d, OneDNNLinear, use_onednn

CONVS: list[dict[str, Any]] = [
    {"kernel_size": 1},
    {"kernel_size": 1, "bias": False},
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": (1, 5), "padding": (0, 2)},
    {"kernel_size": 3, "padding": 4, "dilation": 4},
    {"kernel_size": 3, "stride": 2, "groups": 8},
]


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("options", CONVS)
@torch.inference_mode()
def test_convolutions(options: dict[str, Any], *, channels_last: bool) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(8, 16, **options)
    x = torch.randn(2, 8, 11, 13)
    if channels_last:
        conv, x = (item.to(memory_format=torch.channels_last) for item in (conv, x))
    check(conv, OneDNNConv2d, x)


@pytest.mark.parametrize("shape", [(5, 8), (2, 3, 8), (2, 3, 4, 8), (0, 8)])
@pytest.mark.parametrize("bias", [False, True])
@torch.inference_mode()
def test_linear_layers(shape: tuple[int, ...], *, bias: bool) -> None:
    torch.manual_seed(0)
    check(nn.Linear(8, 6, bias=bias), OneDNNLinear, torch.randn(shape))


def check(layer: nn.Module, kind: type[nn.Module], x: torch.Tensor) -> None:
    want = layer(x)
    fast = copy.deepcopy(layer)
    use_onednn(fast)
    assert type(fast) is kind
    torch.testing.assert_close(fast(x), want, rtol=1e-5, atol=1e-6)
    assert list(fast.state_dict()) == list(layer.state_dict())


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(8, 8, 3, padding="same"),
        nn.ConvTranspose2d(8, 8, 2),
        nn.modules.linear.NonDynamicallyQuantizableLinear(8, 8),
    ],
)
def test_layers_left_alone(layer: nn.Module) -> None:
    kind = type(layer)
    use_onednn(layer)
    assert type(layer) is kind


@pytest.mark.parametrize("layer", [nn.Conv2d(4, 4, 1), nn.Linear(5, 5)])
def test_steps_aside(layer: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    want_gradient = torch.randn(1, 4, 5, 5, requires_grad=True)
    fast = copy.deepcopy(layer).requires_grad_(False)
    use_onednn(fast)

    def refuse(*_: object) -> None:
        raise AssertionError("oneDNN was called")

    fast(want_gradient.detach())  # the operator is known before it is taken away
    monkeypatch.setattr(torch, "mkldnn_convolution", refuse)
    monkeypatch.setattr(onednn, "_linear_op", lambda: refuse)
    with pytest.raises(AssertionError, match="oneDNN was called"):
        fast(want_gradient.detach())
    fast(want_gradient).sum().backward()
    assert want_gradient.grad is not None
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert fast(want_gradient.detach()).dtype == torch.bfloat16
    assert fast.double()(want_gradient.detach().double()).dtype == torch.float64


def test_a_pytorch_without_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onednn, "_linear_op", lambda: None)
    layer = nn.Linear(4, 4)
    use_onednn(layer)
    assert type(layer) is nn.Linear
