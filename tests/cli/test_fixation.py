"""`sor-ppa fixation` with the bundled network, and ranking by what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sor_ppa import cli
from sor_ppa.data.image_io import read_grey, read_image
from sor_ppa.showing.video import VideoReader
from tests.demo import fake_saliency
from tests.showing.test_video import write_clip
from tests.synthetic import files_below


def fixation(*arguments: object) -> int:
    return cli.main(["fixation", *map(str, arguments)])


def test_folder_of_pictures(tmp_path: Path, pictures: Path, capsys: Any) -> None:
    out = tmp_path / "out"
    types = ["--type", "overlay", "heat", "contours", "map", "density"]
    sheet = tmp_path / "sheet.jpg"
    assert fixation("-i", pictures, "-d", out, *types, "--sheet", sheet, "--bits", 16) == 0
    found = files_below(out)
    assert "fixation.json" in found and "a/x_heat.png" in found and "b/y_overlay.jpg" in found
    assert len(found) == 3 * 5 + 1
    size = read_image(pictures / "a" / "x.png").shape[:2]
    density = np.load(out / "a" / "x_density.npy")
    assert density.dtype == np.float32 and density.shape == size
    assert density.sum(dtype=np.float64) == pytest.approx(1, abs=1e-5)
    with Image.open(out / "a" / "x_map.png") as grey:
        assert grey.mode.startswith("I;16") and grey.size == size[::-1]
    assert read_image(out / "a" / "x_contours.png").shape[:2] == size
    with Image.open(sheet) as drawn:
        assert drawn.width > 300
    assert f"{out}  (*_overlay, *_heat, *_contours, *_map, *_density)" in capsys.readouterr().out


def test_resumes_and_lists_what_failed(tmp_path: Path, pictures: Path, capsys: Any) -> None:
    out = tmp_path / "out"
    (pictures / "broken.jpg").write_bytes(b"no picture")
    assert fixation("-i", pictures, "-d", out) == 1
    assert "broken.jpg" in capsys.readouterr().err
    assert fixation("-i", pictures, "-d", out, "--resume") == 1
    assert "3 pictures were done before" in capsys.readouterr().out
    assert fixation("-i", pictures, "-d", tmp_path / "other", "--strict") == 2


def test_video(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=4)
    assert fixation("-i", clip, "-d", tmp_path / "out", "--type", "heat", "--batch-size", 2) == 0
    reader = VideoReader(str(tmp_path / "out" / "clip_heat.mp4"))
    assert reader.info.frames == 4
    reader.close()


def test_published_preprocessing_changes_the_map(tmp_path: Path, pictures: Path) -> None:
    one = pictures / "a" / "x.png"
    for preset in ("repository", "hub"):
        where = ("-d", tmp_path / preset, "--type", "map", "--preset", preset)
        assert fixation("-i", one, *where) == 0
    first, second = (read_grey(tmp_path / p / "x_map.png") for p in ("repository", "hub"))
    assert first.shape == second.shape and (first != second).any()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--type", "rgba"], "choose overlay, heat, contours, map, density"),
        (["--opacity", "2"], "--opacity must lie in 0 ... 1"),
        (["--sheet", "sheet.gif"], "--sheet must end in"),
        (["--batch-size", "0"], "--batch-size must be at least 1"),
        (["--config-file", "msinet/none.yaml"], "msinet/none.yaml"),
    ],
)
def test_options_that_cannot_work(
    tmp_path: Path, pictures: Path, capsys: Any, arguments: list[str], words: str
) -> None:
    assert fixation("-i", pictures, "-d", tmp_path / "out", *arguments) == 2
    assert words in capsys.readouterr().err


def test_a_density_of_a_video_and_a_network_of_another_kind(
    tmp_path: Path, pictures: Path, capsys: Any
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=2)
    assert fixation("-i", clip, "-d", tmp_path / "out", "--type", "density") == 2
    assert "--type density is for pictures" in capsys.readouterr().err
    other = fake_saliency.fake_config_file(tmp_path)
    assert fixation("-i", pictures, "-d", tmp_path / "o", "-m", other) == 2
    assert "gives saliency and no fixation map" in capsys.readouterr().err


# ---- ranking by gaze


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A picture with a bright face-like disc and a dark corner; a file of both as objects."""
    y, x = np.mgrid[:120, :160]
    image = np.full((120, 160, 3), 90, np.uint8)
    image[(y - 60) ** 2 + (x - 80) ** 2 < 500] = (240, 200, 170)
    image[(y - 55) ** 2 + (x - 72) ** 2 < 12] = image[(y - 55) ** 2 + (x - 88) ** 2 < 12] = 10
    folder = tmp_path / "scene"
    folder.mkdir()
    Image.fromarray(image).save(folder / "photo.png")
    boxes = {1: [0, 0, 30, 30], 2: [55, 35, 50, 50], 3: [120, 90, 40, 30]}
    annotations = [
        {
            "id": key, "image_id": 7, "category_id": 1, "bbox": [x, y, w, h], "area": w * h,
            "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]], "iscrowd": 0,
        }
        for key, (x, y, w, h) in boxes.items()
    ]  # fmt: skip
    content = {
        "images": [{"id": 7, "file_name": "photo.png", "height": 120, "width": 160}],
        "categories": [{"id": 1, "name": "thing"}],
        "annotations": annotations,
    }
    (tmp_path / "instances.json").write_text(json.dumps(content))
    return tmp_path


