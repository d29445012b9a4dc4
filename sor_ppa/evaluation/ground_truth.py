"""Ranked ground truth of a data set, decoded image by image when it is asked for."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from detectron2.structures import BoxMode

from sor_ppa.data.image_io import image_size, read_grey
from sor_ppa.data.ranking.annotations import segmentation_to_mask
from sor_ppa.errors import DataError
from sor_ppa.evaluation.results_checks import Id
from sor_ppa.evaluation.rle import segmentation_to_rle
from sor_ppa.evaluation.scoring import RankedObjects
from sor_ppa.visualization.rank_maps import rank_greys

logger = logging.getLogger(__name__)


class GroundTruth:
    """What is true about the images of a data set, by their place (index) in it.

    Attributes:
        name: for messages.
        images: the dataset dicts.
        names: a file name for each image's outputs, without suffix and unique: the picture's own
            stem, with the index behind it where several pictures share a stem.
        num_ranks: ranks above it count as 0, "not ranked".
    """

    def __init__(
        self,
        dataset_dicts: Sequence[Mapping[str, Any]],
        *,
        name: str = "data set",
        gt_root: str | None = None,
        num_ranks: int = 5,
        ranked_only: bool = True,
    ) -> None:
        """Takes detectron2 dataset dicts whose annotations have a ``gt_rank``.

        Args:
            dataset_dicts: one a picture.
            name: for messages.
            gt_root: folder of true rank maps ``<stem>.png``; None paints them from the masks.
            num_ranks: objects that have a rank.
            ranked_only: objects without a rank are background for AP and AR too.

        Raises:
            DataError: two images of one id, or missing rank maps.
        """
        self.name = name
        self.images = list(dataset_dicts)
        self.num_ranks = num_ranks
        self._ranked_only = ranked_only
        self._indices: dict[Id, int] = {}
        self._warned = False
        problems = []
        for index, image in enumerate(self.images):
            if image["image_id"] in self._indices:
                problems.append(f"{name}: image_id {image['image_id']!r} is used twice")
            self._indices[image["image_id"]] = index
        self.names = _unique_stems([str(image["file_name"]) for image in self.images])
        self._maps = _map_paths(gt_root, self.images, problems)
        if problems:
            raise DataError(problems, what=f"ground truth of {name}")

    def __len__(self) -> int:
        return len(self.images)

    def index(self, image_id: Id) -> int:
        """Place of an image in the data set.

        Raises:
            DataError: no such image.
        """
        try:
            return self._indices[image_id]
        except KeyError:
            raise DataError(
                [f"image_id {image_id!r} is not in {self.name}; is this another data set's output?"]
            ) from None

    def has(self, image_id: Id) -> bool:
        """Whether the data set has an image of that id."""
        return image_id in self._indices

    def stem(self, index: int) -> str:
        """The picture's file name without folder and suffix."""
        return Path(str(self.images[index]["file_name"])).stem

    def size_hw(self, index: int) -> tuple[int, int]:
        """(height, width) of a picture; from its header when the dataset dict does not say."""
        image = self.images[index]
        if "height" in image and "width" in image:
            return int(image["height"]), int(image["width"])
        return image_size(image["file_name"])

    def objects(self, index: int) -> RankedObjects:
        """The true objects of an image, crowds left out; ranks above ``num_ranks`` are 0.

        Raises:
            DataError: a faulty segmentation.
        """
        size_hw = self.size_hw(index)
        masks, ranks = [], []
        for item in self._annotations(index):
            if item.get("iscrowd", 0):
                continue
            try:
                masks.append(segmentation_to_mask(item["segmentation"], *size_hw))
            except ValueError as error:
                raise self._fault(index, error) from error
            ranks.append(self._rank(item))
        return RankedObjects.of(masks, ranks, size_hw=size_hw)

    def rank_map(self, index: int, objects: RankedObjects) -> npt.NDArray[np.uint8]:
        """True rank map uint8 (H, W): from the data set's own file, else painted from the masks.

        Raises:
            DataError: the file has another size than the picture.
            ImageError: it cannot be read.
        """
        if self._maps is None:
            return objects.paint(num_ranks=self.num_ranks, drawing="exact")
        rank_map = read_grey(self._maps[index])
        if rank_map.shape != self.size_hw(index):
            raise DataError(
                [
                    f"{self._maps[index]}: is {rank_map.shape[0]} x {rank_map.shape[1]} (H x W), "
                    f"its picture {self.size_hw(index)[0]} x {self.size_hw(index)[1]}"
                ]
            )
        self._check_greys(rank_map, self._maps[index])
        return rank_map

    def _check_greys(self, rank_map: npt.NDArray[np.uint8], path: str) -> None:
        """Warns once where a data set's maps speak another language than the painted ones."""
        counts = np.bincount(rank_map.reshape(-1), minlength=256)
        counts[rank_greys(self.num_ranks)] = 0
        if counts.any() and not self._warned:
            self._warned = True
            logger.warning(
                "%s: has greys such as %d that are not those of %d ranks; MAE then compares two "
                "different codes of rank",
                path,
                counts.argmax(),
                self.num_ranks,
            )

    def records(self, index: int) -> list[dict[str, Any]]:
        """The true objects as COCO records with ``image_id`` = index, for AP and AR."""
        records = []
        for item in self._annotations(index):
            crowd = int(item.get("iscrowd", 0))
            if self._ranked_only and not crowd and self._rank(item) == 0:
                continue
            try:
                rle = segmentation_to_rle(item["segmentation"], *self.size_hw(index))
            except ValueError as error:
                raise self._fault(index, error) from error
            mode = item.get("bbox_mode", BoxMode.XYWH_ABS)
            box = BoxMode.convert([float(v) for v in item["bbox"]], mode, BoxMode.XYWH_ABS)
            records.append(
                {"image_id": index, "bbox": list(box), "segmentation": rle, "iscrowd": crowd}
            )
        return records

    def ranks_left_out(self) -> int:
        """Number of true objects whose rank is above ``num_ranks``."""
        ranks = [int(a.get("gt_rank", 0)) for image in self.images for a in _items(image)]
        return sum(rank > self.num_ranks for rank in ranks)

    def _annotations(self, index: int) -> Sequence[Mapping[str, Any]]:
        return _items(self.images[index])

    def _rank(self, item: Mapping[str, Any]) -> int:
        rank = int(item.get("gt_rank", 0))
        return rank if 0 < rank <= self.num_ranks else 0

    def _fault(self, index: int, error: ValueError) -> DataError:
        image_id = self.images[index]["image_id"]
        return DataError([f"{self.name}: image {image_id!r}: segmentation: {error}"])


def _items(image: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return image.get("annotations") or ()


def _unique_stems(file_names: Sequence[str]) -> tuple[str, ...]:
    stems = [Path(name).stem for name in file_names]
    counts = Counter(stems)
    names = []
    for index, stem in enumerate(stems):
        name = stem if counts[stem] == 1 else f"{stem}_{index}"
        while name != stem and name in counts:  # another picture already has the longer name
            name += "_"
        names.append(name)
    return tuple(names)


def _map_paths(
    gt_root: str | None, images: Sequence[Mapping[str, Any]], problems: list[str]
) -> list[str] | None:
    """File of each true rank map; the missing ones go into ``problems``."""
    if gt_root is None:
        return None
    root = os.path.expanduser(gt_root)
    there = set(os.listdir(root)) if os.path.isdir(root) else set()
    names = [Path(str(image["file_name"])).stem + ".png" for image in images]
    missing = [name for name in names if name not in there]
    problems += [f"{os.path.join(root, name)}: no true rank map" for name in missing]
    return [os.path.join(root, name) for name in names]
