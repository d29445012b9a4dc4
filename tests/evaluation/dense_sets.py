"""Small made-up sets of saliency maps and masks, and evaluation of them by several processes."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from detectron2.data import DatasetCatalog, MetadataCatalog

from sor_ppa.data.image_io import write_image
from sor_ppa.evaluation.dense_evaluator import DenseEvaluator
from tests.evaluation.sod.pairs import Image, blob_pair

COUNT = 7


def names(count: int = COUNT) -> list[str]:
    """Image ids; one lies in a folder of its own."""
    return [f"picture_{i}" if i else "video/picture_0" for i in range(count)]


def pair(index: int) -> tuple[Image, Image]:
    """(map, mask) of a picture; sizes differ."""
    return blob_pair(index, (30 + index, 40))


def write_set(root: Path, count: int = COUNT) -> None:
    """Writes ``masks/`` and ``maps/``."""
    for index, name in enumerate(names(count)):
        prediction, mask = pair(index)
        write_image(root / "masks" / f"{name}.png", mask)
        write_image(root / "maps" / f"{name}.png", prediction)


def dataset_dicts(root: Path, count: int = COUNT) -> list[dict[str, Any]]:
    """As the loaders make them."""
    return [
        {
            "file_name": f"/nowhere/{name}.jpg",
            "image_id": name,
            "sem_seg_file_name": str(root / "masks" / f"{name}.png"),
        }
        for name in names(count)
    ]


def saliency(index: int) -> torch.Tensor:
    """The model's output: half a grey above the saved map, so that truncation gives just that."""
    return (torch.from_numpy(pair(index)[0]).float() + 0.5).clamp(max=255) / 255


@contextlib.contextmanager
def registered_dense(name: str, dicts: list[dict[str, Any]]) -> Iterator[str]:
    """Registers a data set for the length of a with block."""
    DatasetCatalog.register(name, lambda: dicts)
    MetadataCatalog.get(name).set(evaluator_type="dense", task="sod")
    try:
        yield name
    finally:
        DatasetCatalog.pop(name)
        MetadataCatalog.pop(name)


def evaluate(name: str, indices: list[int], **options: Any) -> Any:
    """Evaluates some pictures, two at a time."""
    evaluator = DenseEvaluator(name, **options)
    evaluator.reset()
    for start in range(0, len(indices), 2):
        batch = indices[start : start + 2]
        inputs = [{"image_id": names()[index]} for index in batch]
        evaluator.process(inputs, [{"saliency": saliency(index)} for index in batch])
    return evaluator.evaluate()


def run(process: int, init_file: str, shares: list[list[list[int]]], root: str) -> None:
    """What each of several processes does: evaluates its share of each case."""
    dist.init_process_group("gloo", f"file://{init_file}", world_size=len(shares[0]), rank=process)
    try:
        with registered_dense("dense_processes", dataset_dicts(Path(root))):
            for number, case in enumerate(shares):
                folder = Path(root, str(number))
                results = evaluate("dense_processes", case[process], output_dir=str(folder))
                Path(root, f"results_{number}_{process}.json").write_text(json.dumps(results))
    finally:
        dist.destroy_process_group()


def die(*_: Any) -> None:
    """What a process does that runs out of memory."""
    os._exit(1)
