"""How far apart a map and its mask are, as wholes."""

from __future__ import annotations

import math

import cv2
import numpy as np

from sor_ppa.evaluation.sod import levels
from sor_ppa.evaluation.sod.pair import Pair
from sor_ppa.evaluation.sod.windows import Mask

# Pixels apart where there is nothing in one of them: the side of the network's input (A2S).
_NOWHERE = 320.0
_EPS = 1e-5


def centroid_distance(pair: Pair) -> float:
    """Distance of the centroids of the map above one half and of the mask, in picture widths.

    Published with A2S-v2. Where either is empty the distance counts as 320 pixels.
    """
    width = pair.mask.shape[1] + _EPS
    above = levels.lookup((pair.values > 0.5).astype(np.uint8), pair.codes)
    found, true = _centroid(above), _centroid(pair.mask)
    if found is None or true is None:
        return _NOWHERE / width
    return math.dist(found, true) / width


def _centroid(mask: Mask) -> tuple[float, float] | None:
    """(x, y) of the pixels that are not 0; None = there are none."""
    moments = cv2.moments(np.ascontiguousarray(mask), binaryImage=True)
    if not moments["m00"]:
        return None
    return moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]
