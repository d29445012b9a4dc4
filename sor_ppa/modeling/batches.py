"""Model inputs as batches, and what to do with pictures of several sizes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from sor_ppa.errors import DataError


def stacked(batched_inputs: Sequence[dict[str, Any]], field: str, device: torch.device) -> Tensor:
    """One field of every input as a batch (N, C, H, W).

    Raises:
        DataError: an input lacks it, or sizes differ.
    """
    for item in batched_inputs:
        if field not in item:
            raise DataError([f"{item.get('file_name', 'an input')}: {_LACKS[field]}"])
    shapes = {tuple(item[field].shape) for item in batched_inputs}
    if len(shapes) > 1:
        raise DataError([f"one batch holds {field} of sizes {', '.join(map(str, sorted(shapes)))}"])
    return torch.stack([item[field].to(device) for item in batched_inputs])


_LACKS = {
    "image": "no picture in a model's input",
    "modality": "the network needs a second modality beside the picture: set "
    "INPUT.DENSE.MODALITIES and TEST_MODALITIES and use a data set that has it, or give "
    "--modality-input",
    "fixation": "training needs a fixation map with every picture: use the 'fixation' mapper and "
    "data sets that have maps or points",
    "saliency": "training needs a mask with every picture: use the 'dense' mapper and data sets "
    "that have masks, or pseudo labels (DATASETS.TRAIN '<name>_pseudo')",
}


def in_groups_of_one_size(
    batched_inputs: Sequence[dict[str, Any]],
    infer: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
) -> list[dict[str, Any]]:
    """Runs ``infer`` once for every size of input; outputs in the order of the inputs."""
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, item in enumerate(batched_inputs):
        groups[tuple(item["image"].shape)].append(index)
    results: list[dict[str, Any]] = [{} for _ in batched_inputs]
    for members in groups.values():
        outputs = infer([batched_inputs[index] for index in members])
        for index, output in zip(members, outputs, strict=True):
            results[index] = output
    return results
