from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sor_ppa.data.image_io import read_grey, read_image
from sor_ppa.errors import ConfigError, DataError, SaliencyError
from sor_ppa.evaluation.results_io import read_results
from sor_ppa.showing import results as results_module
from sor_ppa.showing.inputs import Source, name_sources
from sor_ppa.showing.results import OutputOptions, ResultsFolder, cut_out, ranking_of
from tests.demo.fake_ranker import FakeRanker, fake_cfg

PICTURE = np.full((60, 80, 3), 120, np.uint8)


def instances_of(image: np.ndarray) -> Any:
    inputs = {"image": torch.from_numpy(image), "height": image.shape[0], "width": image.shape[1]}
    with torch.inference_mode():
        return FakeRanker(fake_cfg()).eval()([inputs])[0]["instances"]


def sources(*paths: str) -> list[Source]:
    return name_sources([Source("picture", path) for path in paths])


def written(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_one_picture(tmp_path: Path) -> None:
    (source,) = sources("/pictures/a.jpg")
    folder = ResultsFolder(tmp_path, info={"config": "x"}, options=OutputOptions(crops=1))
    assert not folder.has(source)
    ranking = folder.add(source, PICTURE, instances_of(PICTURE))
    folder.save()
    assert folder.write_overview([source]) == tmp_path / "overview.png"
    assert written(tmp_path) == [
        "crops/a_rank1.png", "overlays/a.jpg", "overview.png", "rank_maps/a.png", "results.json",
    ]  # fmt: skip
    assert ranking.objects == 3
    assert [(rank, round(score, 4)) for rank, score in ranking.ranked] == [(1, 0.9), (2, 0.75)]
    assert folder.has(source)
    assert [path.name for path, _ in folder.places()] == [
        "overview.png", "overlays", "rank_maps", "crops", "results.json",
    ]  # fmt: skip

    grey = read_grey(tmp_path / "rank_maps/a.png")
    assert sorted(np.unique(grey)) == [0, 229, 255]
    masks = instances_of(PICTURE).pred_masks.numpy()
    assert np.array_equal(grey == 255, masks[1]) and np.array_equal(grey == 229, masks[0])
    assert read_image(tmp_path / "overlays/a.jpg").shape == PICTURE.shape
    with Image.open(tmp_path / "crops/a_rank1.png") as crop:
        assert crop.mode == "RGBA" and crop.size == (32, 48)


def test_json_is_read_by_the_evaluation(tmp_path: Path) -> None:
    first, second = sources("/pictures/a.jpg", "/pictures/b/a.jpg")
    folder = ResultsFolder(tmp_path, info={"config": "x"})
    folder.add(first, PICTURE, instances_of(PICTURE))
    folder.add(second, PICTURE * 0, instances_of(PICTURE * 0))  # black: no object
    folder.save()
    read = read_results(folder.json_path)
    assert read.info["config"] == "x" and read.info["num_ranks"] == 5
    assert [image["file_name"] for image in read.images.values()] == ["a.jpg", "b/a.jpg"]
    assert [record["rank"] for record in read.records] == [2, 1, 0]
    assert {record["image_id"] for record in read.records} == {1}
    assert sorted(np.unique(read_grey(tmp_path / "rank_maps/b/a.png"))) == [0]


def test_options_leave_files_out(tmp_path: Path) -> None:
    (source,) = sources("/pictures/a.jpg")
    options = OutputOptions(overlays=False, rank_maps=False)
    folder = ResultsFolder(tmp_path, options=options)
    folder.add(source, PICTURE, instances_of(PICTURE))
    folder.save()
    assert folder.write_overview([source]) is None
    assert written(tmp_path) == ["results.json"]


def test_overview_only_for_a_dozen(tmp_path: Path) -> None:
    many = sources(*(f"/pictures/{k}.jpg" for k in range(13)))
    folder = ResultsFolder(tmp_path)
    assert folder.write_overview([]) is None
    for source in many:
        folder.add(source, PICTURE, instances_of(PICTURE))
    assert folder.write_overview(many) is None
    assert folder.write_overview(many[:12]) is not None


def test_resume_keeps_what_is_there(tmp_path: Path) -> None:
    a, b, c = sources("/pictures/a.jpg", "/pictures/b.jpg", "/pictures/c.jpg")
    folder = ResultsFolder(tmp_path, info={"config": "x", "opts": ["A", "1"]})
    for source in (a, b):
        folder.add(source, PICTURE, instances_of(PICTURE))
    folder.save()
    (tmp_path / "rank_maps/b.png").unlink()

    again = ResultsFolder(tmp_path, info={"config": "x", "opts": ["A", "1"]}, resume=True)
    assert [again.has(source) for source in (a, b, c)] == [True, False, False]
    for source in (b, c):
        again.add(source, PICTURE, instances_of(PICTURE))
    again.save()
    read = read_results(again.json_path)
    assert sorted(image["file_name"] for image in read.images.values()) == [
        "a.jpg",
        "b.jpg",
        "c.jpg",
    ]
    assert len(read.records) == 9 and len(read.by_image()) == 3
    assert all(len(records) == 3 for records in read.by_image().values())

    fresh = ResultsFolder(tmp_path, info={"config": "x"})  # without resume: from the start
    assert not fresh.has(a)


def test_resume_refuses_other_settings(tmp_path: Path) -> None:
    ResultsFolder(tmp_path, info={"weights": "a.pth"}).save()
    with pytest.raises(ConfigError, match=r"weights = 'a.pth', now it is 'b.pth'.*--resume"):
        ResultsFolder(tmp_path, info={"weights": "b.pth"}, resume=True)
    (tmp_path / "results.json").write_text("{torn")
    with pytest.raises(DataError):
        ResultsFolder(tmp_path, resume=True)
    ResultsFolder(tmp_path / "new", resume=True)  # nothing to resume is fine


@pytest.mark.parametrize("name", ["overlays/a.jpg", "rank_maps/a.png", "overview.png"])
def test_inputs_are_never_overwritten(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"precious")
    source = Source("picture", str(path), name="a", label="a.jpg")
    with pytest.raises(SaliencyError, match="is an input"):
        ResultsFolder(tmp_path, sources=[source])
    assert path.read_bytes() == b"precious"


def test_json_is_saved_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results_module, "_SAVE_EVERY_SECONDS", -1.0)
    (source,) = sources("/pictures/a.jpg")
    folder = ResultsFolder(tmp_path)
    folder.add(source, PICTURE, instances_of(PICTURE))
    assert len(json.loads(folder.json_path.read_text())["images"]) == 1


def test_full_disk_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "overlays").write_bytes(b"")  # a file where a folder should be
    (source,) = sources("/pictures/a.jpg")
    with pytest.raises((SaliencyError, OSError)):
        ResultsFolder(tmp_path).add(source, PICTURE, instances_of(PICTURE))
    assert written(tmp_path) == ["overlays"]


def test_ranking_without_objects() -> None:
    assert ranking_of(instances_of(PICTURE * 0)).ranked == ()


@pytest.mark.parametrize("box", [(0, 0, 1, 1), (2, 3, 5, 9), (0, 0, 80, 60)])
def test_cut_out(box: tuple[int, int, int, int]) -> None:
    x0, y0, x1, y1 = box
    mask = np.zeros((60, 80), bool)
    mask[y0:y1, x0:x1] = True
    if x1 - x0 > 1:
        mask[y0, x0] = False
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    cut = cut_out(image, mask)
    assert cut.shape == (y1 - y0, x1 - x0, 4)
    assert np.array_equal(cut[:, :, :3], image[y0:y1, x0:x1])
    assert np.array_equal(cut[:, :, 3] == 255, mask[y0:y1, x0:x1])