def by_gaze(scene: Path, *arguments: object) -> int:
    where = ("-i", scene / "scene", "-d", scene / "out", "--rank-by", "fixation")
    return cli.main(["rank", *map(str, where), *map(str, arguments)])


@pytest.mark.parametrize("statistic", ["sum", "mean", "max"])
def test_objects_of_a_file_are_ordered_by_the_looks_they_get(scene: Path, statistic: str) -> None:
    assert by_gaze(scene, "--objects", scene / "instances.json", "--statistic", statistic) == 0
    content = json.loads((scene / "out" / "results.json").read_text())
    ranks = [record["rank"] for record in content["results"]]
    assert sorted(ranks) == [1, 2, 3] and ranks[1] == 1
    shares = [record["gaze_share"] for record in content["results"]]
    assert shares[1] == max(shares) and 0 < sum(shares) <= 1
    assert content["info"]["rank_by"] == "fixation" and content["info"]["statistic"] == statistic
    assert {"overview.png", "overlays/photo.jpg", "rank_maps/photo.png"} <= set(
        files_below(scene / "out")
    )
    # What came out may go in again.
    again = ("--objects", scene / "out" / "results.json", "--statistic", statistic)
    assert by_gaze(scene, "-o", scene / "again", *again) == 0
    second = json.loads((scene / "again" / "results.json").read_text())
    assert [record["rank"] for record in second["results"]] == ranks


def test_objects_of_the_ranking_network(scene: Path) -> None:
    assert by_gaze(scene, "--confidence-threshold", 0.01) == 0
    results = json.loads((scene / "out" / "results.json").read_text())["results"]
    ranked = sorted((r for r in results if r["rank"]), key=lambda record: record["rank"])
    shares = [record["gaze_share"] for record in ranked]
    assert shares and shares == sorted(shares, reverse=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"file_name": "other.png"}, "names no picture photo.png"),
        ({"height": 60}, "is 120 x 160"),
    ],
)
def test_files_of_other_pictures(scene: Path, capsys: Any, change: dict, words: str) -> None:
    content = json.loads((scene / "instances.json").read_text())
    content["images"][0] |= change
    content["annotations"] = []
    (scene / "instances.json").write_text(json.dumps(content))
    assert by_gaze(scene, "--objects", scene / "instances.json") == 2
    assert words in capsys.readouterr().err


def test_what_cannot_be_combined(scene: Path, capsys: Any) -> None:
    photo = str(scene / "scene" / "photo.png")
    assert cli.main(["rank", "-i", photo, "--objects", "x.json"]) == 2
    assert "--objects needs --rank-by fixation" in capsys.readouterr().err
    (scene / "bare.json").write_text("[]")
    assert by_gaze(scene, "--objects", scene / "bare.json") == 2
    assert "bare list of results names no pictures" in capsys.readouterr().err
    clip = write_clip(scene / "clip.mp4", frames=2)
    assert by_gaze(scene, "-i", clip, "--objects", scene / "instances.json") == 2
    assert "--objects is for pictures" in capsys.readouterr().err
