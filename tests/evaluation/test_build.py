from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sor_ppa import get_cfg
from sor_ppa.errors import ConfigError
from sor_ppa.evaluation import RankingEvaluator, build_evaluator
from tests.evaluation.scenes import dataset_dicts, instances, registered


def test_settings_come_from_the_config(tmp_path: Path) -> None:
    cfg = get_cfg()
    cfg.OUTPUT_DIR = str(tmp_path)
    cfg.TEST.RANKING.COCO = False
    cfg.TEST.RANKING.PROTOCOL = "seqrank"
    cfg.TEST.RANKING.DRAWING = "published"
    with registered("build_test", dataset_dicts([[1, 2]])):
        evaluator = build_evaluator(cfg, "build_test")
        assert isinstance(evaluator, RankingEvaluator)
        evaluator.process([{"image_id": 100}], [{"instances": instances([0, 1], [1, 2])}])
        results = evaluator.evaluate()
    assert list(results) == ["ranking"] and results["ranking"]["MAE"] > 0
    text = (tmp_path / "inference" / "build_test" / "metrics.json").read_text()
    assert '"seqrank"' in text and '"published"' in text


@pytest.mark.parametrize("save, files", [(True, 3), (False, 0)])
def test_output_folder(tmp_path: Path, save: bool, files: int) -> None:
    cfg = get_cfg()
    cfg.TEST.RANKING.SAVE = save
    with registered("build_test", dataset_dicts([[1]])):
        evaluator = build_evaluator(cfg, "build_test", str(tmp_path))
        evaluator.process([{"image_id": 100}], [{"instances": instances([0], [1])}])
        evaluator.evaluate()
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == files


@pytest.mark.parametrize("change", [{"PROTOCOL": "best"}, {"DRAWING": "cubist"}])
def test_bad_settings(change: dict[str, Any]) -> None:
    cfg = get_cfg()
    cfg.TEST.RANKING.update(change)
    with registered("build_test", dataset_dicts([[1]])), pytest.raises(ConfigError):
        build_evaluator(cfg, "build_test")


@pytest.mark.parametrize("kind", [None, "panoptic"])
def test_unknown_kind(kind: str | None) -> None:
    from detectron2.data import MetadataCatalog

    name = f"build_test_{kind}"
    if kind:
        MetadataCatalog.get(name).evaluator_type = kind
    with pytest.raises(ConfigError, match="known: ranking"):
        build_evaluator(get_cfg(), name)
