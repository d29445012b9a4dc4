"""Can the small ranker learn six pictures by heart?"""

from __future__ import annotations

from pathlib import Path

import pytest

from sor_ppa import model_zoo
from sor_ppa.data.extra import register_extra
from sor_ppa.engine import Trainer
from tests.composed import make_composed


@pytest.mark.slow
def test_six_pictures(tmp_path: Path) -> None:
    scenes = make_composed(tmp_path / "scenes")
    cfg = model_zoo.get_config("sor/tiny.yaml", trained=True)
    cfg.merge_from_list(
        [
            "MODEL.DEVICE", "cpu",
            "DATASETS.EXTRA", scenes.extra("six_pictures"),
            "DATASETS.TRAIN", ("six_pictures",),
            "DATASETS.TEST", ("six_pictures",),
            "INPUT.MIN_SIZE_TRAIN", (192,),
            "INPUT.MIN_SIZE_TEST", 192,
            "SOLVER.IMS_PER_BATCH", 6,
            "SOLVER.MAX_ITER", 90,
            "SOLVER.STEPS", (70,),
            "SOLVER.WARMUP_ITERS", 10,
            "SOLVER.AMP.ENABLED", False,
            "TEST.RANKING.SAVE", False,
            "DATALOADER.NUM_WORKERS", 0,
            "SEED", 0,
            "OUTPUT_DIR", str(tmp_path / "run"),
        ]
    )  # fmt: skip
    register_extra(cfg)
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=False)
    trainer.train()
    results = Trainer.test(cfg, trainer.model)
    assert results["ranking"]["SOR"] == pytest.approx(1.0)
    assert results["ranking"]["images_used"] == 6
    assert results["ranking"]["top1"] == pytest.approx(1.0)
    assert results["bbox"]["AP50"] > 90
    assert results["segm"]["AP50"] > 90
