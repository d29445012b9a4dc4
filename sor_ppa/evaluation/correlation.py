"""Correlation of short vectors, with ties and constant input treated as the rankings need it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[Any]


def average_ranks(values: Vector) -> npt.NDArray[np.float64]:
    """Ascending rank numbers 1 ... n of a vector (n,); tied values share their average."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return ((2 * last - counts + 1) / 2)[inverse.reshape(-1)]


def pearson(x: Vector, y: Vector) -> float:
    """Pearson's correlation of two vectors (n,); NaN when either is constant or empty."""
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if is_constant(x) or is_constant(y):
        return math.nan
    x, y = x - x.mean(), y - y.mean()
    return float(np.clip(x @ y / math.sqrt((x @ x) * (y @ y)), -1.0, 1.0))


def spearman(x: Vector, y: Vector) -> float:
    """Spearman's rho of two vectors (n,), average ranks for ties; NaN when either is constant."""
    return pearson(average_ranks(x), average_ranks(y))


def is_constant(values: Vector) -> bool:
    """Whether all values are equal; an empty vector and a single value are constant."""
    return len(values) == 0 or bool((values == values[0]).all())
