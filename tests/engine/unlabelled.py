"""Made-up pictures for saliency without labels, and short trainings on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from detectron2.config import CfgNode
from PIL import Image, ImageDraw

from sor_ppa import model_zoo
from sor_ppa.data import register_extra

SIDE = 128


def make_pictures(root: Path, count: int = 16, side: int = SIDE) -> Path:
    """Each a textured bright ellipse on a dim smooth ground, with its mask and a depth map."""
    rng = np.random.default_rng(0)
    for folder in ("images", "masks", "depth"):
        (root / folder).mkdir(parents=True)
    rows, columns = (axis[:, :, None] / side for axis in np.mgrid[0:side, 0:side])
    for number in range(count):
        mask = Image.new("L", (side, side))
        x, y = rng.uniform(0.35, 0.65, 2) * side
        a, b = rng.uniform(0.15, 0.3, 2) * side
        ImageDraw.Draw(mask).ellipse((x - a, y - b, x + a, y + b), fill=255)
        inside = np.asarray(mask)[:, :, None] > 0
        ground = 30 + 60 * (rng.random(3) * rows + rng.random(3) * columns)
        texture = rng.integers(120, 256, (side, side, 3))
        picture = np.where(inside, texture, ground).astype(np.uint8)
        Image.fromarray(picture).save(root / "images" / f"{number:02}.png")
        mask.save(root / "masks" / f"{number:02}.png")
        depth = np.where(inside[:, :, 0], 200, 60).astype(np.uint8)
        Image.fromarray(depth).save(root / "depth" / f"{number:02}.png")
    return root


def make_cfg(name: str, root: Path, output_dir: Path, *changes: Any) -> CfgNode:
    """A config of the zoo, changed to a short training on :func:`make_pictures`."""
    cfg = model_zoo.get_config(name)
    folders = ("images", "masks", "depth")
    image, mask, depth = (str(root / folder) for folder in folders)
    cfg.merge_from_list(
        [
            "MODEL.DEVICE", "cpu",
            "MODEL.WEIGHTS", "",
            "DATASETS.EXTRA", (("ellipses", image, mask, f"depth={depth}"),),
            "DATASETS.TRAIN", ("ellipses",),
            "DATASETS.TEST", (),
            "INPUT.DENSE.TRAIN_SIZE", (SIDE, SIDE),
            "INPUT.DENSE.TEST_SIZE", (SIDE, SIDE),
            "MODEL.A2S.SIZE_STEPS", (-64, -32, 32, 64),
            "SOLVER.IMS_PER_BATCH", 4,
            "SOLVER.EPOCHS", 5,
            "SOLVER.CHECKPOINT_PERIOD", 2,
            "SOLVER.AMP.ENABLED", False,
            "DATALOADER.NUM_WORKERS", 0,
            "SEED", 5,
            "OUTPUT_DIR", str(output_dir),
            *changes,
        ]
    )  # fmt: skip
    register_extra(cfg)
    return cfg
