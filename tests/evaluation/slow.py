"""The ranking metrics once more, slow and word by word from their definitions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np


def pearson(x: Sequence[float], y: Sequence[float]) -> float:
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    over = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    under = sum((a - mean_x) ** 2 for a in x) * sum((b - mean_y) ** 2 for b in y)
    return over / math.sqrt(under) if under else math.nan


def average_ranks(values: Sequence[float]) -> list[float]:
    ordered = sorted(values)
    places: dict[float, list[int]] = {}
    for place, value in enumerate(ordered, start=1):
        places.setdefault(value, []).append(place)
    return [sum(places[value]) / len(places[value]) for value in values]


def rho_of_map(
    pred_map: np.ndarray, masks: np.ndarray, ranks: Sequence[int]
) -> tuple[float, str, list[int]]:
    used, true, greys = [], [], []
    for index, rank in enumerate(ranks):
        if rank == 0:
            continue
        inside = [
            int(pred_map[y, x])
            for y in range(pred_map.shape[0])
            for x in range(pred_map.shape[1])
            if masks[index][y, x]
        ]
        positive = [value for value in inside if value > 0]
        if not len(positive) > int(0.5 * len(inside)):
            continue
        counts = Counter(positive)
        greys.append(min(v for v in counts if counts[v] == max(counts.values())))
        used.append(index)
        true.append(-rank)
    if not used:
        return math.nan, "none", used
    if len(used) == 1:
        return 1.0, "single", used
    rho = pearson(average_ranks(true), average_ranks(greys))
    return rho, "nan" if math.isnan(rho) else "spearman", used


def iou(a: np.ndarray, b: np.ndarray) -> float:
    cells = [(p, q) for p, q in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True)]
    union = sum(1 for p, q in cells if p or q)
    return sum(1 for p, q in cells if p and q) / union if union else 0.0


def sa_sor(ious: Sequence[Sequence[float]], levels: Sequence[float], scores: list[float]) -> float:
    """The eight steps; NaN = not counted."""
    num_gt, num_pred = len(levels), len(scores)
    if num_gt <= 1:  # 1
        return math.nan
    matches: list[int | None] = []
    for row in ious:  # 2
        best = None
        for pred in range(num_pred):
            if best is None or row[pred] >= row[best]:
                best = pred
        matches.append(best if best is not None and row[best] >= 0.5 else None)
    for pred in range(num_pred):  # 3
        takers = [gt for gt in range(num_gt) if matches[gt] == pred]
        for gt in takers:
            best_iou = max(ious[other][pred] for other in takers)
            first = next(other for other in takers if ious[other][pred] == best_iou)
            if gt != first:
                matches[gt] = None
    pool = [scores[match] for match in matches if match is not None]
    if num_pred > num_gt:  # 4
        pool += [scores[pred] for pred in range(num_pred) if pred not in matches]
    pool.sort()
    predicted = [0 if m is None else 1 + pool.index(scores[m]) for m in matches]  # 5
    true = [1 + sorted(levels).index(level) for level in levels]  # 6
    if len(set(predicted)) == 1:  # 7
        return 0.0
    if len(set(true)) == 1:
        return math.nan
    return pearson(true, predicted)


def average_precision_50(
    gt: dict[int, list[np.ndarray]], predictions: list[tuple[int, float, np.ndarray]]
) -> float:
    """AP at IoU 0.5 with 101 recall points, in percent."""
    free = {image: [True] * len(masks) for image, masks in gt.items()}
    hits = []
    for image, _, mask in sorted(predictions, key=lambda item: -item[1]):
        overlaps = [iou(mask, true) if free[image][k] else -1.0 for k, true in enumerate(gt[image])]
        best = max(range(len(overlaps)), key=lambda k: overlaps[k], default=None)
        hit = best is not None and overlaps[best] >= 0.5
        if hit:
            free[image][best] = False
        hits.append(hit)
    total = sum(len(masks) for masks in gt.values())
    precisions, recalls, found = [], [], 0
    for place, hit in enumerate(hits, start=1):
        found += hit
        precisions.append(found / place)
        recalls.append(found / total)
    points = []
    for step in range(101):
        at_least = [p for p, r in zip(precisions, recalls, strict=True) if r >= step / 100]
        points.append(max(at_least, default=0.0))
    return 100 * sum(points) / 101
