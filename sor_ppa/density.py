"""From a fixation map to a probability density: one convention for networks and metrics."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from torch import Tensor

# Keeps every place possible: the logarithm of a density is asked for.
_FLOOR = 1e-6

Map = TypeVar("Map", np.ndarray, Tensor)


def to_density(fixation: Map) -> Map:
    """The density that a map stands for: p = (S - min S + 1e-6) / sum.

    A map says where more is looked at, not how much more: this is the plain reading of it, without
    anything fitted to data. A constant map becomes the uniform density.

    Args:
        fixation: (H, W), any finite numbers.

    Returns:
        (H, W) above 0, sum 1; float64 for arrays, the tensor's own type (float64 inside) for
        tensors.
    """
    if isinstance(fixation, Tensor):
        raised = fixation.double() - fixation.min().double() + _FLOOR
        return (raised / raised.sum()).to(fixation.dtype)
    values = np.asarray(fixation, dtype=np.float64)
    raised = values - values.min() + _FLOOR
    return raised / raised.sum()
