"""The ranked COCO format: COCO instances JSON with a ``rank`` per annotation.

Each annotation carries an integer ``rank``: 1 = most salient, 2 next ...; 0 or absent = not ranked.
``info.ranks`` says where the ranks come from: ``{"source": "human" | "derived", "rule": "..."}``;
with ``"ties": true`` in it, objects of one picture may share a rank.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import BoxMode

from sor_ppa.data.dataset_dicts import annotation_dict
from sor_ppa.data.names import is_registered
from sor_ppa.data.problems import PathLike, Problems
from sor_ppa.data.ranking.coco_file import CocoInstances, Id, rank_info, read_coco

logger = logging.getLogger(__name__)


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
    json_file, image_root = (os.path.expanduser(str(path)) for path in (json_file, image_root))
    if is_registered(name, json_file=json_file, image_root=image_root):
        return
    DatasetCatalog.register(name, lambda: load_ranked_coco(json_file, image_root))
    MetadataCatalog.get(name).set(
        json_file=json_file,
        image_root=image_root,
        evaluator_type="ranking",
        task="ranking",
        thing_classes=["salient_obj"],
    )


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
