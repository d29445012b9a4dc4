"""From a saliency mask to objects, and from objects' masks to ranked COCO annotations.

Pure functions on arrays. A mask is bool or uint8, (H, W).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from sor_ppa.data.derived.ranks import PRIOR_SIGMA, rank_by_prior

__all__ = ["PRIOR_RULE", "annotate_ranked", "encode_mask", "mask_to_polygons", "salient_regions"]

PRIOR_RULE = (
    "size-and-centre prior of the visible mask: sqrt(area fraction) * exp(-(dx^2 + dy^2) /"
    f" (2 * {PRIOR_SIGMA}^2)), dx and dy = offset of its centroid from the picture's centre as"
    " shares of width and height; largest first"
)

# A piece smaller than this share of a close neighbour is a splinter of it, not a second object.
SPLINTER = 0.2


def salient_regions(
    mask: np.ndarray,
    *,
    threshold: int = 127,
    min_fraction: float = 0.002,
    speck_fraction: float = 0.0003,
    merge_gap: float = 0.015,
) -> list[np.ndarray]:
    """Splits a saliency mask into objects, the largest first.

    Pixels that touch (also at corners) belong together. A piece of less than a fifth of the area
    of a neighbour that is closer than ``merge_gap`` is taken for a splinter of that neighbour (the
    far end of something behind a pole); two pieces of similar size stay two objects.

    Args:
        mask: (H, W) uint8; salient where it is above ``threshold``.
        threshold: grey level, 127 for masks with grey edges.
        min_fraction: smallest object, as a fraction of the picture's area.
        speck_fraction: smaller connected pieces are forgotten before anything else.
        merge_gap: largest distance of a splinter, as a fraction of the picture's diagonal.

    Returns:
        bool masks (H, W), disjoint; empty when nothing is salient.
    """
    height, width = mask.shape
    binary = (mask > threshold).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(binary, connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.int64)
    areas[0] = 0
    pieces = [i for i in range(1, count) if areas[i] >= speck_fraction * height * width]
    hosts = _hosts(labels, areas, pieces, reach=merge_gap * float(np.hypot(height, width)))
    groups: dict[int, list[int]] = {}
    for piece in pieces:
        groups.setdefault(hosts[piece], []).append(piece)
    regions = [np.isin(labels, members) for members in groups.values()]
    regions = [region for region in regions if region.sum() >= max(1, min_fraction * mask.size)]
    return sorted(regions, key=lambda region: -int(region.sum()))


def _hosts(
    labels: np.ndarray, areas: np.ndarray, pieces: list[int], *, reach: float
) -> dict[int, int]:
    """Maps each piece to the piece whose object it belongs to (often itself)."""
    hosts = {piece: piece for piece in pieces}
    radius = int(reach)
    if radius < 1 or len(pieces) < 2:
        return hosts
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    # Largest first: the host of a splinter already knows its own host, so chains need no search.
    for piece in sorted(pieces, key=lambda p: (-areas[p], p)):
        if areas[piece] >= SPLINTER * max(areas[p] for p in pieces):
            continue
        near = cv2.dilate((labels == piece).astype(np.uint8), kernel)
        touched = [p for p in np.unique(labels[near > 0]).tolist() if p in hosts and p != piece]
        larger = [p for p in touched if areas[piece] < SPLINTER * areas[hosts[p]]]
        if larger:
            hosts[piece] = hosts[max(larger, key=lambda p: (areas[hosts[p]], -p))]
    return hosts


def mask_to_polygons(mask: np.ndarray, *, tolerance: float = 0.5) -> list[list[float]]:
    """Outlines of a mask as COCO polygons ``[x0, y0, x1, y1, ...]``, one per connected piece.

    A hole is reached by a cut: the polygon walks from its outer border to the hole, around it, and
    back along the same line. Under the even-odd rule of COCO's rasteriser the cut vanishes, so
    that masks with holes stay polygons. Holes below 0.1 % of the mask are filled.

    Args:
        mask: (H, W) bool or uint8.
        tolerance: largest distance in pixels between the outline and its simplification.

    Returns:
        polygons in pixel coordinates (a pixel's centre is at +0.5); empty for an empty mask.
    """
    # Each pixel becomes 2 x 2 so that the outline runs within it, a quarter of a pixel inside its
    # edge: whatever rule a rasteriser has for centres on the line, it finds the same pixels.
    doubled = np.repeat(np.repeat(mask.astype(bool).astype(np.uint8), 2, axis=0), 2, axis=1)
    contours, tree = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    smallest_hole = max(1.0, 0.001 * float(doubled.sum()))
    polygons = []
    for i, contour in enumerate(contours):
        if tree[0][i][3] >= 0:  # a hole: it has a parent
            continue
        ring = _simplify(contour, tolerance)
        child = tree[0][i][2]
        while child >= 0:
            if cv2.contourArea(contours[child]) >= smallest_hole:
                ring = _cut_to_hole(ring, _simplify(contours[child], tolerance))
            child = tree[0][child][0]
        if len(ring) >= 3:
            polygons.append(((ring + 0.5) / 2.0).reshape(-1).tolist())
    return polygons


def _simplify(contour: np.ndarray, tolerance: float) -> np.ndarray:
    """Contour (K, 1, 2) on the doubled grid -> its simplified ring (k, 2)."""
    return cv2.approxPolyDP(contour, 2.0 * tolerance, True).reshape(-1, 2).astype(np.float64)


def _cut_to_hole(ring: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """One ring (n + m + 2, 2) that walks ``ring`` and, over the shortest cut, ``hole``."""
    distances = ((ring[:, None] - hole[None]) ** 2).sum(axis=2)  # (n, m)
    i, j = np.unravel_index(int(distances.argmin()), distances.shape)
    return np.concatenate([ring[: i + 1], hole[j:], hole[: j + 1], ring[i:]])


def encode_mask(
    mask: np.ndarray, *, tolerance: float = 0.5, min_iou: float = 0.97
) -> list[list[float]] | dict[str, Any]:
    """COCO segmentation of a mask: polygons where they are true to it, else compressed RLE.

    Args:
        mask: (H, W) bool or uint8, not empty.
        tolerance: see :func:`mask_to_polygons`; unsimplified outlines are tried next.
        min_iou: the polygons are rasterised as COCO does and must reach this IoU with the mask.
    """
    dense = mask.astype(bool)
    for allowed in (tolerance, 0.0):
        polygons = mask_to_polygons(dense, tolerance=allowed)
        if polygons and _polygon_iou(polygons, dense) >= min_iou:
            return polygons
    rle = coco_mask.encode(np.asfortranarray(dense.astype(np.uint8)))
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}


def _polygon_iou(polygons: list[list[float]], mask: np.ndarray) -> float:
    """IoU of a mask with its polygons as COCO rasterises them."""
    height, width = mask.shape
    drawn = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))) > 0
    return float((drawn & mask).sum() / max(1, (drawn | mask).sum()))


def annotate_ranked(masks: Sequence[np.ndarray]) -> list[dict[str, Any]]:
    """Ranked COCO annotations of one picture's objects, rank 1 first, ranks by :data:`PRIOR_RULE`.

    Args:
        masks: bool (H, W) each, none empty.

    Returns:
        COCO fields and ``rank``; without ``id`` and ``image_id``.
    """
    ranks = rank_by_prior(masks, top=0).tolist() if masks else []
    order = sorted(range(len(masks)), key=ranks.__getitem__)
    return [{**_annotation(masks[i]), "rank": ranks[i]} for i in order]


def _annotation(mask: np.ndarray) -> dict[str, Any]:
    """COCO fields of one object; its box holds all of its pixels."""
    ys, xs = np.nonzero(mask)
    left, top = int(xs.min()), int(ys.min())
    return {
        "category_id": 1,
        "iscrowd": 0,
        "bbox": [left, top, int(xs.max()) + 1 - left, int(ys.max()) + 1 - top],
        "area": int(mask.sum()),
        "segmentation": encode_mask(mask),
    }
