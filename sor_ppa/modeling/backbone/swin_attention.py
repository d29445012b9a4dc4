"""Attention inside the windows of a Swin transformer (Liu et al., ICCV 2021, section 3.2).

Two tables are added to the attention logits: the learnt bias of the relative position, the same
for all windows, and in shifted blocks a mask that parts what only the cyclic shift has brought
together. Only the windows of the last row and the last column hold such parts, so there are four
masks whatever the size of the map.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# What is added between parts that do not belong together; exp(-100) is 0 beside any real logit.
_APART = -100.0


class WindowAttention(nn.Module):
    """Multi-head self-attention inside windows, with a relative position bias (eq. 4).

    Args:
        channels: D, a multiple of ``heads``.
        window: side of a window; L = window x window tokens.
        heads: number of heads.
        shift: by how many cells the windows were shifted; 0 = not.
    """

    relative_position_index: Tensor
    border_masks: Tensor

    def __init__(self, channels: int, *, window: int, heads: int, shift: int = 0) -> None:
        super().__init__()
        self.heads, self.shift = heads, shift
        offsets = (2 * window - 1) ** 2
        self.relative_position_bias_table = nn.Parameter(torch.zeros(offsets, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("relative_position_index", relative_position_index(window))
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        if shift:
            self.register_buffer("border_masks", border_masks(window, shift), persistent=False)
        self._cached: tuple[Any, Tensor] | None = None

    def forward(self, windows: Tensor) -> Tensor:
        """Attends within each window.

        Args:
            windows: (N, rows, columns, L, D), all windows of N maps.

        Returns:
            Like ``windows``.
        """
        qkv = self.qkv(windows).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.permute(4, 0, 1, 2, 5, 3, 6)  # (N, rows, columns, heads, L, d) each
        tables = self.position_bias().to(q.dtype)  # (heads, L, L)
        if self.shift:
            rows, columns = windows.shape[1:3]
            tables = self._add_masks(tables, rows, columns)  # (rows, columns, heads, L, L)
        return self.proj(mix(q, k, v, tables).transpose(-3, -2).flatten(-2))

    def _add_masks(self, bias: Tensor, rows: int, columns: int) -> Tensor:
        """The bias plus the mask of each window's place in a map."""
        last_row, last_column = (
            torch.arange(length, device=bias.device) == length - 1 for length in (rows, columns)
        )
        places = 2 * last_row[:, None] + last_column  # (rows, columns)
        return (bias + self.border_masks.to(bias.dtype)[:, None])[places]

    # ---- the table of the bias

    def position_bias(self) -> Tensor:
        """(heads, L, L): the bias that row i (query) gives to column j (key).

        In evaluation without gradients it is gathered once and kept until the weights change.
        """
        table = self.relative_position_bias_table
        needs_gradient = table.requires_grad and torch.is_grad_enabled()
        if self.training or needs_gradient or table.is_inference() or torch.compiler.is_compiling():
            return self._gather_bias()
        stamp = (table._version, table.data_ptr(), table.device, table.dtype)
        if self._cached is None or self._cached[0] != stamp:
            # A normal tensor also when called in inference mode: it may be used outside later.
            with torch.inference_mode(False), torch.no_grad():
                self._cached = (stamp, self._gather_bias())
        return self._cached[1]

    def _gather_bias(self) -> Tensor:
        index = self.relative_position_index
        bias = self.relative_position_bias_table[index.flatten()]  # (L L, heads)
        return bias.view(*index.shape, -1).permute(2, 0, 1).contiguous()

    def train(self, mode: bool = True) -> WindowAttention:
        """As ``nn.Module.train``; forgets the gathered bias."""
        self._cached = None
        return super().train(mode)

    def _apply(self, *args: Any, **kwargs: Any) -> WindowAttention:
        self._cached = None
        return super()._apply(*args, **kwargs)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self._cached = None
        super()._load_from_state_dict(*args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cached": None}


def mix(q: Tensor, k: Tensor, v: Tensor, tables: Tensor) -> Tensor:
    """softmax(q k' / sqrt(d) + tables) v, window by window.

    Args:
        q: queries, (N, rows, columns, heads, L, d).
        k: keys, like ``q``.
        v: values, like ``q``.
        tables: (heads, L, L) for all windows, or (rows, columns, heads, L, L) for each.

    Returns:
        Like ``q``.
    """
    if torch.compiler.is_compiling():
        # Spelled out: an exported graph must not rest on one kernel's memory layout.
        logits = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1) + tables
        return logits.softmax(-1) @ v
    batches: list[list[Tensor]]
    if tables.dim() == 3:
        batches, tables = [[x.flatten(0, 2) for x in (q, k, v)]], tables[None]
    else:
        # Map by map: copies of the tables for each map would be the largest tensor of the network.
        batches = [[x.flatten(0, 1) for x in item] for item in zip(q, k, v)]
        tables = tables.flatten(0, 1)
    attend = F.scaled_dot_product_attention
    mixed = [attend(query, key, value, tables) for query, key, value in batches]
    return (mixed[0] if len(mixed) == 1 else torch.cat(mixed)).unflatten(0, q.shape[:3])


def relative_position_index(window: int) -> Tensor:
    """(L, L) int64: row of the bias table for query i and key j, L = window x window.

    (row_i - row_j + window - 1) (2 window - 1) + column_i - column_j + window - 1.
    """
    cells = torch.arange(window)
    row, column = cells.repeat_interleave(window), cells.repeat(window)
    down = row[:, None] - row + window - 1
    right = column[:, None] - column + window - 1
    return down * (2 * window - 1) + right


def border_masks(window: int, shift: int) -> Tensor:
    """(4, L, L) float: what a shifted window adds to its logits, 0 or -100.

    By the window's place: 0 = inside, 1 = last column, 2 = last row, 3 = last of both. The cyclic
    shift put ``shift`` rows (columns) of the other side at the end of the last windows.
    """
    wrapped = torch.arange(window) >= window - shift
    row, column = wrapped.repeat_interleave(window), wrapped.repeat(window)
    apart_rows, apart_columns = row[:, None] != row, column[:, None] != column
    inside = torch.zeros_like(apart_rows)
    apart = torch.stack([inside, apart_columns, apart_rows, apart_rows | apart_columns])
    return apart * _APART
