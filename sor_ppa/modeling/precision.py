"""Parts of a network that half precision would harm."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """``x`` in float32, or in float64 where it has that."""
    return x if x.dtype == torch.float64 else x.float()
