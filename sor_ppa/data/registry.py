"""Registration of the benchmarks in detectron2's catalogs.

Registration touches no disk: a set is read when it is used, below the folder that the environment
variable DETECTRON2_DATASETS names at that moment.
"""

from __future__ import annotations

import logging
import os
from functools import partial
from typing import Any

from detectron2.data import DatasetCatalog, MetadataCatalog

from sor_ppa.data.benchmarks import BENCHMARKS, Benchmark, Layout
from sor_ppa.data.layouts import split_dicts

__all__ = ["BENCHMARKS", "datasets_root", "load_benchmark", "register_all"]

logger = logging.getLogger(__name__)

# Metadata that all sets of a task share.
_METADATA: dict[str, dict[str, Any]] = {
    "ranking": {"evaluator_type": "ranking", "thing_classes": ["salient_obj"]},
    "sod": {"evaluator_type": "dense", "mask_threshold": 127},
    "fixation": {"evaluator_type": "fixation"},
}
# What the folder of each kind is called in the metadata.
_ROOTS = {"mask": "gt_root"}


def datasets_root() -> str:
    """Folder of all sets: DETECTRON2_DATASETS, or ``datasets`` below the working directory."""
    return os.path.expanduser(os.getenv("DETECTRON2_DATASETS", "datasets"))


def register_all(benchmarks: tuple[Benchmark, ...] = BENCHMARKS) -> None:
    """Registers every split of every benchmark; names that are taken already are passed over."""
    for benchmark in benchmarks:
        for name in benchmark.registered():
            _register(benchmark, name)


def load_benchmark(benchmark: Benchmark, name: str) -> list[dict[str, Any]]:
    """Loads a split below the present :func:`datasets_root`.

    Args:
        benchmark: row of the table.
        name: under which the split is registered.

    Raises:
        DataError: with every fault found.
    """
    root = datasets_root()
    split = benchmark.registered()[name]
    if benchmark.loader:
        part = name.removeprefix(benchmark.name).lstrip("_")
        dicts = benchmark.loader(os.path.join(root, benchmark.folder), part)
        _set_roots(name, {key: os.path.join(root, path) for key, path in split.paths.items()})
    else:
        dicts, layout = split_dicts(benchmark, name, root)
        _set_roots(name, _roots(layout))
    if split.count is not None and len(dicts) != split.count:
        who = "its authors state" if split.is_stated else "commonly it has"
        text = "%s has %d pictures, %s %d; scores may not be comparable"
        logger.warning(text, name, len(dicts), who, split.count)
    return dicts


def _register(benchmark: Benchmark, name: str) -> None:
    if name in DatasetCatalog.list():
        logger.debug("data set %s is registered already", name)
        return
    DatasetCatalog.register(name, partial(load_benchmark, benchmark, name))
    split = benchmark.registered()[name]
    metadata = MetadataCatalog.get(name)
    metadata.set(
        task=benchmark.task,
        expected_count=split.count,
        paper=benchmark.paper,
        homepage=benchmark.homepage,
        licence=benchmark.licence,
        **_METADATA[benchmark.task],
    )
    root = datasets_root()
    _set_roots(name, {key: os.path.join(root, path) for key, path in split.paths.items()})
    if split.layouts:
        kinds = tuple(kind for kind in split.layouts[0].folders if kind not in ("mask", "saliency"))
        metadata.set(modalities=kinds)
        first = _roots(split.layouts[0])
        _set_roots(name, {key: os.path.join(root, path) for key, path in first.items()})
    if benchmark.task == "sod":
        metadata.set(mask_mode=split.mask_mode, has_masks=True, video=split.is_video)


def _roots(layout: Layout) -> dict[str, str]:
    return {_ROOTS.get(kind, f"{kind}_root"): f.path for kind, f in layout.folders.items()}


def _set_roots(name: str, roots: dict[str, str]) -> None:
    """Puts the paths into the metadata; they may have changed since the last time."""
    # Not set(): it refuses other values.
    MetadataCatalog.get(name).__dict__.update(roots)
