"""Sets of the size of ASSR load quickly. The times are CPU times: other processes do not count."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sor_ppa.data.ranking import load_assr, load_ranked_coco
from sor_ppa.data.writers import write_json
from tests.data.scripts import script


def test_made_up_set_is_sound(tmp_path: Path, repository: Path) -> None:
    root = script(repository, "make_assr_like").make_assr_like(tmp_path / "ASSR", 70, split="val")
    dicts = load_assr(root, "val", strict=True)
    assert len(dicts) == 70
    assert sorted(item["gt_rank"] for item in dicts[-1]["annotations"]) == [1, 2, 3, 4, 5]
    assert (dicts[0]["height"], dicts[0]["width"]) == (480, 640)


@pytest.mark.slow
def test_8000_images_load_in_5_seconds(tmp_path: Path, repository: Path) -> None:
    make = script(repository, "make_assr_like")
    root = make.make_assr_like(tmp_path / "ASSR", 8000)
    start = time.process_time()
    dicts = load_assr(root, "train")
    assert time.process_time() - start < 5
    assert len(dicts) == 8000

    convert = script(repository, "convert_ranked")
    write_json(tmp_path / "a.json", convert.to_ranked_coco(dicts, "made up"))
    start = time.process_time()
    assert len(load_ranked_coco(tmp_path / "a.json", root / "images" / "train")) == 8000
    assert time.process_time() - start < 5
