from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from sor_ppa.config import get_cfg
from sor_ppa.data import register_extra
from sor_ppa.data.fixation.points import fixation_points
from sor_ppa.data.fixation.sets import (
    FixationFolders,
    load_fixation_set,
    register_fixation_set,
)
from sor_ppa.errors import ConfigError, DataError
from tests.data.fixation.gaze_sets import write_gaze_set
from tests.data.fixation.mat_writers import write_osie

pytestmark = pytest.mark.usefixtures("forget_data_sets")


@pytest.mark.parametrize("marks", [False, True])
def test_every_kind_of_source_gives_the_same_points(tmp_path: Path, marks: bool) -> None:
    points = write_gaze_set(tmp_path, marks=marks)
    subjects = [[points[stem].tolist()] for stem in sorted(points)]
    write_osie(tmp_path / "fixations.mat", subjects)
    for source in (
        {"points": "fixations.json"},
        {"points": "fixations.mat"},
        {"fixation": "fixation"},
    ):
        named = {key: str(tmp_path / value) for key, value in source.items()}
        folders = FixationFolders(str(tmp_path / "image"), str(tmp_path / "saliency"), **named)
        dicts = load_fixation_set(folders)
        assert [item["image_id"] for item in dicts] == ["p0", "p1", "p2"]
        for item in dicts:
            assert Path(item["saliency_file_name"]).is_file()
            found, expected = fixation_points(item), points[item["image_id"]]
            if "fixation" in source:  # binary, in reading order
                expected = np.unique(expected[:, ::-1], axis=0)[:, ::-1]
            np.testing.assert_array_equal(found, expected)


def test_split_of_an_own_set(tmp_path: Path) -> None:
    write_gaze_set(tmp_path, 5)
    words = (f"points={tmp_path / 'fixations.json'}", f"split={tmp_path / 's.json'}", "train=3")
    cfg = get_cfg()
    cfg.DATASETS.EXTRA = tuple(
        (f"mine_{part}", str(tmp_path / "image"), "", *words, f"part={part}", "sigma=3")
        for part in ("train", "val")
    )
    register_extra(cfg)
    register_extra(cfg)  # again: nothing
    parts = {part: DatasetCatalog.get(f"mine_{part}") for part in ("train", "val")}
    assert [len(part) for part in parts.values()] == [3, 2]
    assert len({item["image_id"] for part in parts.values() for item in part}) == 5
    assert parts["val"][0]["fixation_sigma"] == 3
    assert MetadataCatalog.get("mine_val").evaluator_type == "fixation"


def test_pictures_without_partner_are_all_named(tmp_path: Path) -> None:
    write_gaze_set(tmp_path)
    (tmp_path / "saliency" / "p0.png").unlink()
    (tmp_path / "saliency" / "p2.png").unlink()
    folders = FixationFolders(str(tmp_path / "image"), str(tmp_path / "saliency"))
    with pytest.raises(DataError) as caught:
        load_fixation_set(folders)
    assert len(caught.value.problems) == 2


def test_points_that_lack_pictures(tmp_path: Path) -> None:
    write_gaze_set(tmp_path)
    (tmp_path / "fixations.json").write_text('{"p0.jpg": []}')
    folders = FixationFolders(str(tmp_path / "image"), points=str(tmp_path / "fixations.json"))
    with pytest.raises(DataError, match="has no fixations of .*p1.png"):
        load_fixation_set(folders)
    write_osie(tmp_path / "f.mat", [[[[1, 1]]]])
    folders = FixationFolders(str(tmp_path / "image"), points=str(tmp_path / "f.mat"))
    with pytest.raises(DataError, match="fixations of 1 pictures, and there are 3"):
        load_fixation_set(folders)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("saliency=a", "depth=b"), "'depth=b' must be one of saliency="),
        (("points=a", "points=b"), "points is given twice"),
        (("points=a", "sigma=wide"), "'sigma=wide' needs a number"),
        (("points=a", "sigma=0"), "'sigma=0' must be above 0"),
        (("points=a", "split=s.json"), "part must be train or val"),
        (("points=a", "split=s.json", "part=test"), "part must be train or val, got 'test'"),
    ],
)
def test_entries_that_cannot_work(words: tuple[str, ...], text: str) -> None:
    cfg: Any = get_cfg()
    cfg.DATASETS.EXTRA = (("mine", "images", "", *words),)
    with pytest.raises(ConfigError, match=text):
        register_extra(cfg)


def test_a_set_needs_maps_or_points() -> None:
    with pytest.raises(ConfigError, match="neither fixation maps nor points"):
        register_fixation_set("mine", "images")
