"""Every command and every example of datasets/README.md runs."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from detectron2.data import DatasetCatalog, MetadataCatalog

from sor_ppa.config import get_cfg
from sor_ppa.data import image_io, resolve_name
from sor_ppa.data.benchmarks import BENCHMARKS
from sor_ppa.data.extra import register_extra
from sor_ppa.data.ranking import load_ranked_coco
from tests.data.benchmark_sets import write_set
from tests.data.fixation.gaze_sets import write_gaze_set
from tests.data.scripts import script
from tests.data.sets import (
    coco_object,
    irsr_records,
    picture,
    polygon,
    rectangle_rle,
    write_assr,
    write_irsr,
)
from tests.data.test_flow_folder import write_frames
from tools import check_datasets, write_datasets_readme


def blocks(repository: Path, language: str) -> list[str]:
    text = (repository / "datasets" / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands(repository: Path) -> list[list[str]]:
    lines = "\n".join(blocks(repository, "bash")).splitlines()
    return [shlex.split(line) for line in lines if line.startswith("python ")]


@pytest.fixture()
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with everything that the commands mention."""
    monkeypatch.chdir(tmp_path)
    write_assr(tmp_path / "datasets" / "ASSR")
    write_irsr(tmp_path / "datasets" / "IRSR", irsr_records())
    root = tmp_path / "coco"
    picture(root / "images" / "a.png")
    objects = [
        coco_object(1, 1, (0, 0, 6, 6)),
        {**coco_object(2, 1, (8, 2, 14, 9)), "segmentation": rectangle_rle(8, 2, 14, 9)},
    ]
    names = [{"id": 3, "name": "person"}, {"id": 4, "name": "dog"}]
    images = [{"id": 1, "file_name": "a.png"}]
    data = {"images": images, "annotations": objects, "categories": names}
    (root / "instances.json").write_text(json.dumps(data))
    (root / "fixations.json").write_text(json.dumps({"a.png": [[[9, 5, 100], [2, 2, 100]]]}))
    grey = np.full((12, 16), 255, np.uint8)
    for folder in ("saliency", "fixation_maps"):
        image_io.write_image(root / folder / "a.png", grey)
    davis = next(row for row in BENCHMARKS if row.name == "davis16").splits["test"].layouts[0]
    frames = {kind: folder for kind, folder in davis.folders.items() if kind != "flow"}
    write_set(tmp_path / "datasets", replace(davis, folders=frames))
    write_frames(tmp_path / "clips/frames", "bear", "cow")
    for kind in ("images", "thermal"):
        picture(tmp_path / "night" / kind / "street.jpg")
    rng = np.random.default_rng(0)
    for number in range(6):
        scene = rng.integers(60, 90, (90, 120, 3), dtype=np.uint8)
        scene[20:70, 30:80] = rng.integers(120, 250, 3)
        mask = np.zeros((90, 120), np.uint8)
        mask[20:70, 30:80] = 255
        image_io.write_image(tmp_path / "DUTS-TR" / "image" / f"{number}.jpg", scene)
        image_io.write_image(tmp_path / "DUTS-TR" / "mask" / f"{number}.png", mask)
    return tmp_path


@pytest.mark.usefixtures("forget_data_sets")
def test_every_command_runs(workplace: Path, repository: Path) -> None:
    found = commands(repository)
    assert len(found) >= 12
    for python, program, *arguments in found:
        assert python == "python"
        if "--folders" in arguments:
            assert check_datasets.main([*arguments, "--quiet"]) == 0
            continue
        if program == "tools/check_datasets.py":  # tested with the tool
            assert resolve_name(*arguments) in DatasetCatalog.list()
            continue
        assert program.startswith("datasets/")
        # Loading a large set is timed elsewhere.
        arguments = ["20" if value == "8000" else value for value in arguments]
        assert script(repository, Path(program).stem).main(arguments) == 0, arguments
    assert (workplace / "flow.png").is_file()
    made = {path.parent.name for path in (workplace / "clips/optical").glob("*/*.jpg")}
    assert made == {"bear", "cow"}
    assert len(list((workplace / "datasets/vsod/DAVIS-TE/optical").glob("*/*.jpg"))) == 4
    names = {path.stem for path in (workplace / "ranked").glob("*.json")}
    assert names == {"assr_test", "irsr_test", "prior", "maps", "counts", "gaze", "looks", "few"}
    assert (workplace / "gaze/maps/a.png").is_file()
    for name in ("prior", "maps", "counts", "gaze", "looks"):
        (item,) = load_ranked_coco(f"ranked/{name}.json", "coco/images", strict=True)
        assert sorted(entry["gt_rank"] for entry in item["annotations"]) == [1, 2], name


