"""The golden files for the backbone tests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

GOLDENS = Path(__file__).parents[2] / "goldens"


@pytest.fixture(scope="session")
def full_golden() -> dict[str, np.ndarray]:
    """Reference tensors of the whole published network."""
    with np.load(GOLDENS / "sor_ppa_full.npz") as arrays:
        return {name: arrays[name] for name in arrays.files if name.startswith("a_")}


@pytest.fixture(scope="session")
def published_shapes() -> dict[str, list[int]]:
    """Key -> shape of the published V-39 checkpoint."""
    return json.loads((GOLDENS / "sor_ppa_v39_keys.json").read_text())
