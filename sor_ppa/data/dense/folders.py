"""Sets of pictures, with saliency masks or without, and what is seen beside them (depth ...)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from detectron2.data import DatasetCatalog, MetadataCatalog

from sor_ppa.data.names import is_registered
from sor_ppa.data.pairs import Folder, Pair, files_of_kind, pair_by_stem
from sor_ppa.data.problems import PathLike, local_path
from sor_ppa.data.videos import as_frames
from sor_ppa.errors import ConfigError, DataError

__all__ = [
    "FIELDS",
    "dense_dicts",
    "load_sod_folder",
    "register_sod_folder",
    "sod_folders",
    "sod_paths",
]

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
# What the folder of a kind is called in the metadata, if not <kind>_root.
_ROOTS = {"mask": "gt_root"}
_PNG = (".png",)
_NOT_PNG = (".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


class _Source(NamedTuple):
    """Where a set lies, and what its pictures are."""

    paths: dict[str, str]  # by kind
    video: bool


def load_sod_folder(
    image_root: PathLike,
    mask_root: PathLike = "",
    *,
    on_missing: str = "error",
    video: bool = False,
    **modalities: PathLike,
) -> list[dict[str, Any]]:
    """Loads a folder of pictures, and folders of masks and more, as detectron2 dataset dicts.

    Files belong together if their paths below the folders agree up to the suffix. If pictures and
    masks are in one folder, the masks are its .png files and the pictures the others. No file is
    opened.

    Args:
        image_root: pictures; folders inside are part of the names.
        mask_root: masks, grey, white = salient; "" = there are none.
        on_missing: "error", or "skip" = leave out what has no partner, with a warning.
        video: the pictures are frames: a folder inside is a video, or the folder itself is one.
            If there are masks, they say which frames belong to the set; other frames only serve
            to compute the flow from.
        modalities: further folders: ``depth``, ``thermal``, ``flow``, ``fixation``, ``saliency``.

    Returns:
        ``file_name``, ``image_id`` (path below ``image_root`` without the last suffix),
        ``sem_seg_file_name`` (if there are masks) and ``<modality>_file_name`` of each picture, in
        natural order (a2 before a10, upper case as lower case); of frames also what
        :func:`sor_ppa.data.videos.as_frames` adds. Heights and widths are not known before the
        pictures are decoded.

    Raises:
        ConfigError: unknown modality, or another value of ``on_missing``.
        DataError: a folder is missing, or files without partner: all of them, with the kinds that
            each lacks.
    """
    if on_missing not in ("error", "skip"):
        raise ConfigError(f"on_missing must be 'error' or 'skip', got {on_missing!r}")
    return _loaded(_Source(sod_paths(image_root, mask_root, modalities), video), on_missing)


def _loaded(source: _Source, on_missing: str = "error") -> list[dict[str, Any]]:
    folders = sod_folders(source.paths)
    lead = "mask" if source.video and "mask" in folders else ""
    pairs, problems = pair_by_stem(folders, lead=lead)
    where = source.paths["image"]
    if problems and on_missing == "error":
        raise DataError(problems, what=where)
    if problems:
        text = "%s: %d files left out, e.g. %s"
        logger.warning(text, where, len(problems), problems[0])
    dicts = dense_dicts(pairs)
    if source.video:
        as_frames(dicts, files_of_kind(folders, "image"))
    return dicts


def sod_folders(paths: Mapping[str, str]) -> dict[str, Folder]:
    """Folder of each kind; where pictures and masks share one, their suffixes tell them apart."""
    folders = {kind: Folder(path) for kind, path in paths.items()}
    if paths["image"] == paths.get("mask"):
        folders["image"] = Folder(paths["image"], _NOT_PNG)
        folders["mask"] = Folder(paths["image"], _PNG)
    return folders


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
    name: str,
    image_root: PathLike,
    mask_root: PathLike = "",
    *,
    video: bool = False,
    **modalities: PathLike,
) -> None:
    """Registers a set as :func:`load_sod_folder` loads it; nothing is read before it is used.

    Registering the same folders again does nothing. The metadata ``has_masks`` says whether it can
    be evaluated on, ``video`` whether its pictures are frames.

    Raises:
        ConfigError: the name is unusable or taken, or a modality is unknown.
    """
    paths = sod_paths(image_root, mask_root, modalities)
    facts: dict[str, Any] = {_ROOTS.get(kind, f"{kind}_root"): path for kind, path in paths.items()}
    facts["modalities"] = tuple(kind for kind in paths if kind != "mask")
    facts |= {"has_masks": "mask" in paths, "video": video}
    if is_registered(name, **facts):
        return
    DatasetCatalog.register(name, partial(_loaded, _Source(paths, video)))
    MetadataCatalog.get(name).set(evaluator_type="dense", task="sod", mask_threshold=127, **facts)


def sod_paths(
    image_root: PathLike, mask_root: PathLike, modalities: Mapping[str, PathLike]
) -> dict[str, str]:
    """Local folder of each kind; without masks there is none of "mask".

    Raises:
        ConfigError: unknown modality.
    """
    unknown = sorted(modalities.keys() - FIELDS.keys() | modalities.keys() & {"mask"})
    if unknown:
        known = ", ".join(kind for kind in FIELDS if kind != "mask")
        raise ConfigError(f"unknown modality {unknown[0]!r}; known are {known}")
    masks = {"mask": mask_root} if mask_root else {}
    folders = {"image": image_root, **masks, **modalities}
    return {kind: local_path(path) for kind, path in folders.items()}
