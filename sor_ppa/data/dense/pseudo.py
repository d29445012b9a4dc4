"""Pseudo labels: where they lie, and data sets that have them in place of masks.

A network that was trained without labels labels its own training pictures; a second one learns
from these (:mod:`sor_ppa.unsupervised`). The labels of a set ``X`` are

    <root>/<task>/X/[<video>/]<stem>.png

with 0 and 255, the task being ``rgb``, ``rgbd``, ``rgbt`` or ``video``. In a config ``X_pseudo``
stands for the set ``X`` with them as its masks.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog

from sor_ppa.data.aliases import PSEUDO, resolve_name
from sor_ppa.data.files import missing_files
from sor_ppa.data.problems import PathLike
from sor_ppa.data.registry import datasets_root
from sor_ppa.errors import ConfigError, DataError

__all__ = ["TASKS", "label_path", "pseudo_root", "register_pseudo_sets", "task_of"]

TASKS = ("rgb", "rgbd", "rgbt", "video")


def label_path(root: PathLike, task: str, set_name: str, image_id: object) -> Path:
    """File of the pseudo label of a picture.

    Args:
        root: of :func:`pseudo_root`.
        task: of :func:`task_of`.
        set_name: registered name of the set that the picture belongs to.
        image_id: of its dataset dict; of a frame ``<video>/<stem>``.
    """
    return Path(root) / task / set_name / f"{image_id}.png"


def pseudo_root(cfg: CfgNode) -> str:
    """Folder of all pseudo labels: DATASETS.PSEUDO_ROOT, or ``pseudo`` beside the data sets."""
    return os.path.expanduser(cfg.DATASETS.PSEUDO_ROOT) or os.path.join(datasets_root(), "pseudo")


def task_of(dataset: str | Sequence[str]) -> str:
    """What kind of a set it is, in the words of pseudo labels and programs.

    Args:
        dataset: name of a registered set (in any spelling; ``X_pseudo`` is of the kind of X), or
            its modalities ("image", "depth" ...).

    Returns:
        "rgbd" if it has depth, "rgbt" if it has thermal pictures, "video" if it has flow or its
        pictures are frames, else "rgb".

    Raises:
        ConfigError: no set of that name is registered.
    """
    kinds: Sequence[str] = ()
    if isinstance(dataset, str):
        metadata = MetadataCatalog.get(_base_of(dataset))
        kinds = (*metadata.get("modalities", ()), *(("flow",) if metadata.get("video") else ()))
    else:
        kinds = dataset
    words = {"depth": "rgbd", "thermal": "rgbt", "flow": "video"}
    return next((task for kind, task in words.items() if kind in kinds), "rgb")


def register_pseudo_sets(cfg: CfgNode) -> None:
    """Registers the sets ``X_pseudo`` of DATASETS.TRAIN and DATASETS.TEST; reads nothing.

    ``X`` is any registered set, sets of DATASETS.EXTRA included, in any spelling that configs may
    use. A set that was registered for another root before now is the one of this root.

    Raises:
        ConfigError: no set ``X`` is registered.
    """
    for given in (*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST):
        name = resolve_name(given)
        if not name.endswith(PSEUDO) or _is_of_its_own(name):
            continue
        if name in DatasetCatalog.list():
            DatasetCatalog.remove(name)
            MetadataCatalog.remove(name)
        _register(name, pseudo_root(cfg))


def _register(name: str, root: str) -> None:
    base = _base_of(name)
    DatasetCatalog.register(name, partial(_labelled, name, base, root))
    _set_metadata(name, base, root)


def _set_metadata(name: str, base: str, root: str) -> None:
    """That of the base (which knows its folders once it is loaded), with the labels as masks."""
    metadata = {
        **MetadataCatalog.get(base).as_dict(),
        "name": name,
        "base": base,
        "pseudo": True,
        "has_masks": True,
        "mask_mode": "threshold",
        "gt_root": _folder(base, root),
    }
    MetadataCatalog.get(name).__dict__.update(metadata)  # not set(): it refuses other values


def _folder(base: str, root: str) -> str:
    return os.path.join(root, task_of(base), base)


def _labelled(name: str, base: str, root: str) -> list[dict[str, Any]]:
    """Dicts of a set with its pseudo labels as masks."""
    dicts = DatasetCatalog.get(base)
    _set_metadata(name, base, root)
    task = task_of(base)
    labels = [str(label_path(root, task, base, item["image_id"])) for item in dicts]
    gone = [path for path, absent in zip(labels, missing_files(labels), strict=True) if absent]
    if gone:
        remedy = (
            f"{len(gone)} of {len(labels)} labels are missing: make them with "
            f"tools/make_pseudo_labels.py, or name the folder of {task}/{base}/ in "
            f"DATASETS.PSEUDO_ROOT (it is {root} now)"
        )
        lines = [remedy, *(f"{path}: no such file" for path in gone)]
        raise DataError(lines, what=f"{name} ({_folder(base, root)})")
    return [{**item, "sem_seg_file_name": path} for item, path in zip(dicts, labels, strict=True)]


def _base_of(name: str) -> str:
    """Registered name of the set whose pictures these are."""
    name = resolve_name(name)
    base = name if _is_of_its_own(name) else name.removesuffix(PSEUDO)
    if base not in DatasetCatalog.list():
        raise ConfigError(
            f"no data set {base!r} is registered, so {name!r} is unknown: use a name of "
            "datasets/README.md, or add the set to DATASETS.EXTRA"
        )
    return base


def _is_of_its_own(name: str) -> bool:
    """Whether somebody registered a set whose name merely ends like those of ours."""
    return name in DatasetCatalog.list() and not MetadataCatalog.get(name).get("pseudo")
