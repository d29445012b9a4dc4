"""Training of fixation networks: learning by heart, resuming, two processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from detectron2.config import CfgNode

from sor_ppa import model_zoo
from sor_ppa.data.extra import register_extra
from sor_ppa.engine import Trainer
from tests.data.fixation.gaze_sets import write_gaze_set
from tests.engine.test_trainer import At, KilledError

MakeCfg = Callable[..., CfgNode]
# A network that trains in a second: half the width, small canvases.
SMALL = (
    "MODEL.WEIGHTS", "", "MODEL.MSINET.ASPP_CHANNELS", "32",
    "MODEL.MSINET.DECODER_CHANNELS", "(16, 16, 8)", "INPUT.FIXATION.SIZE", "(64, 96)",
    "DATALOADER.NUM_WORKERS", "0", "SOLVER.EPOCHS", "0", "SEED", "3",
)  # fmt: skip


@pytest.fixture()
def gaze_cfg(tmp_path: Path, forget_data_sets: None) -> MakeCfg:
    """(name of the run, KEY, VALUE, ...) -> config of a run on six pictures."""
    folder = tmp_path / "set"
    write_gaze_set(folder, 6)
    words = (f"saliency={folder / 'saliency'}", f"points={folder / 'fixations.json'}")

    def make(run: str, *changes: str) -> CfgNode:
        cfg = model_zoo.get_config("msinet/tiny.yaml")
        cfg.MODEL.DEVICE = "cpu"
        cfg.DATASETS.EXTRA = (("gaze", str(folder / "image"), "", *words),)
        cfg.DATASETS.TRAIN = cfg.DATASETS.TEST = ("gaze",)
        cfg.TEST.FIXATION.SIGMA = 4.0
        cfg.merge_from_list([*SMALL, "OUTPUT_DIR", str(tmp_path / run), *changes])
        register_extra(cfg)
        return cfg

    return make


def test_six_pictures_are_learnt_by_heart(gaze_cfg: MakeCfg) -> None:
    """Only the encoder is that of the bundled network: ASPP and decoder are narrower here."""
    cfg = gaze_cfg(
        "run", "SOLVER.IMS_PER_BATCH", "6", "SOLVER.MAX_ITER", "40", "SOLVER.WARMUP_ITERS", "5",
        "SOLVER.BASE_LR", "0.003", "MODEL.WEIGHTS", "sor_ppa://weights/msinet/tiny.safetensors",
        "INPUT.RANDOM_FLIP", "none",
    )  # fmt: skip
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=False)
    trainer.train()
    scores = {name: value for name, (value, _) in trainer.storage.latest().items()}
    assert scores["fixation/CC"] > 0.9 and scores["fixation/AUC-Judd"] > 0.9


def state_of(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in trainer.model.state_dict().items()}


def test_a_killed_and_resumed_run_ends_bit_for_bit_equal(gaze_cfg: MakeCfg) -> None:
    short = ("SOLVER.IMS_PER_BATCH", "2", "SOLVER.MAX_ITER", "4", "SOLVER.CHECKPOINT_PERIOD", "2")
    short += ("DATASETS.TEST", "()")
    whole = Trainer(gaze_cfg("whole", *short))
    whole.train()

    def kill(trainer: Any) -> None:
        raise KilledError

    broken = Trainer(gaze_cfg("broken", *short))
    broken.register_hooks([At(2, kill)])
    with pytest.raises(KilledError):
        broken.train()
    resumed = Trainer(gaze_cfg("broken", *short))
    resumed.resume_or_load(resume=True)
    assert resumed.start_iter == 2
    resumed.train()
    expected = state_of(whole)
    assert all(torch.equal(value, expected[key]) for key, value in state_of(resumed).items())


def test_the_best_network_is_kept_by_least_divergence(gaze_cfg: MakeCfg) -> None:
    cfg = gaze_cfg(
        "run", "SOLVER.IMS_PER_BATCH", "2", "SOLVER.MAX_ITER", "2", "TEST.EVAL_PERIOD", "1",
        "TEST.BEST_METRIC", "fixation/KLD", "TEST.BEST_MODE", "min",
    )  # fmt: skip
    Trainer(cfg).train()
    assert (Path(cfg.OUTPUT_DIR) / "model_best.pth").is_file()
