"""A network that finds bright things salient, and pictures for it to label.

Run as a program it is tools/make_pseudo_labels.py with this network registered.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from detectron2.config import CfgNode
from detectron2.modeling import META_ARCH_REGISTRY
from PIL import Image
from torch import nn

from sor_ppa.config import get_cfg

NAME = "BrightThings"
SIZE = (64, 64)
NAN_LEVEL = 13  # a picture of this level all over makes the network fail


class BrightThings(nn.Module):
    """Saliency is brightness; SEED stands for its weights."""

    def __init__(self, cfg: CfgNode) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((1,), float(cfg.SEED)))

    def forward(self, batched_inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        time.sleep(float(os.environ.get("LABELLER_PAUSE", "0")))
        return [{"saliency": self._saliency(item)} for item in batched_inputs]

    def _saliency(self, item: dict[str, Any]) -> torch.Tensor:
        image = item["image"].float()
        if bool((image == NAN_LEVEL).all()):
            image = image * torch.nan
        size = (item["height"], item["width"])
        bright = image.mean(dim=0)[None, None] / 255
        return F.interpolate(bright, size, mode="bilinear")[0, 0].clamp(0, 1)


def register() -> None:
    """Makes the network known to detectron2, once."""
    if NAME not in META_ARCH_REGISTRY:
        META_ARCH_REGISTRY._do_register(NAME, BrightThings)


register()


def picture(number: int) -> np.ndarray:
    """uint8 RGB, a bright disc on a dark, noisy ground; no two are of one size."""
    rng = np.random.default_rng(number)
    height, width = 40 + number, 70 - number
    image = rng.integers(20, 70, (height, width, 3), np.uint8)
    centre = (int(width * rng.uniform(0.3, 0.7)), int(height * rng.uniform(0.3, 0.7)))
    colour = tuple(map(int, rng.integers(170, 255, 3)))
    return np.asarray(cv2.circle(image, centre, height // 4, colour, -1), np.uint8)


def write_pictures(folder: Path, count: int = 5) -> Path:
    """PNGs 0.png, 1.png ..., with a disc each."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.fromarray(picture(number)).save(folder / f"{number}.png")
    return folder


def options(*changes: str, sets: Sequence[Sequence[str]] = ()) -> list[str]:
    """KEY VALUE pairs of the network, and of sets of one's own that it was trained on."""
    return [
        "MODEL.META_ARCHITECTURE", NAME,
        "MODEL.DEVICE", "cpu",
        "SEED", "7",
        "INPUT.FORMAT", "RGB",
        "INPUT.DATASET_MAPPER_NAME", "dense",
        "INPUT.DENSE.TEST_RESIZE", "static",
        "INPUT.DENSE.TEST_SIZE", repr(SIZE),
        "INPUT.DENSE.INTERPOLATION", "bicubic",
        "DATALOADER.NUM_WORKERS", "0",
        "DATASETS.EXTRA", repr(tuple(map(tuple, sets))),
        "DATASETS.TRAIN", repr(tuple(entry[0] for entry in sets)),
        *changes,
    ]  # fmt: skip


def labeller_cfg(*changes: str, sets: Sequence[Sequence[str]] = ()) -> CfgNode:
    """The config of :func:`options`."""
    cfg = get_cfg()
    cfg.merge_from_list(options(*changes, sets=sets))
    return cfg


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
    from make_pseudo_labels import main

    sys.exit(main())
