"""Data sets, their registration, and the way from a picture on disk to a model's input.

Importing this registers the benchmarks with detectron2; no file is touched.
"""

from __future__ import annotations

from sor_ppa.data.aliases import resolve_config, resolve_name
from sor_ppa.data.dense.folders import load_sod_folder, register_sod_folder
from sor_ppa.data.extra import register_extra
from sor_ppa.data.image_io import (
    atomic_path,
    check_image_array,
    image_size,
    read_grey,
    read_image,
    write_image,
    write_json,
)
from sor_ppa.data.mappers import DATASET_MAPPERS, RankingMapper, build_mapper
from sor_ppa.data.mask_io import read_grey_mask, read_mask
from sor_ppa.data.ranking import (
    load_assr,
    load_irsr,
    load_ranked_coco,
    register_ranked_coco,
)
from sor_ppa.data.registry import BENCHMARKS, datasets_root, register_all
from sor_ppa.data.transforms import ResizeShortestEdge, build_augmentation

register_all()

__all__ = [
    "BENCHMARKS",
    "DATASET_MAPPERS",
    "RankingMapper",
    "ResizeShortestEdge",
    "atomic_path",
    "build_augmentation",
    "build_mapper",
    "check_image_array",
    "datasets_root",
    "image_size",
    "load_assr",
    "load_irsr",
    "load_ranked_coco",
    "load_sod_folder",
    "read_grey",
    "read_grey_mask",
    "read_image",
    "read_mask",
    "register_all",
    "register_extra",
    "register_ranked_coco",
    "register_sod_folder",
    "resolve_config",
    "resolve_name",
    "write_image",
    "write_json",
]
