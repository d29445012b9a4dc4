"""Sets of pictures with a saliency mask each (and depth, thermal, flow ... where there is one)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from detectron2.data import DatasetCatalog, MetadataCatalog

from sor_ppa.data.names import is_registered
from sor_ppa.data.pairs import Folder, Pair, pair_by_stem
from sor_ppa.data.problems import PathLike, local_path
from sor_ppa.errors import ConfigError, DataError

__all__ = ["FIELDS", "dense_dicts", "load_sod_folder", "register_sod_folder"]

logger = logging.getLogger(__name__)

# Kinds of files beside the picture, and their fields in a dataset dict.
FIELDS = {
    "mask": "sem_seg_file_name",
    "depth": "depth_file_name",
    "thermal": "thermal_file_name",
    "flow": "flow_file_name",
    "fixation": "fixation_file_name",
    "saliency": "saliency_file_name",
}
_PNG = (".png",)
_NOT_PNG = (".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


def load_sod_folder(
    image_root: PathLike, mask_root: PathLike, *, on_missing: str = "error", **modalities: PathLike
) -> list[dict[str, Any]]:
    """Loads a folder of pictures and a folder of masks as detectron2 dataset dicts.

    Files belong together if their paths below the folders agree up to the suffix. If both folders
    are the same, the masks are its .png files and the pictures the others. No file is opened.

    Args:
        image_root: pictures; folders inside are part of the names.
        mask_root: masks, grey, white = salient.
        on_missing: "error", or "skip" = leave out what has no partner, with a warning.
        modalities: further folders: ``depth``, ``thermal``, ``flow``, ``fixation``, ``saliency``.

    Returns:
        ``file_name``, ``image_id`` (path below ``image_root`` without the last suffix),
        ``sem_seg_file_name`` and ``<modality>_file_name`` of each picture, in natural order
        (a2 before a10, upper case as lower case). Heights and widths are not known before the
        pictures are decoded.

    Raises:
        ConfigError: unknown modality, or another value of ``on_missing``.
        DataError: a folder is missing, or files without partner, all of them listed.
    """
    if on_missing not in ("error", "skip"):
        raise ConfigError(f"on_missing must be 'error' or 'skip', got {on_missing!r}")
    return _loaded(_paths(image_root, mask_root, modalities), on_missing)


def _loaded(paths: dict[str, str], on_missing: str = "error") -> list[dict[str, Any]]:
    folders = {kind: Folder(path) for kind, path in paths.items()}
    if paths["image"] == paths["mask"]:
        folders["image"] = Folder(paths["image"], _NOT_PNG)
        folders["mask"] = Folder(paths["mask"], _PNG)
    pairs, problems = pair_by_stem(folders)
    if problems and on_missing == "error":
        raise DataError(problems, what=paths["image"])
    if problems:
        text = "%s: %d files left out, e.g. %s"
        logger.warning(text, paths["image"], len(problems), problems[0])
    return dense_dicts(pairs)


def dense_dicts(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """Dataset dicts of paired files; a kind that has no field of its own is left out."""
    return [
        {
            "file_name": pair.paths["image"],
            "image_id": pair.stem,
            **{FIELDS[kind]: path for kind, path in pair.paths.items() if kind in FIELDS},
        }
        for pair in pairs
    ]


def register_sod_folder(
    name: str, image_root: PathLike, mask_root: PathLike, **modalities: PathLike
) -> None:
    """Registers a set as :func:`load_sod_folder` loads it; nothing is read before it is used.

    Registering the same folders again does nothing.

    Raises:
        ConfigError: the name is unusable or taken, or a modality is unknown.
    """
    paths = _paths(image_root, mask_root, modalities)
    identity = {f"{kind}_root": path for kind, path in paths.items()}
    identity["gt_root"] = identity.pop("mask_root")
    if is_registered(name, **identity):
        return
    DatasetCatalog.register(name, partial(_loaded, paths))
    MetadataCatalog.get(name).set(
        evaluator_type="dense",
        task="sod",
        modalities=tuple(kind for kind in paths if kind != "mask"),
        mask_threshold=127,
        **identity,
    )


def _paths(
    image_root: PathLike, mask_root: PathLike, modalities: Mapping[str, PathLike]
) -> dict[str, str]:
    """Local folder of each kind."""
    unknown = sorted(modalities.keys() - FIELDS.keys() | modalities.keys() & {"mask"})
    if unknown:
        known = ", ".join(kind for kind in FIELDS if kind != "mask")
        raise ConfigError(f"unknown modality {unknown[0]!r}; known are {known}")
    folders = {"image": image_root, "mask": mask_root, **modalities}
    return {kind: local_path(path) for kind, path in folders.items()}
