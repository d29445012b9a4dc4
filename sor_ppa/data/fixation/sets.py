"""Sets of pictures with fixations in folders and files of one's own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from detectron2.data import DatasetCatalog, MetadataCatalog

from sor_ppa.data.dense.folders import dense_dicts
from sor_ppa.data.derived.fixation_points import read_fixation_points
from sor_ppa.data.files import PICTURE_SUFFIXES
from sor_ppa.data.fixation.mat_files import read_mat_set
from sor_ppa.data.fixation.split import PARTS, split_stems
from sor_ppa.data.names import is_registered
from sor_ppa.data.pairs import Folder, files_of_kind, pair_by_stem
from sor_ppa.data.problems import PathLike, local_path
from sor_ppa.errors import ConfigError, DataError

__all__ = ["FixationFolders", "add_points", "load_fixation_set", "register_fixation_set"]

_ENDINGS = {"saliency": "_fixMap", "fixation": "_fixPts"}


@dataclass(frozen=True)
class FixationFolders:
    """Where a set lies; at least one of ``saliency``, ``fixation`` and ``points`` is there.

    Attributes:
        image: folder of the pictures.
        saliency: folder of blurred maps, grey.
        fixation: folder of points, a binary picture or .mat file to each picture.
        points: one file with the points of all pictures: JSON as SALICON or OSIE publish it, or
            OSIE's or PASCAL-S's .mat.
        sigma: spread in pixels of the Gaussian that makes maps of points; 0 = the usual.
        split: JSON file of a split, drawn if it is not there; "" = all pictures.
        part: "train" or "val", of the split.
        train: pictures for training when the split is drawn; 0 = four fifths.
    """

    image: str
    saliency: str = ""
    fixation: str = ""
    points: str = ""
    sigma: float = 0.0
    split: str = ""
    part: str = ""
    train: int = 0


def load_fixation_set(where: FixationFolders) -> list[dict[str, Any]]:
    """Loads a set as dataset dicts; no picture is opened.

    Files belong together if their paths below the folders agree up to the suffix and the endings
    ``_fixMap`` and ``_fixPts``.

    Returns:
        ``file_name``, ``image_id``, and what there is of ``saliency_file_name``,
        ``fixation_file_name``, ``fixations`` float64 (K, 2) and ``fixation_sigma``, sorted by path;
        with a split in its drawn order.

    Raises:
        DataError: a folder or file is missing or faulty, or pictures lack a partner; all of them.
    """
    folders = {"image": Folder(where.image)}
    for kind in ("saliency", "fixation"):
        if path := getattr(where, kind):
            folders[kind] = _folder(path, kind)
    pairs, problems = pair_by_stem(folders, order="path")
    if problems:
        raise DataError(problems, what=where.image)
    dicts = dense_dicts(pairs)
    if where.points:
        add_points(dicts, where.points)
    for item in dicts:
        item |= {"fixation_sigma": where.sigma} if where.sigma else {}
    if not where.split:
        return dicts
    by_stem = {item["image_id"]: item for item in dicts}
    stems = split_stems(where.split, where.part, list(by_stem), where.train or None)
    return [by_stem[stem] for stem in stems]


def register_fixation_set(name: str, image_root: PathLike, **where: Any) -> None:
    """Registers a set as :func:`load_fixation_set` loads it; nothing is read before it is used.

    Registering the same set again does nothing.

    Args:
        name: of the set.
        image_root: folder of the pictures.
        where: further fields of :class:`FixationFolders`.

    Raises:
        ConfigError: the name is unusable or taken, or the set has neither maps nor points.
    """
    paths = ("saliency", "fixation", "points", "split")
    local: dict[str, Any] = {
        key: local_path(v) if key in paths and v else v for key, v in where.items()
    }
    folders = FixationFolders(local_path(image_root), **local)
    if not (folders.saliency or folders.fixation or folders.points):
        raise ConfigError(f"data set {name!r} has neither fixation maps nor points")
    if folders.split and folders.part not in PARTS:
        raise ConfigError(
            f"data set {name!r}: part must be {' or '.join(PARTS)}, got {folders.part!r}"
        )
    facts = {"fixation_set": asdict(folders), "image_root": folders.image}
    if is_registered(name, **facts):
        return
    DatasetCatalog.register(name, partial(load_fixation_set, folders))
    MetadataCatalog.get(name).set(evaluator_type="fixation", task="fixation", **facts)


def add_points(dicts: Sequence[dict[str, Any]], path: str) -> None:
    """Puts the points of a file that holds a whole set's into its dicts, as ``fixations``.

    Args:
        dicts: sorted by path; changed.
        path: JSON names its pictures; a .mat file has them in the order of the dicts.

    Raises:
        DataError: the file is faulty, or there are pictures without points in it; all of them.
    """
    if os.path.splitext(path)[1].lower() == ".mat":
        points = read_mat_set(path)
        if len(points) != len(dicts):
            text = f"{path}: has the fixations of {len(points)} pictures, and there are"
            raise DataError([f"{text} {len(dicts)}"], what=path)
        for item, found in zip(dicts, points, strict=True):
            item["fixations"] = found
        return
    observers = read_fixation_points(path)
    missing = [item["file_name"] for item in dicts if _stem(item) not in observers]
    if missing:
        raise DataError([f"{path}: has no fixations of {name}" for name in missing], what=path)
    for item in dicts:
        item["fixations"] = _together(observers[_stem(item)])


def _folder(path: str, kind: str) -> Folder:
    suffixes = (*PICTURE_SUFFIXES, ".mat") if kind == "fixation" else PICTURE_SUFFIXES
    plain = Folder(path, suffixes)
    marked = Folder(path, suffixes, ending=_ENDINGS[kind])
    return marked if _has_files(marked) else plain


def _has_files(folder: Folder) -> bool:
    return bool(files_of_kind({"image": folder}, "image"))


def _stem(item: Mapping[str, Any]) -> str:
    return str(item["image_id"]).rpartition("/")[2]


def _together(observers: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros((0, 2)), *observers])
