from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.synthetic import RankedCoco, make_ranked_coco


@pytest.fixture(scope="session")
def mixed_coco(tmp_path_factory: pytest.TempPathFactory) -> RankedCoco:
    """Ten pictures, landscape and portrait."""
    return make_ranked_coco(tmp_path_factory.mktemp("mixed_coco"), count=10, seed=3)


@pytest.fixture(autouse=True)
def no_data_set_stays(forget_data_sets: None) -> None:
    """Every test here may register some."""


@pytest.fixture()
def stub_cfg(mixed_coco: RankedCoco, tmp_path: Path) -> Callable[..., Any]:
    """(name of the run, KEY, VALUE, ...) -> config of a run of the stub in its own folder."""
    from tests.engine.stub import make_cfg

    def make(run: str, *changes: str) -> Any:
        (tmp_path / run).mkdir(exist_ok=True)
        return make_cfg(mixed_coco, tmp_path / run, *changes)

    return make
