"""Context attention against loops that follow the paper's steps one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sor_ppa.modeling.saliency.sica import SICA


def _module(laplacian: bool, grid_hw: tuple[int, int] = (6, 8)) -> SICA:
    torch.manual_seed(1)
    module = SICA(12, 16, grid_hw=grid_hw, laplacian=laplacian).eval()
    for name, buffer in module.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    return module


@pytest.mark.parametrize("laplacian", [False, True])
@pytest.mark.parametrize("size_hw", [(1, 1), (6, 8), (9, 4)])
@torch.no_grad()
def test_equals_slow_version(laplacian: bool, size_hw: tuple[int, int]) -> None:
    module = _module(laplacian)
    x = torch.randn(2, 12, *size_hw)
    coarse = torch.randn(2, 1, 3, 4)
    lower = torch.randn(2, 1, 3, 4) if laplacian else None
    features, change = module(x, coarse, lower)
    for i in range(2):
        low = None if lower is None else lower[i : i + 1]
        expected = _slow_sica(module, x[i : i + 1], coarse[i : i + 1], low)
        torch.testing.assert_close(features[i : i + 1], expected, atol=2e-4, rtol=1e-4)
        torch.testing.assert_close(
            change[i : i + 1], module.conv_out4(expected), atol=2e-4, rtol=1e-4
        )


def _slow_sica(module: SICA, x: Tensor, coarse: Tensor, lower: Tensor | None) -> Tensor:
    def up(m: Tensor, size: tuple[int, ...]) -> Tensor:
        return F.interpolate(m, size, mode="bilinear", align_corners=False)

    height, width = x.shape[-2:]
    p = up(coarse, (height, width)).sigmoid() - 0.5
    maps = [p.clip(0, 1), (-p).clip(0, 1), 0.5 - p.abs()]
    if lower is not None:
        q = up(lower, (height, width)).sigmoid() - 0.5
        maps += [q.clip(0, 1), (-q).clip(0, 1)]
    grid = up(x, module.grid_hw)
    rows = grid.contiguous().view(-1, x.shape[1])  # flat memory, (cells, channels)
    contexts = []
    for m in maps:
        share = up(m, module.grid_hw).flatten()
        contexts.append(sum(s * row for s, row in zip(share, rows)))
    context = torch.stack(contexts, 1)[None, :, :, None]  # (1, C, k, 1)
    key, value = (conv(context)[0, :, :, 0] for conv in (module.conv_key, module.conv_value))
    query = module.conv_query(x)[0]
    mixed = torch.zeros(1, key.shape[0], height, width)
    for i, j in np.ndindex(height, width):
        scores = key.T @ query[:, i, j] / key.shape[0] ** 0.5
        mixed[0, :, i, j] = value @ scores.softmax(0)
    return module.conv_out3(module.conv_out2(torch.cat([x, module.conv_out1(mixed)], 1)))


@torch.no_grad()
def test_contexts_do_not_grow_with_the_picture() -> None:
    module = _module(laplacian=False)
    small, large = torch.ones(1, 12, 6, 8), torch.ones(1, 12, 60, 80)
    sums = [module.context(x, torch.ones(1, 3, *x.shape[-2:])) for x in (small, large)]
    torch.testing.assert_close(*sums)
    assert sums[0].unique().tolist() == [48.0]  # a sum over the grid's cells, not a mean


@torch.no_grad()
def test_large_sums_survive_mixed_precision() -> None:
    module = _module(laplacian=True, grid_hw=(384, 384))
    x = torch.rand(1, 12, 24, 24) + 1
    maps = torch.ones(1, 5, 24, 24)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = module.context(x, maps)
    torch.testing.assert_close(mixed, module.context(x, maps))
    assert mixed.max() > 147_456
