"""Small runs of the whole pipeline on made-up pictures."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sor_ppa.unsupervised.own_sets import OwnSet
from sor_ppa.unsupervised.plan import Request
from tests.engine import dense

# Of both stages: as small as they get.
TINY = (
    "MODEL.DEVICE", "cpu",
    "MODEL.WEIGHTS", "",
    "MODEL.BACKBONE.NAME", "build_mnv2_backbone",
    "MODEL.A2S.SIZE_STEPS", "(-32,)",
    "INPUT.DENSE.TRAIN_SIZE", "(64, 64)",
    "INPUT.DENSE.TEST_SIZE", "(64, 64)",
    "DATALOADER.NUM_WORKERS", "0",
    "SOLVER.IMS_PER_BATCH", "2",
    "SOLVER.EPOCHS", "2",
    "SOLVER.AMP.ENABLED", "False",
    "PSEUDO_LABELS.CRF", "scipy",
    "SEED", "1",
)  # fmt: skip
COUNT = 4


def write_config(folder: Path, first: str, second: str, *more: str) -> str:
    """A config of a run, whose stages are named by their names in the model zoo."""
    path = folder / "run.yaml"
    lines = [f'  STAGE1: "a2s/{first}.yaml"', f'  STAGE2: "{second}"', *more]
    path.write_text("\n".join(["UNSUPERVISED:", *lines, "VERSION: 2", ""]))
    return str(path)


def pictures(folder: Path, task: str = "rgb", *, seed: int = 0, count: int = COUNT) -> OwnSet:
    """Discs with masks, of other tasks with something beside them (of videos nothing)."""
    images, masks = dense.make_pictures(folder, count=count, seed=seed)
    beside = folder / "beside"
    if task in ("rgbd", "rgbt"):
        beside.mkdir()
        for path in Path(masks).iterdir():
            Image.fromarray(np.asarray(Image.open(path)) // 2 + 60).save(beside / path.name)
    return OwnSet(f"own_{task}", task, images, str(beside) if beside.is_dir() else "", masks)


def unmasked(own: OwnSet) -> OwnSet:
    """The same without masks."""
    return dataclasses.replace(own, masks="")


def request(output: Path, config_file: str, *train: OwnSet, **changes: Any) -> Request:
    """A run on such sets."""
    opts = TINY + changes.pop("opts", ())
    return Request(output=output, config_file=config_file, train=train, opts=opts, **changes)
