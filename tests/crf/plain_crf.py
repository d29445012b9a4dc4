"""The dense CRF in its plainest form: loops over pixels, a dict of lattice corners, two labels."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

Key = tuple[int, ...]
Corner = tuple[Key, float]  # of one point: a corner's d first coordinates, and its weight


def corners_of(feature: Sequence[float]) -> list[Corner]:
    """The d + 1 corners around a point, corner 0 first."""
    d = len(feature)
    c = [f * math.sqrt(2 / 3) * (d + 1) / math.sqrt((j + 1) * (j + 2)) for j, f in
         enumerate(feature)]  # fmt: skip
    y = [sum(c)] + [sum(c[j:]) - j * c[j - 1] for j in range(1, d + 1)]
    v = [round(value / (d + 1)) for value in y]  # half to even, as Python rounds
    r = [(d + 1) * value for value in v]
    rank = [0] * (d + 1)
    for i in range(d + 1):
        for j in range(i + 1, d + 1):
            rank[i if y[i] - r[i] < y[j] - r[j] else j] += 1
    for i in range(d + 1):
        rank[i] += sum(v)
        if rank[i] < 0:
            rank[i], r[i] = rank[i] + d + 1, r[i] + d + 1
        elif rank[i] > d:
            rank[i], r[i] = rank[i] - d - 1, r[i] - d - 1
    b = [0.0] * (d + 2)
    for i in range(d + 1):
        t = (y[i] - r[i]) / (d + 1)
        b[d - rank[i]] += t
        b[d - rank[i] + 1] -= t
    b[0] += 1 + b[d + 1]
    return [
        (tuple(r[i] + k - (0 if rank[i] <= d - k else d + 1) for i in range(d)), b[k])
        for k in range(d + 1)
    ]


def plain_filter(features: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The lattice's kernel, (d, N) features and (N,) values -> (N,)."""
    d = len(features)
    points = [corners_of([float(f) for f in column]) for column in features.T]
    grid: dict[Key, float] = defaultdict(float)
    for point, value in zip(points, values, strict=True):
        for key, weight in point:
            grid[key] += weight * float(value)
    for axis in range(d + 1):
        step = [1] * d
        if axis < d:
            step[axis] = -d
        grid = defaultdict(float, {key: grid[key] + 0.5 * _neighbours(grid, key, step)
                                   for key in list(grid)})  # fmt: skip
    sliced = [sum(weight * grid[key] for key, weight in point) for point in points]
    return np.array(sliced) / (1 + 2.0**-d)


def _neighbours(grid: dict[Key, float], key: Key, step: list[int]) -> float:
    above = tuple(k + s for k, s in zip(key, step, strict=True))
    below = tuple(k - s for k, s in zip(key, step, strict=True))
    return grid.get(above, 0.0) + grid.get(below, 0.0)


def plain_crf(
    image: np.ndarray,
    label: np.ndarray,
    kernels: Sequence[tuple[float, float, float | None]],
    iterations: int,
    certainty: float,
) -> np.ndarray:
    """Foreground marginal (H, W); a kernel is (weight, sxy, srgb or None)."""
    height, width = label.shape
    energy = np.array(
        [[-math.log(certainty if given == k else 1 - certainty) for k in (0, 1)]
         for given in label.ravel().astype(int)]
    )  # fmt: skip
    q = _softmax(-energy)
    terms = []
    for weight, sxy, srgb in kernels:
        features = [[x / sxy, y / sxy] + ([] if srgb is None else list(image[y, x] / srgb))
                    for y in range(height) for x in range(width)]  # fmt: skip
        columns = np.array(features).T
        norm = (plain_filter(columns, np.ones(height * width)) + 1e-20) ** -0.5
        terms.append((weight, columns, norm))
    for _ in range(iterations):
        message = -energy
        for weight, columns, norm in terms:
            for k in (0, 1):
                message[:, k] += weight * norm * plain_filter(columns, norm * q[:, k])
        q = _softmax(message)
    return q[:, 1].reshape(height, width)


def _softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
