from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sor_ppa.canvas import CanvasRule
from sor_ppa.config import get_cfg
from sor_ppa.data import build_mapper
from sor_ppa.data.fixation.mapper import FixationMapper
from sor_ppa.data.fixation.maps import fixation_map
from sor_ppa.data.image_io import read_image
from sor_ppa.errors import ConfigError, DataError
from tests.data.fixation.gaze_sets import write_gaze_set

RULE = CanvasRule((64, 96))


@pytest.fixture
def record(tmp_path: Path) -> dict[str, Any]:
    points = write_gaze_set(tmp_path, 1)
    return {
        "file_name": str(tmp_path / "image" / "p0.png"),
        "image_id": "p0",
        "fixations": points["p0"].astype(float),
        "fixation_sigma": 4.0,
    }


def test_test_input_has_no_target(record: dict[str, Any]) -> None:
    found = FixationMapper(is_train=False, canvas=RULE)(record)
    assert "fixation" not in found and "fixations" not in found
    assert (found["height"], found["width"]) == (48, 64)
    expected = RULE.on_canvas(read_image(record["file_name"], format="RGB"))
    np.testing.assert_array_equal(found["image"], expected.transpose(2, 0, 1))
    assert found["image"].dtype == torch.float32


def test_target_lies_on_the_same_canvas(record: dict[str, Any]) -> None:
    found = FixationMapper(is_train=True, canvas=RULE)(record)
    expected = RULE.target_on_canvas(fixation_map(record))
    assert found["fixation"].shape == (1, 64, 96)
    np.testing.assert_array_equal(found["fixation"][0], expected)


def test_flip_mirrors_both(record: dict[str, Any]) -> None:
    mapper = FixationMapper(is_train=True, canvas=CanvasRule((48, 64)), flip=True)
    plain = FixationMapper(is_train=True, canvas=CanvasRule((48, 64)))(record)
    np.random.seed(0)
    seen = set()
    for _ in range(8):
        found = mapper(record)
        flipped = not torch.equal(found["image"], plain["image"])
        seen.add(flipped)
        for key in ("image", "fixation"):
            expected = plain[key].flip(-1) if flipped else plain[key]
            torch.testing.assert_close(found[key], expected, atol=1e-3, rtol=0)
    assert seen == {True, False}


def test_by_its_name_and_faults(record: dict[str, Any]) -> None:
    cfg = get_cfg()
    cfg.INPUT.DATASET_MAPPER_NAME = "fixation"
    assert isinstance(build_mapper(cfg, True), FixationMapper)
    cfg.INPUT.RANDOM_FLIP = "vertical"
    with pytest.raises(ConfigError, match="none or horizontal for fixations"):
        build_mapper(cfg, True)
    with pytest.raises(DataError, match="p0.png"):
        FixationMapper(is_train=True, canvas=RULE)({**record, "height": 5, "width": 5})
    del record["fixations"]
    with pytest.raises(DataError, match="no fixation map"):
        FixationMapper(is_train=True, canvas=RULE)(record)
