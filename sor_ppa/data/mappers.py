"""Dataset dict -> model input. Mappers are looked up by name (INPUT.DATASET_MAPPER_NAME)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode, configurable
from detectron2.data import detection_utils as utils
from detectron2.data import transforms as T
from detectron2.structures import BitMasks, Instances, PolygonMasks
from fvcore.common.registry import Registry

from sor_ppa.data.dataset_dicts import size_differs
from sor_ppa.data.dense.mapper import DenseMapper
from sor_ppa.data.fixation.mapper import FixationMapper
from sor_ppa.data.image_io import MAX_PIXELS, read_image
from sor_ppa.data.transforms import build_augmentation
from sor_ppa.errors import ConfigError, DataError

DATASET_MAPPERS = Registry("DATASET_MAPPERS")
DATASET_MAPPERS.__doc__ = """Functions (cfg, is_train) -> mapper, by the name used in configs."""

Mapper = Callable[[dict[str, Any]], dict[str, Any]]


def build_mapper(cfg: CfgNode, is_train: bool) -> Mapper:
    """The mapper that INPUT.DATASET_MAPPER_NAME names.

    Raises:
        ConfigError: no mapper of that name is registered.
    """
    name = cfg.INPUT.DATASET_MAPPER_NAME
    if name not in DATASET_MAPPERS:
        known = ", ".join(sorted(key for key, _ in DATASET_MAPPERS))
        raise ConfigError(f"INPUT.DATASET_MAPPER_NAME {name!r} is unknown; registered: {known}")
    return DATASET_MAPPERS.get(name)(cfg, is_train)


@DATASET_MAPPERS.register()
def ranking(cfg: CfgNode, is_train: bool) -> RankingMapper:
    """The mapper for pictures with ranked objects."""
    return RankingMapper(cfg, is_train)


@DATASET_MAPPERS.register()
def dense(cfg: CfgNode, is_train: bool) -> DenseMapper:
    """The mapper for pictures with saliency masks."""
    return DenseMapper(cfg, is_train)


@DATASET_MAPPERS.register()
def fixation(cfg: CfgNode, is_train: bool) -> FixationMapper:
    """The mapper for pictures with fixations."""
    return FixationMapper(cfg, is_train)


class RankingMapper:
    """Maps a picture with ranked objects to the input of a ranking model.

    detectron2's standard mapper plus ``gt_ranks``. Ranks become part of the instances before empty
    ones are filtered, so that the two always agree in length. Crowd regions are left out.

    Args:
        is_train: True adds ``instances``; False leaves annotations out.
        augmentations: applied in order; detectron2's random state (NumPy's global one) decides.
        image_format: "BGR" or "RGB".
        mask_format: "polygon" or "bitmask"; a picture with run-length masks always gets bit masks.
        num_ranks: ranks above this count as 0 = not ranked.
        drop_unranked: leave out objects of rank 0.
        recompute_boxes: boxes are made anew from the masks, after a crop.
        max_pixels: larger pictures are refused.
    """

    @configurable
    def __init__(
        self,
        *,
        is_train: bool,
        augmentations: Sequence[T.Augmentation],
        image_format: str = "BGR",
        mask_format: str = "polygon",
        num_ranks: int = 5,
        drop_unranked: bool = True,
        recompute_boxes: bool = False,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        if mask_format not in ("polygon", "bitmask"):
            raise ConfigError(f"INPUT.MASK_FORMAT must be polygon or bitmask, got {mask_format!r}")
        self.is_train = is_train
        self.augmentations = T.AugmentationList(list(augmentations))
        self.image_format = image_format
        self.mask_format = mask_format
        self.num_ranks = num_ranks
        self.drop_unranked = drop_unranked
        self.recompute_boxes = recompute_boxes
        self.max_pixels = max_pixels

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool = True) -> dict[str, Any]:
        """Arguments of the constructor, out of a config."""
        augmentations = build_augmentation(cfg, is_train)
        crop = cfg.INPUT.CROP.ENABLED and is_train
        if crop:
            augmentations.insert(0, T.RandomCrop(cfg.INPUT.CROP.TYPE, cfg.INPUT.CROP.SIZE))
        return {
            "is_train": is_train,
            "augmentations": augmentations,
            "image_format": cfg.INPUT.FORMAT,
            "mask_format": cfg.INPUT.MASK_FORMAT,
            "num_ranks": cfg.MODEL.SOR.NUM_RANKS,
            "drop_unranked": cfg.INPUT.RANKING.DROP_UNRANKED,
            "recompute_boxes": crop,
            "max_pixels": cfg.INPUT.MAX_PIXELS,
        }

    def __call__(self, dataset_dict: dict[str, Any]) -> dict[str, Any]:
        """Reads, augments and converts one picture.

        Args:
            dataset_dict: detectron2 dataset dict; it is not changed.

        Returns:
            The dict without ``annotations``, plus ``image`` uint8 (3, H, W), the original
            ``height`` and ``width`` and, in training, ``instances`` with ``gt_boxes``,
            ``gt_classes``, ``gt_masks`` and ``gt_ranks`` int64 (R,).

        Raises:
            ImageError: the picture cannot be read.
            DataError: its size is not the annotated one, or an object has no rank.
        """
        output = {key: value for key, value in dataset_dict.items() if key != "annotations"}
        image = read_image(
            output["file_name"], format=self.image_format, max_pixels=self.max_pixels
        )
        problem = size_differs(output, image.shape[:2])
        if problem:
            raise DataError([f"{output['file_name']}: {problem}"])
        output["height"], output["width"] = image.shape[:2]

        aug_input = T.AugInput(image)
        transforms = self.augmentations(aug_input)
        image = aug_input.image  # (H, W, 3)
        output["image"] = torch.from_numpy(image.transpose(2, 0, 1).copy(order="C"))
        if self.is_train and "annotations" in dataset_dict:
            objects = self._objects(dataset_dict)
            output["instances"] = self._instances(objects, transforms, image.shape[:2])
        return output

    def _objects(self, dataset_dict: dict[str, Any]) -> list[dict[str, Any]]:
        """Copies of the annotations that take part, with ``gt_rank`` in 0..num_ranks."""
        objects = []
        for annotation in dataset_dict["annotations"]:
            if annotation.get("iscrowd", 0):
                continue
            if self.drop_unranked and "gt_rank" not in annotation:
                remedy = "load_ranked_coco sets it; or set INPUT.RANKING.DROP_UNRANKED to False"
                raise DataError(
                    [f"{dataset_dict['file_name']}: an object has no gt_rank; {remedy}"]
                )
            rank = annotation.get("gt_rank", 0)
            rank = rank if rank <= self.num_ranks else 0
            if rank > 0 or not self.drop_unranked:
                objects.append({**annotation, "gt_rank": rank})
        return objects

    def _instances(
        self, objects: list[dict[str, Any]], transforms: T.Transform, size_hw: tuple[int, int]
    ) -> Instances:
        runs = any(isinstance(item["segmentation"], dict) for item in objects)
        mask_format = "bitmask" if runs else self.mask_format
        moved = [
            utils.transform_instance_annotations(_as_floats(item), transforms, size_hw)
            for item in objects
        ]
        instances = utils.annotations_to_instances(moved, size_hw, mask_format=mask_format)
        if not moved:  # detectron2 leaves the field out then, and heads stumble over it
            instances.gt_masks = _no_masks(mask_format, size_hw)
        ranks = [item["gt_rank"] for item in objects]
        instances.gt_ranks = torch.tensor(ranks, dtype=torch.int64)
        if self.recompute_boxes:
            instances.gt_boxes = instances.gt_masks.get_bounding_boxes()
        return utils.filter_empty_instances(instances)


def _as_floats(annotation: dict[str, Any]) -> dict[str, Any]:
    """A copy whose coordinates are float64: transforms write back into integer arrays otherwise."""
    segmentation = annotation["segmentation"]
    if not isinstance(segmentation, dict):
        segmentation = [np.array(polygon, dtype=np.float64) for polygon in segmentation]
    bbox = [float(value) for value in annotation["bbox"]]
    return {**annotation, "bbox": bbox, "segmentation": segmentation}


def _no_masks(mask_format: str, size_hw: tuple[int, int]) -> PolygonMasks | BitMasks:
    if mask_format == "polygon":
        return PolygonMasks([])
    return BitMasks(torch.zeros((0, *size_hw), dtype=torch.bool))
