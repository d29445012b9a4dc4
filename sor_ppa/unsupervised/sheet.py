"""A few training pictures with everything that was made of them, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog

from sor_ppa.data.dense.modalities import read_modalities
from sor_ppa.data.dense.pseudo import label_path
from sor_ppa.data.image_io import read_grey, read_image, write_image
from sor_ppa.data.mappers import build_mapper
from sor_ppa.data.mask_io import read_grey_mask
from sor_ppa.engine.predictor import Predictor
from sor_ppa.evaluation.dense_evaluator import Grey, to_grey
from sor_ppa.visualization.contact_sheet import Tile, contact_sheets

PICTURES = 6
_HEIGHT = 160


class Shown(NamedTuple):
    """A training picture."""

    task: str
    dataset: str  # registered name
    item: dict[str, Any]  # dataset dict
    mask: Any  # file or files; None = there is none


def chosen_pictures(
    task: str, names: Sequence[str], number: int, masks: Mapping[str, Mapping[str, Any]]
) -> list[Shown]:
    """Pictures spread evenly over data sets.

    Args:
        task: of the sets.
        names: registered sets.
        number: of pictures at most.
        masks: by name of the set, by image id.
    """
    found = [(name, item) for name in names for item in DatasetCatalog.get(name)]
    places = np.linspace(0, len(found) - 1, min(number, len(found))).round().astype(int)
    chosen = [found[place] for place in places]
    return [Shown(task, n, item, masks[n].get(str(item["image_id"]))) for n, item in chosen]


def saliency_maps(cfg: CfgNode, shown: Sequence[Shown], *, allow_pickle: bool) -> list[Grey]:
    """Maps of pictures, uint8 (H, W) each, by the network of a config (MODEL.WEIGHTS)."""
    predictor = Predictor(cfg, allow_pickle=allow_pickle)
    mapper = build_mapper(predictor.cfg, is_train=False)
    maps = []
    for picture in shown:
        saliency = predictor.predict([mapper(picture.item)])[0]["saliency"]
        maps.append(to_grey(saliency, saliency.shape))
    return maps


def sheet_row(
    shown: Shown, first: Grey, second: Grey, kinds: Sequence[str], root: Path
) -> list[Tile]:
    """Picture, modalities, stage 1, pseudo label, stage 2 and, where there is one, the mask.

    Args:
        shown: the picture.
        first: its map by stage 1, uint8 (H, W).
        second: its map by stage 2.
        kinds: of modalities.
        root: of all pseudo labels.

    Raises:
        ImageError: a file cannot be read.
    """
    task, dataset, item, mask = shown
    image = read_image(item["file_name"])
    tiles = {"picture": image}
    for kind, array in read_modalities(item, kinds, image=image[:, :, ::-1]).items():
        tiles[kind] = array[:, :, ::-1]
    label = read_grey(label_path(root, task, dataset, item["image_id"]))
    tiles |= {"stage 1": first, "pseudo label": label, "stage 2": second}
    if mask:
        tiles["mask"] = read_grey_mask(mask)
    size = (image.shape[1], image.shape[0])
    return [Tile(title, (_fitted(array, size),)) for title, array in tiles.items()]


def write_sheet(path: Path, rows: Sequence[Sequence[Tile]]) -> None:
    """Writes rows of :func:`sheet_row`, at least one.

    Raises:
        ImageError: the file cannot be written.
    """
    write_image(path, contact_sheets(rows, tile_height=_HEIGHT))


def _fitted(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Of the picture's size (width, height), whatever the file's is."""
    array = np.ascontiguousarray(array)
    return array if array.shape[1::-1] == size else cv2.resize(array, size)
