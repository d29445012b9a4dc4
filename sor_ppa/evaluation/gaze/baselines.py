"""Maps that have not looked at the image: what every model must beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from sor_ppa.data.fixation.maps import fixation_map
from sor_ppa.errors import DataError

__all__ = ["mean_map"]

_SIDE = 256


def mean_map(records: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """The mean of a training set's fixation maps, each divided by its sum.

    Args:
        records: dataset dicts of the training set; never of the set that is scored.

    Returns:
        float64 (256, 256): maps of any shape are brought to a square, and the mean is to be
        stretched to the size of the image that it stands for.

    Raises:
        DataError: none of the maps has anything in it.
    """
    total, count = np.zeros((_SIDE, _SIDE)), 0
    for record in records:
        grey = fixation_map(record).astype(np.float64)
        if grey.sum() > 0:
            total += cv2.resize(grey / grey.sum(), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
            count += 1
    if count == 0:
        raise DataError(["none of the training set's fixation maps has anything in it"])
    return total / count
