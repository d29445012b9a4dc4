"""Objects of pictures out of a file, to be ranked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from detectron2.structures import Boxes, Instances

from sor_ppa.data.problems import Problems, read_json
from sor_ppa.data.ranking.annotations import segmentation_to_mask
from sor_ppa.data.ranking.coco_file import read_coco
from sor_ppa.errors import DataError
from sor_ppa.evaluation.results_io import read_results
from sor_ppa.evaluation.rle import decode_masks
from sor_ppa.showing.inputs import Source

__all__ = ["GivenObjects", "instances_of_masks"]


class GivenObjects:
    """The objects of a COCO instances file, or of a results.json of ours.

    Crowd regions are left out. A picture is found by its path below the folder that the user
    named, or else by its name alone.

    Args:
        path: of the JSON file.

    Raises:
        DataError: it is neither, or faulty; with every fault.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        data = read_json(path)
        if isinstance(data, dict) and "annotations" in data:
            self._by_name = _of_coco(path)
        else:
            self._by_name = _of_results(path)
        names = [PurePath(name).name for name in self._by_name]
        self._unique = {
            PurePath(name).name: name
            for name in self._by_name
            if names.count(PurePath(name).name) == 1
        }

    def of(self, source: Source, size_hw: tuple[int, int]) -> Instances:
        """The objects of a picture, unranked.

        Raises:
            DataError: the file does not name the picture, or its size is another.
        """
        name = source.label if source.label in self._by_name else None
        name = name or self._unique.get(PurePath(source.path).name)
        if name is None:
            raise DataError([f"{self.path}: names no picture {PurePath(source.path).name}"])
        image, objects = self._by_name[name]
        size = image.get("height"), image.get("width")
        if size != tuple(size_hw):
            here, there = (" x ".join(map(str, each)) for each in (size_hw, size))
            text = f"{source.path}: is {here} (height x width), in {self.path} {there}"
            raise DataError([text])
        masks = [_mask(item, size_hw) for item in objects]
        return instances_of_masks(masks, [float(item.get("score", 1)) for item in objects], size_hw)


def instances_of_masks(
    masks: list[np.ndarray], scores: list[float], size_hw: tuple[int, int]
) -> Instances:
    """Instances with ``pred_masks``, ``pred_boxes``, ``scores``, ``pred_classes`` and no ranks (0).

    Args:
        masks: bool (H, W) each.
        scores: one for each.
        size_hw: (height, width) of the picture.
    """
    stacked = torch.from_numpy(np.stack(masks) if masks else np.zeros((0, *size_hw), bool))
    instances = Instances(size_hw)
    instances.pred_masks = stacked
    instances.pred_boxes = Boxes(torch.tensor([_box(mask) for mask in masks]).reshape(-1, 4))
    instances.scores = torch.tensor(scores)
    instances.pred_classes = torch.zeros(len(masks), dtype=torch.int64)
    instances.pred_ranks = torch.zeros(len(masks), dtype=torch.int64)
    return instances


Objects = dict[str, tuple[Mapping[str, Any], list[dict[str, Any]]]]


def _of_coco(path: str) -> Objects:
    problems = Problems(path)
    coco = read_coco(path, "", problems, ranks=False, need_pictures=False)
    problems.finish()
    return {
        image["file_name"]: (
            image,
            [item for item in coco.annotations[key] if not item.get("iscrowd")],
        )
        for key, image in coco.images.items()
    }


def _of_results(path: str) -> Objects:
    results = read_results(path, need_ranks=False)
    if results.images is None:
        raise DataError(
            [f"{path}: a bare list of results names no pictures; give the object that has 'images'"]
        )
    groups = results.by_image()
    return {image["file_name"]: (image, groups[key]) for key, image in results.images.items()}


def _mask(item: Mapping[str, Any], size_hw: tuple[int, int]) -> np.ndarray:
    segmentation = item.get("segmentation")
    if isinstance(segmentation, dict) and isinstance(segmentation.get("counts"), (str, bytes)):
        return decode_masks([segmentation], size_hw=size_hw)[0]  # type: ignore[list-item]
    if segmentation:
        return segmentation_to_mask(segmentation, *size_hw)
    mask = np.zeros(size_hw, dtype=bool)
    x, y, width, height = (round(value) for value in item["bbox"])
    mask[max(y, 0) : y + height, max(x, 0) : x + width] = True
    return mask


def _box(mask: np.ndarray) -> list[float]:
    """(x1, y1, x2, y2) around a mask; zeros for an empty one."""
    ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if ys.size == 0:
        return [0.0] * 4
    return [float(xs[0]), float(ys[0]), float(xs[-1] + 1), float(ys[-1] + 1)]
