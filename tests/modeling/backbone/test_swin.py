"""Swin: windows, masks, bias and their cache against slow, explicit versions."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from detectron2.layers import ShapeSpec
from torch import Tensor, nn

from sor_ppa.config import get_cfg
from sor_ppa.errors import ConfigError
from sor_ppa.modeling.backbone.swin import (
    DropPath,
    PatchMerging,
    SwinBlock,
    SwinTransformer,
    build_swin_b_backbone,
    merge_windows,
    split_windows,
)
from sor_ppa.modeling.backbone.swin_attention import (
    WindowAttention,
    border_masks,
    mix,
    relative_position_index,
)
from tests.modeling.plain_backbones import PlainSwin
from tests.modeling.published import position_index

SMALL = {"channels": 8, "depths": (2, 2, 2, 2), "heads": (1, 2, 2, 4), "window": 4}


def _small(**more: object) -> SwinTransformer:
    torch.manual_seed(0)
    model = SwinTransformer(**SMALL, **more)
    for name, parameter in model.named_parameters():
        if name.endswith("bias_table"):
            nn.init.normal_(parameter)
    return model.eval()


# ---- against slow versions


def _slow_attention(layer: WindowAttention, x: Tensor, regions: Tensor) -> Tensor:
    """Query by query, for one head at a time; x (L, D), regions (L,)."""
    L, D = x.shape
    side, size = math.isqrt(L), D // layer.heads
    rows = []
    for i in range(L):
        parts = []
        for head in range(layer.heads):
            q, k, v = (
                x @ layer.qkv.weight[start + head * size :][:size].T
                + layer.qkv.bias[start + head * size :][:size]
                for start in (0, D, 2 * D)
            )
            logits = []
            for j in range(L):
                row = (i // side - j // side + side - 1) * (2 * side - 1)
                bias = layer.relative_position_bias_table[row + i % side - j % side + side - 1]
                apart = 0.0 if regions[i] == regions[j] else -100.0
                logits.append(q[i] @ k[j] / size**0.5 + bias[head] + apart)
            parts.append(torch.stack(logits).softmax(0) @ v)
        rows.append(layer.proj(torch.cat(parts)))
    return torch.stack(rows)


def _slow_shifted(block: SwinBlock, x: Tensor) -> Tensor:
    """Where each cell of a map lands is followed cell by cell; x (1, H, W, D), normed."""
    window, shift = block.window, block.shift
    _, H, W, D = x.shape
    rows, columns = (math.ceil(side / window) * window for side in (H, W))
    result = torch.zeros_like(x)

    def region(at: int, side: int) -> int:
        return 0 if at < side - window else 1 if at < side - shift else 2

    for top in range(0, rows, window):
        for left in range(0, columns, window):
            places, tokens, regions = [], [], []
            for row in range(top, top + window):
                for column in range(left, left + window):
                    source = ((row + shift) % rows, (column + shift) % columns)
                    places.append(source)
                    inside = source[0] < H and source[1] < W
                    tokens.append(x[0, source[0], source[1]] if inside else torch.zeros(D))
                    regions.append(3 * region(row, rows) + region(column, columns) if shift else 0)
            output = _slow_attention(block.attn, torch.stack(tokens), torch.tensor(regions))
            for place, value in zip(places, output, strict=True):
                if place[0] < H and place[1] < W:
                    result[0, place[0], place[1]] = value
    return result


@pytest.mark.parametrize("shift", [0, 2])
@pytest.mark.parametrize("size", [(1, 1), (4, 4), (8, 4), (7, 9)])
@torch.inference_mode()
def test_attention_cell_by_cell(size: tuple[int, int], shift: int) -> None:
    torch.manual_seed(0)
    block = SwinBlock(6, 2, window=4, shift=shift).eval()
    nn.init.normal_(block.attn.relative_position_bias_table)
    nn.init.normal_(block.attn.qkv.bias)  # what padded cells are keys of
    x = torch.randn(1, *size, 6)
    y = x + _slow_shifted(block, block.norm1(x))
    expected = y + block.mlp.fc2(nn.functional.gelu(block.mlp.fc1(block.norm2(y))))
    torch.testing.assert_close(block(x), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [(32, 32), (64, 96), (61, 75), (3, 130)])
@torch.inference_mode()
def test_equals_the_plain_network(size: tuple[int, int]) -> None:
    model = _small()
    plain = PlainSwin(8, SMALL["depths"], SMALL["heads"], 4).eval()
    plain.load_state_dict(model.state_dict())
    x = torch.randn(3, 3, *size)
    for got, want in zip(model(x).values(), plain(x), strict=True):
        torch.testing.assert_close(got, want, atol=2e-5, rtol=1e-5)


def test_position_index_is_the_published_rule() -> None:
    for window in (1, 2, 12):
        assert torch.equal(relative_position_index(window), position_index(window))


def test_masks_are_symmetric_and_part_only_wrapped_cells() -> None:
    inside, column, row, both = border_masks(4, 2)
    assert not inside.any()
    assert torch.equal(both, torch.minimum(column, row))
    assert torch.equal(column, column.T)
    assert set(both.unique().tolist()) == {-100.0, 0.0}
    assert column[0].view(4, 4)[0].tolist() == [0, 0, -100, -100]
    assert row[0].view(4, 4)[:, 0].tolist() == [0, 0, -100, -100]


def test_windows_are_row_by_row() -> None:
    x = torch.arange(2 * 4 * 6).view(2, 4, 6, 1)
    windows = split_windows(x, 2)
    assert windows.shape == (2, 2, 3, 4, 1)
    assert windows[0, 0, 1].flatten().tolist() == [2, 3, 8, 9]
    assert torch.equal(merge_windows(windows, 2), x)


def test_merging_joins_rows_before_columns() -> None:
    merge = PatchMerging(1)
    joined = []
    merge.norm.register_forward_pre_hook(lambda _, inputs: joined.append(inputs[0]))
    merge(torch.tensor([[1.0, 2, 5], [3, 4, 6]]).view(1, 2, 3, 1))
    assert joined[0][0, 0].tolist() == [[1, 3, 2, 4], [5, 6, 0, 0]]  # padded to an even width


@pytest.mark.parametrize("masked", [False, True])
def test_exported_arithmetic_is_the_same(monkeypatch: pytest.MonkeyPatch, masked: bool) -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 2, 3, 4, 16, 8)
    tables = torch.randn(2, 3, 4, 16, 16) if masked else torch.randn(4, 16, 16)
    fused = mix(q, k, v, tables)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    torch.testing.assert_close(mix(q, k, v, tables), fused, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shift", [0, 2])
def test_exported_block_takes_other_sizes(shift: int) -> None:
    torch.manual_seed(0)
    block = SwinBlock(8, 2, window=4, shift=shift).eval()
    free = {1: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO}
    program = torch.export.export(block, (torch.rand(1, 9, 14, 8),), dynamic_shapes=(free,))
    for size in ((7, 22), (16, 5)):
        x = torch.rand(1, *size, 8)
        torch.testing.assert_close(program.module()(x), block(x), atol=1e-5, rtol=1e-5)


# ---- the cached bias


def _layer() -> WindowAttention:
    torch.manual_seed(0)
    layer = WindowAttention(8, window=4, heads=2, shift=2).eval()
    nn.init.normal_(layer.relative_position_bias_table)
    return layer


@torch.no_grad()
def test_bias_is_gathered_once() -> None:
    layer = _layer()
    first = layer.position_bias()
    assert layer.position_bias() is first
    table = layer.relative_position_bias_table
    expected = table[position_index(4)].permute(2, 0, 1)
    assert torch.equal(first, expected)


@torch.no_grad()
def test_bias_follows_the_weights() -> None:
    layer, other = _layer(), _layer()
    nn.init.normal_(other.relative_position_bias_table)
    before = layer.position_bias()
    layer.load_state_dict(other.state_dict())
    assert torch.equal(layer.position_bias(), other.position_bias())
    assert not torch.equal(layer.position_bias(), before)
    layer.relative_position_bias_table.add_(1)  # an optimiser's step
    torch.testing.assert_close(layer.position_bias(), other.position_bias() + 1)
    layer.load_state_dict(other.state_dict(), assign=True)
    assert torch.equal(layer.position_bias(), other.position_bias())
    assert layer.double().position_bias().dtype == torch.float64
    layer.train()
    layer.relative_position_bias_table.data.mul_(0)  # leaves no trace but the change of mode
    assert not layer.eval().position_bias().any()


def test_bias_keeps_its_gradient() -> None:
    layer = _layer()
    with torch.inference_mode():
        layer.position_bias()
    for mode in (True, False):
        layer.train(mode).zero_grad()
        layer(torch.randn(1, 2, 2, 16, 8)).sum().backward()
        assert layer.relative_position_bias_table.grad.any()


def test_a_used_network_can_be_copied() -> None:
    model = _small()
    x = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        want = model(x)["res5"]
    twin = copy.deepcopy(model)
    with torch.no_grad():
        assert torch.equal(twin(x)["res5"], want)
        twin.layers[0].blocks[0].attn.relative_position_bias_table.add_(
            torch.randn_like(twin.layers[0].blocks[0].attn.relative_position_bias_table)
        )
        assert not torch.equal(twin(x)["res5"], want)
        assert torch.equal(model(x)["res5"], want)


def test_nothing_cached_is_saved() -> None:
    model = _small()
    names = set(model.state_dict())
    with torch.inference_mode():
        model(torch.rand(1, 3, 32, 32))
    assert set(model.state_dict()) == names
    assert not any("mask" in name or "cached" in name for name in names)


# ---- training


def test_drop_path() -> None:
    torch.manual_seed(0)
    drop = DropPath(0.25).train()
    x = torch.ones(4000, 2, 3)
    y = drop(x)
    values = y.flatten(1)
    assert torch.equal(values.min(1).values, values.max(1).values)  # whole samples
    assert values[:, 0].unique().tolist() == pytest.approx([0, 1 / 0.75])
    assert float(y.mean()) == pytest.approx(1, abs=0.03)
    assert torch.equal(drop.eval()(x), x)


def test_drop_rates_rise_over_the_blocks() -> None:
    cfg = get_cfg()
    cfg.MODEL.SWIN.DROP_PATH_RATE = 0.46
    with torch.device("meta"):
        model = build_swin_b_backbone(cfg, ShapeSpec(channels=3))
    rates = [block.drop_path.probability for stage in model.layers for block in stage.blocks]
    assert rates == pytest.approx([0.02 * index for index in range(24)])
    with pytest.raises(ConfigError, match=r"DROP_PATH_RATE is 1\.0"):
        SwinTransformer(drop_path_rate=1.0)


def test_gradients_reach_everything() -> None:
    model = _small(drop_path_rate=0.0).train()
    sum(m.square().sum() for m in model(torch.rand(2, 3, 61, 75)).values()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize("freeze_at", [-1, 0, 1, 2, 5])
def test_freeze(freeze_at: int) -> None:
    model = _small(freeze_at=freeze_at)
    fixed = ["patch_embed", "layers.0", "layers.1", "layers.2", "layers.3"][: max(freeze_at, 0)]
    norms = [f"norm{part[-1]}" for part in fixed[1:]]
    for name, parameter in model.named_parameters():
        frozen = name.startswith((*fixed, *norms)) if fixed else False
        assert parameter.requires_grad == (not frozen), name
