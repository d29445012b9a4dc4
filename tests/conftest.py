"""Fixtures for all tests."""

from __future__ import annotations

import os

# Tests run side by side; each takes one core. Must be set before PyTorch starts its threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog

from tests.browser import browser, one_browser, web_server  # noqa: F401 - fixtures
from tests.synthetic import RankedCoco, make_ranked_coco, picture_folder

REPOSITORY = Path(__file__).resolve().parents[1]

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def ranked_coco(tmp_path_factory: pytest.TempPathFactory) -> RankedCoco:
    """Six drawn pictures of 96 x 128 with two or three ranked objects each."""
    return make_ranked_coco(tmp_path_factory.mktemp("ranked_coco"), count=6, seed=0)


@pytest.fixture()
def pictures(tmp_path: Path) -> Path:
    """A folder of three pictures, to be named on a command line."""
    return picture_folder(tmp_path / "in")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def child_environment(repository: Path) -> dict[str, str]:
    """Environment for a tool that runs as a process of its own."""
    paths = [str(repository), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}


@pytest.fixture(autouse=True)
def loggers_as_before() -> Iterator[None]:
    """detectron2's set-up of logs (handlers, no propagation) ends with the test that did it."""
    loggers = [logging.getLogger(name) for name in ("sor_ppa", "detectron2", "fvcore")]
    before = [(list(log.handlers), log.propagate, log.level) for log in loggers]
    yield
    for log, (handlers, propagate, level) in zip(loggers, before):
        log.handlers[:], log.propagate = handlers, propagate
        log.setLevel(level)


@pytest.fixture()
def forget_data_sets() -> Iterator[None]:
    """Data sets that a test registers are gone after it."""
    before = set(DatasetCatalog.list())
    yield
    for name in set(DatasetCatalog.list()) - before:
        DatasetCatalog.remove(name)
        if name in MetadataCatalog.list():
            MetadataCatalog.remove(name)