def test_every_program_is_mentioned(repository: Path) -> None:
    text = (repository / "datasets" / "README.md").read_text(encoding="utf-8")
    for path in (repository / "datasets").glob("*.py"):
        assert path.name in text, path.name


@pytest.fixture()
def beach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the examples speak of; the names that they register go at the end."""
    monkeypatch.chdir(tmp_path)
    picture(tmp_path / "beach" / "images" / "beach.jpg", 480, 640)
    picture(tmp_path / "beach" / "masks" / "beach.png", 480, 640)
    write_frames(tmp_path / "clips/frames", "bear")
    for kind in ("images", "thermal"):
        picture(tmp_path / "night" / kind / "street.jpg")
    yield
    for name in ("beach_train", "beach_masks", "night", "clips"):
        DatasetCatalog.pop(name, None)
        MetadataCatalog.pop(name, None)


def register(settings: str, code: str) -> list[dict[str, Any]]:
    """Runs an example from Python, then the one for a config; the set's dicts."""
    exec(compile(code, "README.md", "exec"), {})
    Path("config.yaml").write_text(settings)
    cfg = get_cfg()
    cfg.merge_from_file("config.yaml")
    register_extra(cfg)
    return DatasetCatalog.get(cfg.DATASETS.TRAIN[0])


@pytest.mark.usefixtures("beach")
def test_ranked_example_and_its_use(repository: Path) -> None:
    (example,) = blocks(repository, "json")
    Path("beach/train.json").write_text(example)
    (item,) = load_ranked_coco("beach/train.json", "beach/images", strict=True)
    assert [entry["gt_rank"] for entry in item["annotations"]] == [1, 2, 0]
    assert item["annotations"][0]["segmentation"] == [polygon(80, 60, 280, 360)]
    assert len(register(blocks(repository, "yaml")[3], blocks(repository, "python")[1])) == 1


@pytest.mark.usefixtures("beach")
def test_example_of_a_folder_with_masks(repository: Path) -> None:
    (item,) = register(blocks(repository, "yaml")[0], blocks(repository, "python")[0])
    assert item["sem_seg_file_name"] == "beach/masks/beach.png"


@pytest.mark.usefixtures("beach")
def test_example_of_folders_with_more_than_pictures(repository: Path) -> None:
    (item,) = register(blocks(repository, "yaml")[1], blocks(repository, "python")[0])
    assert item == {
        "file_name": "night/images/street.jpg",
        "image_id": "street",
        "thermal_file_name": "night/thermal/street.jpg",
    }
    assert [frame["video_id"] for frame in DatasetCatalog.get("clips")] == ["bear"] * 3


@pytest.mark.usefixtures("beach")
def test_example_of_a_set_with_fixations(repository: Path) -> None:
    write_gaze_set(Path("gaze"), 101)
    Path("gaze/image").rename("gaze/pictures")
    Path("gaze/fixations.json").rename("gaze/looks.json")
    dicts = register(blocks(repository, "yaml")[2], blocks(repository, "python")[0])
    assert len(dicts) == 100 and len(DatasetCatalog.get("gaze_val")) == 1
    assert dicts[0]["fixations"].shape == (6, 2)


def test_generated_parts_are_up_to_date(repository: Path) -> None:
    text = (repository / "datasets" / "README.md").read_text(encoding="utf-8")
    remedy = "run tools/write_datasets_readme.py"
    assert write_datasets_readme.filled_readme(text) == text, remedy


def test_every_set_is_in_the_readme(repository: Path) -> None:
    text = (repository / "datasets" / "README.md").read_text(encoding="utf-8")
    for row in BENCHMARKS:
        assert row.homepage in text and row.licence in text
        for name, split in row.registered().items():
            assert f"`{name}`" in text
            assert split.count is None or f"{split.count:,}" in text
            # All its archive folders are shown.
            for layout in split.layouts:
                for folder in layout.folders.values():
                    assert folder.path.split("/")[-1] in text
    assert "We host no data" in text


def test_settings_of_the_example_are_safe_yaml(repository: Path) -> None:
    names = [yaml.safe_load(text)["DATASETS"]["EXTRA"][0][0] for text in blocks(repository, "yaml")]
    assert names == ["beach_masks", "clips", "gaze_train", "beach_train"]
