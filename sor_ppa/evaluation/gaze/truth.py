"""The fixations of a data set, against which maps of its images are scored one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from sor_ppa.data.files import in_threads
from sor_ppa.data.fixation.points import fixation_points
from sor_ppa.data.image_io import image_size
from sor_ppa.errors import DataError, SaliencyError
from sor_ppa.evaluation.gaze.maps import matlab_resize
from sor_ppa.evaluation.gaze.pooled import PooledFixations
from sor_ppa.evaluation.gaze.scoring import OTHER_IMAGES, Others, Rules, score_image

__all__ = ["FixationTruth"]


class FixationTruth:
    """Fixations and sizes of the images of a set, read once.

    Attributes:
        names: image ids, in the order of the set.
        points: int64 (K, 2) of each image; images without any are not scored.
        sizes: (height, width) of each.
        faults: a line for each image whose files cannot be used; it counts as one without
            fixations.

    Args:
        records: dataset dicts with fixations.
        rules: what is computed.

    Raises:
        DataError: no image has fixations, or an id is used twice.
    """

    def __init__(self, records: Sequence[Mapping[str, Any]], rules: Rules) -> None:
        self.rules = rules
        self.names = [str(record["image_id"]) for record in records]
        if len(set(self.names)) < len(self.names):
            twice = sorted({name for name in self.names if self.names.count(name) > 1})
            raise DataError([f"image_id {name!r} is used twice" for name in twice])
        read = in_threads(_read, records)
        self.sizes = [size for size, _, _ in read]
        self.points = [points for _, points, _ in read]
        self.faults = [fault for _, _, fault in read if fault]
        if not any(len(points) for points in self.points):
            text = "none of the images has a fixation: there is nothing to score"
            raise DataError([text, *self.faults])
        self.index = {name: index for index, name in enumerate(self.names)}
        self._pool = PooledFixations(self.points, self.sizes)

    def score(self, index: int, fixation: np.ndarray) -> dict[str, float] | None:
        """The metrics of a map (h, w) of an image; None if nobody looked at the image.

        A map of another size is brought to the image's: bilinearly, or as the MIT benchmark does.
        """
        if len(self.points[index]) == 0:
            return None
        fixation = self._fitted(np.asarray(fixation, dtype=np.float64), self.sizes[index])
        others = self._others(index)
        return score_image(fixation, self.points[index], self.rules, others=others, place=index)

    def _others(self, index: int) -> Others | None:
        if "sAUC" not in self.rules.metrics or len(self.points) < 2:
            return None
        if self.rules.flavour == "mit":
            rng = np.random.default_rng([self.rules.seed, index, 1])
            return Others(places=self._pool.others(index, OTHER_IMAGES, rng))
        return Others(counts=self._pool.counts(index))

    def _fitted(self, fixation: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
        if fixation.shape == tuple(size_hw):
            return fixation
        if self.rules.flavour == "mit":
            # There maps are pictures, which cannot overshoot their range.
            return matlab_resize(fixation, size_hw).clip(fixation.min(), fixation.max())
        return cv2.resize(fixation, size_hw[::-1], interpolation=cv2.INTER_LINEAR)


def _read(record: Mapping[str, Any]) -> tuple[tuple[int, int], np.ndarray, str]:
    """Size and points of an image, or why there are none."""
    nothing = np.zeros((0, 2), np.int64)
    try:
        size = _size(record)
        return size, fixation_points({**record, "height": size[0], "width": size[1]}), ""
    except SaliencyError as error:
        return (1, 1), nothing, str(error)


def _size(record: Mapping[str, Any]) -> tuple[int, int]:
    if "height" in record and "width" in record:
        return int(record["height"]), int(record["width"])
    return image_size(record["file_name"])
