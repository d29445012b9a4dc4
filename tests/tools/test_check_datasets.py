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


def test_modalities_are_looked_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place(tmp_path, "vt821")
    thermal = tmp_path / "RGBT/VT821/T"
    names = sorted(path.name for path in thermal.iterdir() if path.name[0] == "i")
    assert names == ["img10.v1.final.JPG", "img2.jpg", "imh.png"]
    for name, array in (
        ("img2.jpg", np.full((6, 8), 0, np.uint8)),
        ("imh.png", np.arange(56, dtype=np.uint16).reshape(7, 8) * 300),
    ):
        Image.fromarray(array).save(thermal / name)
    (thermal / names[0]).write_bytes(b"nothing")
    assert run(tmp_path, "vt821", "--json", str(tmp_path / "r.json")) == 1
    (report,) = json.loads((tmp_path / "r.json").read_text())["sets"]
    assert sum(report["modalities"]["thermal"].values()) == 2
    assert sum(names[0] in error for error in report["errors"]) == 1
    warnings = "\n".join(report["warnings"])
    assert "thermal: 1 of another size than the picture" in warnings
    assert "thermal: 1 of one value everywhere" in warnings and "img2.jpg" in warnings
    assert report["notes"] == [
        "thermal: 1 of 16 bits are read as value / 257; their brightest becomes 64 of 255"
    ]
    out = capsys.readouterr().out
    assert "    thermal: 1 x " in out and "    note: thermal: 1 of 16 bits" in out


def test_flow_that_is_computed_is_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place(tmp_path, "segv2")
    assert run(tmp_path, "segv2") == 0
    assert "note: " not in capsys.readouterr().out
    (tmp_path / "vsod/SegV2/optical/bear/img2.jpg").unlink()
    assert run(tmp_path, "segv2") == 0
    assert "note: flow: 1 of 4 frames have no picture of it" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "vsod/SegV2/optical")
    assert run(tmp_path, "segv2") == 0
    out = capsys.readouterr().out
    assert "note: flow: 4 of 4 frames" in out and "    flow: " not in out


def test_folders_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for path, number in (("i/v/1.png", 1), ("i/v/2.png", 2), ("m/v/2.png", 0), ("d/v/1.png", 9)):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8) * number).save(path)
    # Pictures alone, with an absolute path; masks that are missing; depth that is missing.
    assert check_datasets.main(["--folders", str(tmp_path / "i"), "--quiet"]) == 0
    assert "i: layout own, 2 pictures\n" in capsys.readouterr().out
    assert check_datasets.main(["--folders", "i", "m", "--quiet"]) == 1
    assert "i/v/1.png: no file of the same stem in ./m (mask)" in capsys.readouterr().out
    assert check_datasets.main(["--folders", "i", "m", "video", "--quiet"]) == 0
    assert "layout own, 1 pictures" in capsys.readouterr().out
    assert check_datasets.main(["--folders", "i", "depth=d", "--quiet"]) == 1
    out = capsys.readouterr().out
    assert "i/v/2.png: no file of the same stem in ./d (depth)" in out and "depth: 1 x L" in out
    assert check_datasets.main(["--folders", "gone", "--quiet"]) == 1
    assert "not there: none of gone in ." in capsys.readouterr().out
    for wrong in (["--folders", "i", "lidar=l"], ["--folders", "i", "--", "ecssd"]):
        assert check_datasets.main(wrong) == 2
    assert "--folders: 'lidar=l' must be" in capsys.readouterr().err
