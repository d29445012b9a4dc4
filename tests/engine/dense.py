"""Made-up pictures with saliency masks, and a short training on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from detectron2.config import CfgNode
from PIL import Image, ImageDraw

from sor_ppa import model_zoo
from sor_ppa.data import register_extra

HEIGHT, WIDTH = 96, 128
# Without any randomness of augmentation.
STILL = (
    "INPUT.DENSE.SCALE_CROP", "(1.0, 1.0)",
    "INPUT.DENSE.ROTATE", "0",
    "INPUT.DENSE.ENHANCE", "0.0",
    "INPUT.RANDOM_FLIP", "none",
)  # fmt: skip


def make_pictures(root: Path, count: int = 8, seed: int = 0) -> tuple[str, str]:
    """Draws discs on noisy grounds; returns the folders of pictures and masks."""
    rng = np.random.default_rng(seed)
    folders = root / "images", root / "masks"
    for folder in folders:
        folder.mkdir(parents=True)
    for number in range(count):
        noise = rng.integers(0, 80, (HEIGHT, WIDTH, 3)) + rng.integers(0, 176, 3)
        image, mask = Image.fromarray(noise.astype(np.uint8)), Image.new("L", (WIDTH, HEIGHT))
        x, y, radius = rng.integers(40, 88), rng.integers(30, 66), rng.integers(15, 29)
        disc = [int(v) for v in (x - radius, y - radius, x + radius, y + radius)]
        ImageDraw.Draw(image).ellipse(disc, fill=tuple(map(int, rng.integers(0, 256, 3))))
        ImageDraw.Draw(mask).ellipse(disc, fill=255)
        image.save(folders[0] / f"{number}.png")
        mask.save(folders[1] / f"{number}.png")
    return str(folders[0]), str(folders[1])


def options(folders: tuple[str, str], name: str = "made_up") -> list[str]:
    """KEY VALUE pairs of a short training of the small dense network, on top of its config."""
    return [
        "MODEL.DEVICE", "cpu",
        "MODEL.WEIGHTS", "",
        "MODEL.BACKBONE.FREEZE_AT", "0",
        "MODEL.INSPYRENET.BASE_SIZE", "(64, 64)",
        "DATASETS.EXTRA", repr(((name, *folders),)),
        "DATASETS.TRAIN", repr((name,)),
        "DATASETS.TEST", "()",
        "INPUT.DENSE.TRAIN_SIZE", "(64, 64)",
        "INPUT.DENSE.TEST_SIZE", "(64, 64)",
        "SOLVER.IMS_PER_BATCH", "4",
        "SOLVER.MAX_ITER", "4",
        "SOLVER.WARMUP_ITERS", "2",
        "SOLVER.CHECKPOINT_PERIOD", "2",
        "SOLVER.AMP.ENABLED", "False",
        "DATALOADER.NUM_WORKERS", "0",
        "SEED", "5",
    ]  # fmt: skip


def make_cfg(folders: tuple[str, str], output_dir: Path, *changes: str) -> CfgNode:
    """The config of :func:`options`, changed by further KEY VALUE pairs."""
    cfg = model_zoo.get_config("inspyrenet/tiny.yaml")
    cfg.merge_from_list([*options(folders), "OUTPUT_DIR", str(output_dir), *changes])
    register_extra(cfg)
    return cfg
