from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from sor_ppa.modeling.fixation.aspp import ASPP


def plain(aspp: ASPP, x: torch.Tensor) -> torch.Tensor:
    """The figure of the paper: five branches side by side, then one convolution."""
    size = x.shape[-2:]
    branches = [F.relu(aspp.get_submodule(f"conv1_{i}")(x)) for i in range(1, 5)]
    mean = F.relu(aspp.get_submodule("conv1_5")(x.mean((2, 3), keepdim=True)))
    branches.append(mean.expand(-1, -1, *size))
    return F.relu(aspp.conv2(torch.cat(branches, 1)))


@pytest.mark.parametrize("size", [(1, 1), (3, 4), (30, 40)])
def test_equals_the_figure(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    aspp = ASPP(10, 6).double()
    for parameter in aspp.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(2, 10, *size, dtype=torch.float64, requires_grad=True)
    found, expected = aspp(x), plain(aspp, x)
    torch.testing.assert_close(found, expected)
    assert torch.equal(found == 0, expected == 0)
    (got,) = torch.autograd.grad(found.square().sum(), x)
    (want,) = torch.autograd.grad(expected.square().sum(), x)
    torch.testing.assert_close(got, want)


def test_other_dilations() -> None:
    aspp = ASPP(4, 3, (2, 5))
    assert aspp(torch.rand(1, 4, 8, 8)).shape == (1, 3, 8, 8)
    assert [name for name, _ in aspp.named_children()] == [
        *("conv1_1", "conv1_2", "conv1_3", "conv1_4", "conv2")
    ]
