"""Saved outputs of any method, brought into one form: ranked objects of each image.

Three kinds of source: a results JSON, a folder of grey rank maps, a folder of dense saliency maps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sor_ppa.data.files import files_by_stem
from sor_ppa.data.image_io import read_grey
from sor_ppa.data.problems import PathLike
from sor_ppa.errors import DataError
from sor_ppa.evaluation.ground_truth import GroundTruth
from sor_ppa.evaluation.map_objects import ranks_by_saliency, split_rank_map
from sor_ppa.evaluation.results_io import RankedResults, Record
from sor_ppa.evaluation.rle import decode_masks
from sor_ppa.evaluation.scoring import RankedObjects

Image = npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class SavedPrediction:
    """One image's prediction.

    Attributes:
        objects: its objects.
        rank_map: its rank map uint8 (H, W); None = to be painted from the objects.
        looks_dense: the map is no rank map: it has no flat patch, or more greys than ranks.
    """

    objects: RankedObjects
    rank_map: Image | None = None
    looks_dense: bool = False


class PredictionSource:
    """Base of the sources.

    Attributes:
        kind: what it reads, for the report.
        has_scores: whether objects have confidence scores (thresholds and AP need them).
        missing: images of the ground truth without a prediction.
        extra: predictions of no image of the ground truth.
    """

    kind = ""
    has_scores = False

    def __init__(self) -> None:
        self.missing: list[str] = []
        self.extra: list[str] = []

    def has(self, index: int) -> bool:
        """Whether there is a prediction for that image."""
        raise NotImplementedError

    def load(self, index: int, gt: RankedObjects, *, num_ranks: int) -> SavedPrediction:
        """Reads the prediction of one image; ``gt`` gives the picture's size and objects.

        Raises:
            SaliencyError: the prediction cannot be read, or has another size.
        """
        raise NotImplementedError

    def records(self, index: int) -> list[Record]:
        """The objects as COCO records, where the source has scores."""
        return []


class ResultsSource(PredictionSource):
    """Objects of a results JSON, found by image id and file name, or by file name alone.

    A file without a list of images cannot tell an image without objects from a missing one: such
    images count as predicted empty.
    """

    kind = "ranked instances"
    has_scores = True

    def __init__(self, results: RankedResults, gt: GroundTruth, *, name: str = "results") -> None:
        """Assigns each result to an image of the ground truth.

        Raises:
            DataError: an id that stands for two different pictures, or two entries of one picture.
        """
        super().__init__()
        self._name = name
        if results.images is None:
            known = {key: gt.index(key) for key in results.by_image() if gt.has(key)}
            self._by_index: dict[int, list[Record]] = {index: [] for index in range(len(gt))}
        else:
            known = _match_images(results.images, gt, name)
            self._by_index = {}
        for image_id, records in results.by_image().items():
            if image_id in known:
                self._by_index[known[image_id]] = records
            else:
                self.extra.append(_image_label(image_id, results.images))
        self.missing = [gt.names[i] for i in range(len(gt)) if i not in self._by_index]

    def has(self, index: int) -> bool:
        """Whether there is a prediction for that image."""
        return index in self._by_index

    def load(self, index: int, gt: RankedObjects, *, num_ranks: int) -> SavedPrediction:
        """Decodes the masks of one image; those without a rank take no part and are left out."""
        return self.decode(index, gt.size_hw, ranks=range(1, num_ranks + 1))

    def decode(
        self, index: int, size_hw: tuple[int, int], *, ranks: Container[int] | None = None
    ) -> SavedPrediction:
        """The objects of one image, all of them or those of the given ranks.

        Raises:
            DataError: a mask of another size than the picture.
        """
        records = self._by_index[index]
        if ranks is not None:
            records = [record for record in records if record["rank"] in ranks]
        try:
            masks = decode_masks([r["segmentation"] for r in records], size_hw=size_hw)
        except ValueError as error:
            label = repr(records[0]["image_id"])
            raise DataError([f"{self._name}: image {label}: segmentation: {error}"]) from error
        given = [record["rank"] for record in records]
        scores = [float(record["score"]) for record in records]
        return SavedPrediction(RankedObjects.of(masks, given, scores, size_hw=size_hw))

    def records(self, index: int) -> list[Record]:
        """The objects as COCO records."""
        return self._by_index[index]


class RankMapSource(PredictionSource):
    """A folder of grey rank maps, one a picture, named like it; brighter = more salient."""

    kind = "rank maps"

    def __init__(self, folder: PathLike, gt: GroundTruth) -> None:
        """Lists the folder.

        Raises:
            DataError: no such folder, or no picture in it.
        """
        super().__init__()
        self._paths, self.missing, self.extra = _match_files(folder, gt)

    def has(self, index: int) -> bool:
        """Whether there is a map for that image."""
        return index in self._paths

    def load(self, index: int, gt: RankedObjects, *, num_ranks: int) -> SavedPrediction:
        """Reads a map and splits it into objects."""
        rank_map = self.read(index, gt.size_hw)
        masks, ranks = split_rank_map(rank_map)
        dense = len(ranks) > num_ranks or (len(ranks) == 0 and bool(rank_map.any()))
        # Only those that can count: a dense map has a mask for each of its greys.
        objects = RankedObjects.of(masks[:num_ranks], ranks[:num_ranks], size_hw=gt.size_hw)
        return SavedPrediction(objects, rank_map, dense)

    def read(self, index: int, size_hw: tuple[int, int]) -> Image:
        """The map as it is, uint8 (H, W).

        Raises:
            DataError: it has another size than the picture.
            ImageError: it cannot be read.
        """
        path = self._paths[index]
        rank_map = read_grey(path)
        if rank_map.shape != size_hw:
            raise DataError(
                [
                    f"{path}: the map is {rank_map.shape[0]} x {rank_map.shape[1]} (H x W), its "
                    f"picture {size_hw[0]} x {size_hw[1]}"
                ]
            )
        return rank_map


class SaliencySource(RankMapSource):
    """Dense saliency maps that order given objects by the map's mean inside each.

    The objects are the ranked ones of the ground truth, or those of a results JSON.
    """

    kind = "saliency maps"

    def __init__(
        self, folder: PathLike, gt: GroundTruth, objects: ResultsSource | None = None
    ) -> None:
        """Lists the folder; an image without an entry in ``objects`` is missing too."""
        super().__init__(folder, gt)
        self._objects = objects
        self.has_scores = objects is not None
        if objects is not None:
            self.kind = "saliency maps and instances"
            self.missing = sorted({*self.missing, *objects.missing})
            self.extra += objects.extra

    def has(self, index: int) -> bool:
        """Whether there are a map and objects for that image."""
        return super().has(index) and (self._objects is None or self._objects.has(index))

    def load(self, index: int, gt: RankedObjects, *, num_ranks: int) -> SavedPrediction:
        """Reads a map and ranks the objects by it."""
        saliency = self.read(index, gt.size_hw)
        if self._objects is None:
            objects = gt.ranked(num_ranks)
        else:
            objects = self._objects.decode(index, gt.size_hw).objects
        ranks = ranks_by_saliency(saliency, objects.masks)
        return SavedPrediction(dataclasses.replace(objects, ranks=ranks))

    def records(self, index: int) -> list[Record]:
        """The given objects as COCO records; none when they are the true ones."""
        return [] if self._objects is None else self._objects.records(index)


def _match_files(folder: PathLike, gt: GroundTruth) -> tuple[dict[int, str], list[str], list[str]]:
    """(path of each index, names without a file, files without an image)."""
    if not Path(folder).expanduser().is_dir():
        raise DataError([f"{folder}: no such folder"], what="predictions")
    files = files_by_stem(Path(folder).expanduser())
    if not files:
        raise DataError([f"{folder}: holds no picture (.png, .jpg, ...)"], what="predictions")
    names = set(gt.names)
    paths = {index: files[name] for index, name in enumerate(gt.names) if name in files}
    missing = [name for name in gt.names if name not in files]
    return paths, missing, [Path(path).name for stem, path in files.items() if stem not in names]


def _match_images(
    images: Mapping[int | str, Mapping[str, Any]], gt: GroundTruth, name: str
) -> dict[int | str, int]:
    """Index in the ground truth of each image of a results file that is in it."""
    by_name = {stem: index for index, stem in enumerate(gt.names)}
    known: dict[int | str, int] = {}
    taken: set[int] = set()
    problems = []
    for image_id, image in images.items():
        where = f"{name}: image {image_id!r}"
        index = _match_image(image_id, image, gt, by_name)
        if index is None and gt.has(image_id):
            truth = Path(gt.images[gt.index(image_id)]["file_name"]).name
            problems.append(
                f"{where}: file_name is {image['file_name']!r}, in the ground truth that id is "
                f"{truth!r}"
            )
        elif index is not None and index in taken:
            problems.append(f"{where}: {image.get('file_name')!r} was listed before")
        elif index is not None:
            known[image_id] = index
            taken.add(index)
            problems += _size_problems(image, gt.size_hw(index), where)
    if problems:
        raise DataError(problems, what=f"matching {name} with the ground truth")
    return known


def _match_image(
    image_id: int | str, image: Mapping[str, Any], gt: GroundTruth, by_name: Mapping[str, int]
) -> int | None:
    """By id where the file name does not speak against it, else by file name."""
    stem = Path(image["file_name"]).stem if "file_name" in image else None
    if gt.has(image_id):
        index = gt.index(image_id)
        if stem is None or stem == gt.stem(index):
            return index
    return None if stem is None else by_name.get(stem)


def _size_problems(image: Mapping[str, Any], size_hw: Sequence[int], where: str) -> list[str]:
    if (image["height"], image["width"]) == tuple(size_hw):
        return []
    return [
        f"{where}: is {image['height']} x {image['width']} (H x W), in the ground truth "
        f"{size_hw[0]} x {size_hw[1]}"
    ]


def _image_label(image_id: int | str, images: Mapping[int | str, Mapping[str, Any]] | None) -> str:
    file_name = (images or {}).get(image_id, {}).get("file_name")
    return f"image {image_id!r}" + (f" ({file_name})" if file_name else "")
