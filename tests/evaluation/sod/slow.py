"""The definitions as they stand in the papers, pixel by pixel: slow, plain, without a histogram."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

EPS = 2.0**-52
Array = np.ndarray[Any, np.dtype[Any]]


def prepare(prediction: Array, mask: Array) -> tuple[Array, Array]:
    """(p, g): map stretched to [0, 1], mask as bool."""
    p = prediction / 255
    if p.max() != p.min():
        p = (p - p.min()) / (p.max() - p.min())
    return p, mask > 128


def selections(p: Array) -> list[Array]:
    """256 maps cut at their 8-bit levels, the strictest first, and the adaptive one."""
    levels = (p * 255).astype(np.uint8)
    cuts = [levels >= 255 - k for k in range(256)]
    return [*cuts, p >= min(2 * p.mean(), 1)]


def f_measure(b: Array, g: Array) -> float:
    hits = (b & g).sum()
    if hits == 0:
        return 0.0
    precision, recall = hits / b.sum(), hits / g.sum()
    return 1.3 * precision * recall / (0.3 * precision + recall)


def e_measure(b: Array, g: Array) -> float:
    if not g.any():
        enhanced: Array = 1.0 - b
    elif g.all():
        enhanced = b * 1.0
    else:
        phi, psi = b - b.mean(), g - g.mean()
        enhanced = (2 * phi * psi / (phi**2 + psi**2 + EPS) + 1) ** 2 / 4
    return enhanced.sum() / (g.size - 1 + EPS)


def s_measure(p: Array, g: Array) -> float:
    if not g.any():
        return 1 - p.mean()
    if g.all():
        return p.mean()
    share = g.mean()
    objects = share * _likeness(p[g]) + (1 - share) * _likeness(1 - p[~g])
    rows, columns = np.nonzero(g)
    cy, cx = int(np.round(rows.mean())) + 1, int(np.round(columns.mean())) + 1
    regions = 0.0
    for window in (np.s_[:cy, :cx], np.s_[:cy, cx:], np.s_[cy:, :cx], np.s_[cy:, cx:]):
        if p[window].size:
            regions += p[window].size / p.size * _ssim(p[window], g[window].astype(float))
    return max(0.0, 0.5 * objects + 0.5 * regions)


def _likeness(x: Array) -> float:
    sigma = x.std(ddof=1) if x.size > 1 else 0.0
    return 2 * x.mean() / (x.mean() ** 2 + 1 + sigma + EPS)


def _ssim(x: Array, y: Array) -> float:
    if x.min() == x.max():  # rounding of the mean is no spread
        dx = np.zeros_like(x)
    else:
        dx = x - x.mean()
    dy = y - y.mean()
    n = x.size - 1 + EPS
    a = 4 * x.mean() * y.mean() * (dx * dy).sum() / n
    b = (x.mean() ** 2 + y.mean() ** 2) * ((dx**2).sum() + (dy**2).sum()) / n
    if a != 0:
        return a / (b + EPS)
    return 1.0 if b == 0 else 0.0


def weighted_f(p: Array, g: Array) -> float:
    if not g.any():
        return 0.0
    errors = np.abs(p - g)
    spots = np.argwhere(g)
    distance = np.zeros(g.shape)
    spread = errors.copy()
    for y, x in np.argwhere(~g):
        squares = ((spots - (y, x)) ** 2).sum(1)
        order = np.lexsort((spots[:, 0], spots[:, 1], squares))
        distance[y, x] = math.sqrt(squares[order[0]])
        spread[y, x] = errors[tuple(spots[order[0]])]
    blurred = _blur(spread)
    smaller = np.where(g & (blurred < errors), blurred, errors)
    weighted = smaller * np.where(g, 1, 2 - np.exp(math.log(0.5) / 5 * distance))
    hits, false = g.sum() - weighted[g].sum(), weighted[~g].sum()
    recall, precision = 1 - weighted[g].mean(), hits / (hits + false + EPS)
    return 2 * recall * precision / (recall + precision + EPS)


def _blur(image: Array) -> Array:
    line = np.exp(-(np.arange(-3, 4) ** 2) / 50)
    kernel = np.outer(line, line) / line.sum() ** 2
    framed = np.pad(image, 3)
    height, width = image.shape
    parts = [
        kernel[y, x] * framed[y : y + height, x : x + width] for y in range(7) for x in range(7)
    ]
    return np.sum(parts, 0)


def scores(prediction: Array, mask: Array) -> dict[str, Any]:
    """All metrics under our keys."""
    p, g = prepare(prediction, mask)
    cuts = selections(p)
    f, e = ([metric(b, g) for b in cuts] for metric in (f_measure, e_measure))
    return {
        "mae": np.abs(p - g).mean(),
        "mse": ((p - g) ** 2).mean(),
        "sm": s_measure(p, g),
        "fm_curve": f[:256],
        "fm_adp": f[256],
        "em_curve": e[:256],
        "em_adp": e[256],
        "wfm": weighted_f(p, g),
        "precision": [(b & g).sum() / b.sum() if b.any() else 0 for b in cuts[:256]],
        "recall": [(b & g).sum() / max(g.sum(), 1) for b in cuts[:256]],
        "iou_curve": [(b & g).sum() / (b | g).sum() if (b | g).any() else 0 for b in cuts[:256]],
        "oa_curve": [(b == g).mean() for b in cuts[:256]],
    }


def eroded(image: Array, width: int) -> Array:
    """Smallest value in a square around each pixel; zeros one pixel around the picture."""
    framed = np.pad(image, 1)
    result = np.empty_like(image)
    for y, x in np.ndindex(image.shape):
        top, left = max(y + 1 - width, 0), max(x + 1 - width, 0)
        result[y, x] = framed[top : y + width + 2, left : x + width + 2].min()
    return result


def boundary_ious(prediction: Array, mask: Array) -> dict[str, Any]:
    """Boundary and thin IoU curves."""
    p, g = prepare(prediction, mask)
    levels = (p * 255).astype(np.uint8)
    result = {}
    for name, ratio in (("biou", 0.02), ("tiou", 0.001)):
        width = max(1, round(ratio * math.hypot(*g.shape)))
        true = (255 * g - eroded(255 * g, width)) > 128
        grey = levels - eroded(levels, width) if name == "biou" else levels * true
        result[f"{name}_curve"] = [
            ((grey >= 255 - k) & true).sum()
            / (max(true.sum(), 1) + ((grey >= 255 - k) & ~true).sum())
            for k in range(256)
        ]
    return result
