"""ASSR and IRSR as ranked COCO files."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from detectron2.structures import BoxMode

from sor_ppa.data.ranking import load_assr, load_irsr, load_ranked_coco
from sor_ppa.data.ranking.annotations import segmentation_to_mask
from tests.data.scripts import script
from tests.data.sets import irsr_records, write_assr, write_irsr


@pytest.fixture(scope="module")
def module(repository: Path) -> ModuleType:
    return script(repository, "convert_ranked")


def same(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> bool:
    """Equal up to the form of boxes and of run lengths."""

    def plain(dicts: list[dict[str, Any]]) -> list[Any]:
        return [
            (
                [item[key] for key in ("file_name", "image_id", "height", "width")],
                [
                    (
                        BoxMode.convert(entry["bbox"], entry["bbox_mode"], BoxMode.XYXY_ABS),
                        segmentation_to_mask(
                            entry["segmentation"], item["height"], item["width"]
                        ).tobytes(),
                        isinstance(entry["segmentation"], dict),
                        entry["gt_rank"],
                    )
                    for entry in item["annotations"]
                ],
            )
            for item in dicts
        ]

    return plain(first) == plain(second)


def test_assr(tmp_path: Path, module: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    root, output = write_assr(tmp_path / "ASSR"), tmp_path / "new" / "test.json"
    arguments = ["--format", "assr", "--root", str(root), "--split", "test"]
    assert module.main([*arguments, "--output", str(output)]) == 0
    assert "2 images, 4 objects; pictures are in" in capsys.readouterr().out
    loaded = load_ranked_coco(output, root / "images" / "test", strict=True)
    assert same(loaded, load_assr(root, "test"))
    data = json.loads(output.read_text())
    assert data["info"]["ranks"]["source"] == "human"
    areas = [item["area"] for item in data["annotations"]]
    assert areas == [20, 20, 20, 20]

    assert module.main([*arguments, "--output", str(output), "--keep-unranked"]) == 0
    loaded = load_ranked_coco(output, root / "images" / "test", strict=True)
    assert same(loaded, load_assr(root, "test", keep_unranked=True))


@pytest.mark.parametrize("levels", [[0, 2, 1], [0, 1, 1]])
def test_irsr(tmp_path: Path, module: ModuleType, levels: list[int]) -> None:
    records = irsr_records()
    records[0]["rank"] = levels
    root, output = write_irsr(tmp_path / "IRSR", records), tmp_path / "test.json"
    arguments = ["--format", "irsr", "--root", str(root), "--split", "test"]
    assert module.main([*arguments, "--output", str(output)]) == 0
    loaded = load_ranked_coco(output, root / "Images" / "test" / "rgb", strict=True)
    assert same(loaded, load_irsr(root, "test"))
    ties = json.loads(output.read_text())["info"]["ranks"].get("ties", False)
    assert ties == (len(set(levels)) < 3)


def test_empty_split(tmp_path: Path, module: ModuleType) -> None:
    root = write_irsr(tmp_path / "IRSR", [])
    output = tmp_path / "test.json"
    arguments = ["--format", "irsr", "--root", str(root), "--split", "test"]
    assert module.main([*arguments, "--output", str(output)]) == 0
    assert load_ranked_coco(output, root) == []


def test_faults(tmp_path: Path, module: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    root, output = write_assr(tmp_path / "ASSR"), tmp_path / "test.json"
    (root / "test_images.txt").write_text("one\n")
    (root / "rank_order" / "test" / "one.json").write_text("[]")
    arguments = ["--format", "assr", "--root", str(root), "--split", "test"]
    assert module.main([*arguments, "--output", str(output), "--strict"]) == 2
    assert "error: 2 problem(s) in ASSR test" in capsys.readouterr().err
    assert module.main([*arguments, "--output", str(output)]) == 2
    assert not output.exists()
    with pytest.raises(SystemExit):
        module.main(["--format", "other"])


def test_compressed_masks_survive_json(tmp_path: Path, module: ModuleType) -> None:
    root = write_irsr(tmp_path, irsr_records())
    data = json.loads(json.dumps(module.to_ranked_coco(load_irsr(root, "test"), "rule")))
    mask = segmentation_to_mask(data["annotations"][1]["segmentation"], 12, 16)
    wanted = np.zeros((12, 16), bool)
    wanted[3:9, 3:9] = True
    np.testing.assert_array_equal(mask, wanted)
