"""The slow, obvious networks of the tests, which speed is told as a share of."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]


def networks() -> ModuleType:
    """``tests.modeling.plain_networks`` of this checkout.

    Raises:
        SystemExit: there is no such file.
    """
    return module("tests.modeling.plain_networks")


def module(name: str) -> ModuleType:
    """A module of this checkout's tests.

    Raises:
        SystemExit: there is no such file.
    """
    if not ROOT.joinpath(*name.split(".")).with_suffix(".py").is_file():
        raise SystemExit(
            f"this task compares with the plain network in {ROOT / 'tests'}, which is not here: "
            "run it in a checkout of the repository"
        )
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    return importlib.import_module(name)


def pair(name: str) -> tuple[Any, Any]:
    """The plain network and the product's, with the same weights."""
    plain = networks().filled(name)
    return plain, networks().product_like(plain, name)


def config(name: str, size_hw: tuple[int, int]) -> Any:  # noqa: ANN401
    """A config for the product's network of that name, at a fixed size, on the CPU."""
    from sor_ppa import get_cfg

    cfg = get_cfg()
    cfg.MODEL.META_ARCHITECTURE = "InSPyReNet"
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.WEIGHTS = ""
    cfg.MODEL.PIXEL_MEAN = [123.675, 116.28, 103.53]
    cfg.MODEL.PIXEL_STD = [58.395, 57.12, 57.375]
    cfg.INPUT.FORMAT = "RGB"
    cfg.INPUT.DATASET_MAPPER_NAME = "dense"
    cfg.INPUT.DENSE.TEST_RESIZE = "static"
    cfg.INPUT.DENSE.TEST_SIZE = size_hw
    return cfg


def picture(height: int, width: int, seed: int = 1) -> Any:  # noqa: ANN401
    """A made-up uint8 RGB picture (H, W, 3)."""
    with np.errstate(over="ignore"):  # far from a blob
        return module("tests.goldens.fill").image(seed, height, width)
