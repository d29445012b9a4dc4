"""The ranked COCO format: COCO instances JSON with a ``rank`` per annotation.

Each annotation carries an integer ``rank``: 1 = most salient, 2 next ...; 0 or absent = not ranked.
``info.ranks`` says where the ranks come from: ``{"source": "human" | "derived", "rule": "..."}``;
with ``"ties": true`` in it, objects of one picture may share a rank.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from typing import Any

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import BoxMode

from sor_ppa.data.coco_file import CocoInstances, Id, rank_info, read_coco
from sor_ppa.data.dataset_dicts import annotation_dict
from sor_ppa.data.problems import PathLike, Problems
from sor_ppa.errors import ConfigError

logger = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")


def load_ranked_coco(
    json_file: PathLike,
    image_root: PathLike,
    *,
    strict: bool = False,
    need_pictures: bool = True,
) -> list[dict[str, Any]]:
    """Loads a ranked COCO file as detectron2 dataset dicts.

    Args:
        json_file: the annotations.
        image_root: folder that ``file_name`` is relative to.
        strict: True makes an unusable box (no area, outside the picture, NaN) an error; otherwise
            such objects are left out with one counted warning. It also compares the sizes that
            the file states with the pictures' headers.
        need_pictures: False does not look for the picture files; saved results can be scored
            without them.

    Returns:
        Per image ``file_name``, ``image_id``, ``height``, ``width`` and ``annotations``, each with
        ``bbox`` (XYWH), ``bbox_mode``, ``segmentation``, ``category_id`` 0, ``iscrowd``,
        ``gt_rank`` (1 = most salient ..., 0 = not ranked). No picture is decoded.

    Raises:
        DataError: with every fault found in the file and its references.
    """
    problems = Problems(str(json_file), strict=strict)
    coco = read_coco(json_file, image_root, problems, ranks=True, need_pictures=need_pictures)
    problems.finish()
    source = rank_info(coco.data).get("source")
    if source == "derived":
        logger.info("%s: ranks are derived (%s)", json_file, rank_info(coco.data).get("rule"))
    return [_dataset_dict(coco, image_id) for image_id in coco.images]


def register_ranked_coco(name: str, json_file: PathLike, image_root: PathLike) -> None:
    """Registers a ranked COCO set under ``name``; nothing is read before the set is used.

    Registering the same files again does nothing.

    Raises:
        ConfigError: the name is unusable, or already stands for something else.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"data set name {name!r}: use letters, digits and _ . + - only (results are written "
            "to a folder of that name)"
        )
    json_file, image_root = (os.path.expanduser(str(path)) for path in (json_file, image_root))
    if name in DatasetCatalog.list():
        old = MetadataCatalog.get(name)
        if (old.get("json_file"), old.get("image_root")) == (json_file, image_root):
            return
        raise ConfigError(f"data set name {name!r} is already taken; choose another")
    DatasetCatalog.register(name, lambda: load_ranked_coco(json_file, image_root))
    MetadataCatalog.get(name).set(
        json_file=json_file,
        image_root=image_root,
        evaluator_type="ranking",
        task="ranking",
        thing_classes=["salient_obj"],
    )


def register_extra(cfg: CfgNode) -> None:
    """Registers the (name, annotations.json, image folder) triples of ``cfg.DATASETS.EXTRA``.

    Raises:
        ConfigError: an entry is not such a triple, or its name is unusable.
    """
    for entry in cfg.DATASETS.EXTRA:
        if not _is_triple(entry):
            raise ConfigError(
                "DATASETS.EXTRA must hold (name, annotations.json, image folder) triples of "
                f"strings, got {entry!r}"
            )
        register_ranked_coco(*entry)


def _is_triple(entry: object) -> bool:
    if not isinstance(entry, Sequence) or isinstance(entry, str) or len(entry) != 3:
        return False
    return all(isinstance(part, str) for part in entry)


def _dataset_dict(coco: CocoInstances, image_id: Id) -> dict[str, Any]:
    image = coco.images[image_id]
    height, width = int(image["height"]), int(image["width"])
    return {
        "file_name": coco.paths[image_id],
        "image_id": image_id,
        "height": height,
        "width": width,
        "annotations": [
            annotation_dict(item, item.get("rank", 0), BoxMode.XYWH_ABS, (height, width))
            for item in coco.annotations[image_id]
        ],
    }
