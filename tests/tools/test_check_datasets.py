"""The tool that looks data sets over."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sor_ppa.data.benchmarks import BENCHMARKS
from sor_ppa.data.checks import check_set
from tests.data.benchmark_sets import write_set
from tests.data.sets import write_assr
from tools import check_datasets

ROWS = {name: row for row in BENCHMARKS for name in row.registered()}


def place(root: Path, name: str) -> Path:
    write_set(root, ROWS[name].registered()[name].layouts[0])
    return root


def run(root: Path, *arguments: str) -> int:
    return check_datasets.main([*arguments, "--root", str(root), "--quiet"])


def test_nothing_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path) == 2
    assert "none of the" in capsys.readouterr().err
    assert run(tmp_path, "ecssd") == 1
    out = capsys.readouterr().out
    assert "ecssd: not there" in out and "ECSSD/images" in out


def test_report_of_a_sound_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # SegTrack's number is only commonly said: another one is a warning.
    assert run(place(tmp_path, "segv2"), "SegTrack-V2") == 0
    out = capsys.readouterr().out
    assert "segv2: layout a2s-video, 4 pictures (commonly 1,065)" in out
    assert f"mask: {tmp_path}/vsod/SegV2/Annotations" in out
    assert "1 x P, object numbers" in out and "1 x I;16, 0 and 255" in out
    assert "commonest 6 x 8" in out
    assert "warning: 4 pictures, commonly it has 1,065" in out


def test_another_number_than_stated_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(place(tmp_path, "ecssd")) == 1
    assert "error: 3 pictures, its authors state 1,000" in capsys.readouterr().out


def test_faults_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place(tmp_path, "ecssd")
    images, masks = tmp_path / "ECSSD/images", tmp_path / "ECSSD/ground_truth_mask"
    shutil.copy(images / "img2.jpg", images / "lonely.jpg")
    (masks / "img2.png").write_bytes(b"nothing")
    Image.fromarray(np.ones((3, 3), np.uint8)).save(masks / "imh.jpg")
    (masks / "imh.jpg").rename(masks / "imh.png")
    assert run(tmp_path, "ECSSD", "--json", str(tmp_path / "report.json")) == 1
    capsys.readouterr()
    (report,) = json.loads((tmp_path / "report.json").read_text())["sets"]
    assert (report["name"], report["layout"]) == ("ecssd", "archive")
    assert (report["pictures"], report["expected"], report["opened"]) == (3, 1000, 3)
    assert sum("lonely.jpg: no file" in error for error in report["errors"]) == 1
    assert sum("img2.png" in error for error in report["errors"]) == 1
    assert "1 of another size" in report["warnings"][0] and "imh.png" in report["warnings"][0]
    assert report["masks"] == {"P, object numbers": 1, "L, 0 and 1": 1}
    assert report["sizes"]["commonest"] == [6, 8]


def test_missing_masks_are_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place(tmp_path, "hku_is")
    shutil.rmtree(tmp_path / "HKU-IS/gt")
    assert run(tmp_path, "hku_is") == 1
    assert "HKU-IS/gt: no such folder" in capsys.readouterr().out


def test_json_alone_on_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(place(tmp_path, "segv2"), "--json", "-") == 0
    (report,) = json.loads(capsys.readouterr().out)["sets"]
    assert report["name"] == "segv2" and report["errors"] == []


def test_only_a_sample_is_opened(tmp_path: Path) -> None:
    place(tmp_path, "ecssd")
    for sample, opened in ((0, 0), (2, 2), (9, 3), (None, 3)):
        report = check_set(ROWS["ecssd"], "ecssd", str(tmp_path), sample=sample)
        assert (report.pictures, report.opened, sum(report.sizes.values())) == (3, opened, opened)


def test_sets_of_other_kinds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_assr(tmp_path / "ASSR")
    place(tmp_path, "mit1003_train")
    assert run(tmp_path, "assr_test", "mit1003_train", "--json", str(tmp_path / "r.json")) == 1
    ranked, fixations = json.loads((tmp_path / "r.json").read_text())["sets"]
    assert (ranked["pictures"], ranked["errors"]) == (2, [])
    assert fixations["folders"].keys() == {"image", "saliency", "fixation"}
    assert fixations["errors"] == ["3 pictures, its authors state 803"]
    assert run(tmp_path, "assr_val") == 1
    assert "obj_seg_data_val.json" in capsys.readouterr().out


def test_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "DUTS") == 2
    assert "duts_train, duts_test" in capsys.readouterr().err
    assert run(tmp_path, "nonsense") == 2
    assert "no data set 'nonsense'" in capsys.readouterr().err
    assert run(tmp_path, "ecssd", "--sample", "-1") == 2
    assert run(tmp_path, "--list") == 0
    listed = capsys.readouterr().out
    assert "duts_train: DUTS-TR/DUTS-TR-Image, " in listed
    assert len(listed.splitlines()) == len(ROWS)


def test_progress_bar(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place(tmp_path, "segv2")
    assert check_datasets.main(["segv2", "--root", str(tmp_path)]) == 0
    assert "segv2" in capsys.readouterr().err
