"""Run-length masks as the results files hold them: ``{"size": [h, w], "counts": text}``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sor_ppa.data.ranking.annotations import compressed_rle, segmentation_problem

Rle = dict[str, Any]


def encode_masks(masks: npt.NDArray[Any]) -> list[Rle]:
    """Bool masks (R, H, W) as R run-length dicts."""
    from pycocotools import mask as mask_utils

    if len(masks) == 0:
        return []
    columns = np.asfortranarray(np.asarray(masks, dtype=np.uint8).transpose(1, 2, 0))  # (H, W, R)
    return [_with_text(rle) for rle in mask_utils.encode(columns)]


def decode_masks(rles: Sequence[Rle], *, size_hw: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Run-length dicts, checked beforehand, as bool masks (R, H, W).

    Raises:
        ValueError: a mask of another size than (H, W).
    """
    from pycocotools import mask as mask_utils

    for rle in rles:
        if tuple(rle["size"]) != tuple(size_hw):
            raise ValueError(
                f"a mask is {rle['size'][0]} x {rle['size'][1]} (H x W), its image "
                f"{size_hw[0]} x {size_hw[1]}"
            )
    if len(rles) == 0:
        return np.zeros((0, *size_hw), dtype=bool)
    columns = mask_utils.decode(list(rles))  # (H, W, R)
    return columns.transpose(2, 0, 1).astype(bool, order="C")


def segmentation_to_rle(segmentation: object, height: int, width: int) -> Rle:
    """A COCO segmentation (polygons, plain or compressed run lengths) as a run-length dict.

    Raises:
        ValueError: the segmentation is faulty.
    """
    from pycocotools import mask as mask_utils

    problem = segmentation_problem(segmentation, height, width)
    if problem:
        raise ValueError(problem)
    if isinstance(segmentation, dict):
        return _with_text(compressed_rle(segmentation, height, width))
    polygons = [np.asarray(p, dtype=np.float64).tolist() for p in segmentation]  # type: ignore
    return _with_text(mask_utils.merge(mask_utils.frPyObjects(polygons, height, width)))


def box_of_rle(rle: Rle) -> list[float]:
    """Tightest box [x, y, w, h] around a mask; zeros for an empty one."""
    from pycocotools import mask as mask_utils

    return [float(value) for value in mask_utils.toBbox(rle)]


def _with_text(rle: Rle) -> Rle:
    counts = rle["counts"]
    text = counts.decode("ascii") if isinstance(counts, bytes) else counts
    return {"size": [int(side) for side in rle["size"]], "counts": text}
