"""InSPyReNet's checkpoints as published (names, shapes, types), filled by the golden rule."""

from __future__ import annotations

import json

import numpy as np
import torch
from torch import Tensor

from tests.goldens.fill import fill
from tests.modeling import golden

NAMES = ("res2net50", "swinb")
MAPS = {"stem": "x1", "res2": "x2", "res3": "x3", "res4": "x4", "res5": "x5"}


def shapes(name: str, prefix: str = "") -> dict[str, list[int]]:
    """Key -> shape of a checkpoint; with ``prefix`` only of that part, named without it."""
    keys = json.loads((golden.GOLDENS / f"inspyrenet_{name}_keys.json").read_text())
    return {key[len(prefix) :]: shape for key, shape in keys.items() if key.startswith(prefix)}


def state(name: str, prefix: str = "") -> dict[str, Tensor]:
    """The checkpoint behind the goldens: integers are int64, the rest float32."""
    adjust = json.loads(str(golden.load(f"inspyrenet_{name}.npz")["adjust"]))
    return {
        key: _tensor(prefix + key, shape, adjust) for key, shape in shapes(name, prefix).items()
    }


def _tensor(key: str, shape: list[int], adjust: dict[str, list[float]]) -> Tensor:
    if key.endswith("num_batches_tracked"):
        return torch.zeros((), dtype=torch.int64)
    if key.endswith("relative_position_index"):
        return position_index()
    factor, shift = (np.float32(number) for number in adjust.get(key, (1, 0)))
    return torch.from_numpy(np.asarray(fill(key, shape) * factor + shift))


def stand_in(name: str, prefix: str = "") -> dict[str, Tensor]:
    """The same names and shapes with made-up numbers, each tensor one number: small on disk."""
    made = {}
    for i, (key, shape) in enumerate(shapes(name, prefix).items()):
        whole = key.endswith(("num_batches_tracked", "relative_position_index"))
        made[key] = torch.tensor(i if whole else 0.5 + i / 5000).expand(shape)
    return made


def position_index(window: int = 12) -> Tensor:
    """(window^2, window^2) int64: row of the table for query i and key j, entry by entry."""
    cells = [(row, column) for row in range(window) for column in range(window)]
    index = [
        [
            (row - other_row + window - 1) * (2 * window - 1) + column - other_column + window - 1
            for other_row, other_column in cells
        ]
        for row, column in cells
    ]
    return torch.tensor(index)
