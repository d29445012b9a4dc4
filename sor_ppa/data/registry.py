"""ONE table of all benchmarks, and their registration in detectron2's catalogs.

A row is plain data; adding a benchmark means adding a row (and, for a new kind of annotation, a
loader and an entry in ``_METADATA``). Registration touches no disk: a set is read when it is used,
below the folder that the environment variable DETECTRON2_DATASETS names at that moment.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from detectron2.data import DatasetCatalog, MetadataCatalog

from sor_ppa.data.assr import load_assr
from sor_ppa.data.irsr import load_irsr

logger = logging.getLogger(__name__)

Loader = Callable[[str, str], "list[dict[str, Any]]"]

# Metadata that all sets of a task share.
_METADATA: dict[str, dict[str, Any]] = {
    "ranking": {"evaluator_type": "ranking", "thing_classes": ["salient_obj"]},
}


@dataclass(frozen=True)
class Split:
    """One split of a benchmark.

    Attributes:
        count: number of pictures its authors state; None = unknown. Another number is warned of.
        paths: metadata that are paths, relative to the root of all sets.
    """

    count: int | None
    paths: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Benchmark:
    """One row of the table. The registered names are ``<name>_<split>``.

    Attributes:
        name: lower snake case.
        task: "ranking".
        folder: below the root of all sets.
        loader: (folder, split) -> dataset dicts.
        splits: by name.
        paper: authors and venue.
        homepage: where the set is to be had.
        licence: terms as stated by its authors.
    """

    name: str
    task: str
    folder: str
    loader: Loader
    splits: Mapping[str, Split]
    paper: str
    homepage: str
    licence: str


def _assr_split(split: str, count: int) -> Split:
    return Split(count, {"image_root": f"ASSR/images/{split}", "gt_root": f"ASSR/gt/{split}"})


def _irsr_split(split: str, count: int) -> Split:
    images = f"IRSR/Images/{split}"
    return Split(count, {"image_root": f"{images}/rgb", "gt_root": f"{images}/gt"})


BENCHMARKS: tuple[Benchmark, ...] = (
    Benchmark(
        name="assr",
        task="ranking",
        folder="ASSR",
        loader=load_assr,
        splits={
            "train": _assr_split("train", 7646),
            "val": _assr_split("val", 1436),
            "test": _assr_split("test", 2418),
        },
        paper="Siris et al., Inferring Attention Shift Ranks of Objects, CVPR 2020",
        homepage="https://github.com/SirisAvishek/Attention_Shift_Ranks",
        licence="none stated; pictures from COCO, attention from SALICON",
    ),
    Benchmark(
        name="irsr",
        task="ranking",
        folder="IRSR",
        loader=load_irsr,
        splits={"train": _irsr_split("train", 6059), "test": _irsr_split("test", 2929)},
        paper="Liu et al., Instance-Level Relative Saliency Ranking, TPAMI 2021",
        homepage="https://github.com/dragonlee258079/Saliency-Ranking",
        licence="none stated; pictures from COCO",
    ),
)


def datasets_root() -> str:
    """Folder of all sets: DETECTRON2_DATASETS, or ``datasets`` below the working directory."""
    return os.path.expanduser(os.getenv("DETECTRON2_DATASETS", "datasets"))


def register_all(benchmarks: tuple[Benchmark, ...] = BENCHMARKS) -> None:
    """Registers every split of every benchmark; names that are taken already are passed over."""
    for benchmark in benchmarks:
        for split in benchmark.splits:
            _register(benchmark, split)


def load_benchmark(benchmark: Benchmark, split: str) -> list[dict[str, Any]]:
    """Loads a split below the present :func:`datasets_root`.

    Raises:
        DataError: with every fault found.
    """
    root = datasets_root()
    _set_paths(benchmark, split, root)
    dicts = benchmark.loader(os.path.join(root, benchmark.folder), split)
    expected = benchmark.splits[split].count
    if expected is not None and len(dicts) != expected:
        logger.warning(
            "%s_%s has %d pictures, its authors state %d; scores may not be comparable",
            benchmark.name,
            split,
            len(dicts),
            expected,
        )
    return dicts


def _register(benchmark: Benchmark, split: str) -> None:
    name = f"{benchmark.name}_{split}"
    if name in DatasetCatalog.list():
        logger.debug("data set %s is registered already", name)
        return
    DatasetCatalog.register(name, partial(load_benchmark, benchmark, split))
    MetadataCatalog.get(name).set(
        task=benchmark.task,
        expected_count=benchmark.splits[split].count,
        paper=benchmark.paper,
        homepage=benchmark.homepage,
        licence=benchmark.licence,
        **_METADATA[benchmark.task],
    )
    _set_paths(benchmark, split, datasets_root())


def _set_paths(benchmark: Benchmark, split: str, root: str) -> None:
    """Puts the paths into the metadata; the root may have changed since the last time."""
    metadata = MetadataCatalog.get(f"{benchmark.name}_{split}")
    for key, path in benchmark.splits[split].paths.items():
        metadata.__dict__[key] = os.path.join(root, path)
