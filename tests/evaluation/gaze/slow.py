"""Every metric as its definition reads, one pixel and one fixation after the other."""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import gaussian_filter


def auc(fixation: np.ndarray, x: int, y: int, negatives: list[float]) -> float:
    value = fixation[y, x]
    below = sum(n < value for n in negatives)
    equal = sum(n == value for n in negatives)
    return (below + equal / 2) / len(negatives)


def auc_judd(fixation: np.ndarray, points: list[tuple[int, int]]) -> float:
    positives = [fixation[y, x] for x, y in points]
    seen = set(points)
    height, width = fixation.shape
    negatives = [fixation[y, x] for y in range(height) for x in range(width) if (x, y) not in seen]
    levels = sorted({*positives, fixation.max() + 1, fixation.min()}, reverse=True)
    hits = [np.mean([p >= level for p in positives]) for level in levels]
    false = [np.mean([n >= level for n in negatives]) for level in levels]
    return trapezoid(hits, false)


def auc_judd_mit(fixation: np.ndarray, points: list[tuple[int, int]]) -> float:
    low, high = fixation.min(), fixation.max()
    scaled = (fixation - low) / (high - low)
    values = sorted((scaled[y, x] for x, y in set(points)), reverse=True)
    count, pixels = len(values), fixation.size
    hits, false = [0.0], [0.0]
    for rank, level in enumerate(values, start=1):
        hits.append(rank / count)
        false.append(((scaled >= level).sum() - rank) / (pixels - count))
    return trapezoid([*hits, 1], [*false, 1])


def auc_borji(positives: np.ndarray, negatives: np.ndarray) -> float:
    found = []
    for split in negatives.T:
        top = max(positives.max(), split.max())
        levels = [0.1 * i for i in range(12) if 0.1 * i <= top + 1e-9][::-1]
        hits = [0.0, *(np.mean(positives >= level) for level in levels), 1.0]
        false = [0.0, *(np.mean(split >= level) for level in levels), 1.0]
        found.append(trapezoid(hits, false))
    return float(np.mean(found))


def trapezoid(hits: list, false: list) -> float:
    return sum(
        (false[i + 1] - false[i]) * (hits[i + 1] + hits[i]) / 2 for i in range(len(hits) - 1)
    )


def shuffled_negatives(
    fixation: np.ndarray,
    index: int,
    points: list[list[tuple[int, int]]],
    sizes: list[tuple[int, int]],
) -> list[float]:
    height, width = sizes[index]
    found = []
    for other, (size, theirs) in enumerate(zip(sizes, points)):
        if other != index:
            for x, y in theirs:
                found.append(fixation[int(y * (height / size[0])), int(x * (width / size[1]))])
    return found


def empirical(points: list[tuple[int, int]], size: tuple[int, int], sigma: float) -> np.ndarray:
    histogram = np.zeros(size)
    for x, y in points:
        histogram[y, x] += 1
    return gaussian_filter(histogram, sigma)


def nss(fixation: np.ndarray, x: int, y: int) -> float:
    return (fixation[y, x] - fixation.mean()) / fixation.std()


def similarity(first: np.ndarray, second: np.ndarray) -> float:
    pairs = zip((first / first.sum()).ravel(), (second / second.sum()).ravel())
    return sum(min(a, b) for a, b in pairs)


def divergence(prediction: np.ndarray, people: np.ndarray) -> float:
    e = 2.2204e-16
    s, q = prediction / prediction.sum(), people / people.sum()
    return sum(b * math.log(e + b / (a + e)) for a, b in zip(s.ravel(), q.ravel()))


def matlab_resize_line(line: np.ndarray, new_length: int) -> list[float]:
    """imresize along one axis, a weight at a time."""
    length, result = len(line), []
    scale = new_length / length
    shrink = min(scale, 1.0)
    for place in range(new_length):
        centre = (place + 0.5) / scale - 0.5
        weights, values = [], []
        for pixel in range(math.floor(centre - 2 / shrink) - 1, math.ceil(centre + 2 / shrink) + 2):
            x = abs(shrink * (centre - pixel))
            if x <= 1:
                weight = 1.5 * x**3 - 2.5 * x**2 + 1
            elif x <= 2:
                weight = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
            else:
                continue
            at = pixel
            while not 0 <= at < length:
                at = -at - 1 if at < 0 else 2 * length - 1 - at
            weights.append(weight)
            values.append(line[at])
        result.append(sum(w * v for w, v in zip(weights, values)) / sum(weights))
    return result
