"""The program that makes ranked scenes from unranked ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from sor_ppa.data.image_io import write_image
from sor_ppa.data.ranking import load_ranked_coco
from tests.data.scripts import script
from tests.data.sets import HEIGHT, WIDTH, coco, coco_object, picture, polygon, rectangle_rle

Run = Callable[..., int]


@pytest.fixture(scope="module")
def module(repository: Path) -> ModuleType:
    return script(repository, "prepare_ranked_coco")


@pytest.fixture()
def run(tmp_path: Path, module: ModuleType) -> Run:
    """Runs the program on the set of :func:`write_set`."""

    def call(*arguments: str, data: Any = None) -> int:
        write_set(tmp_path, unranked() if data is None else data)
        os.utime(tmp_path / "in.json", (1, 1))  # it is written anew each time, but not changed
        files = ["--instances", str(tmp_path / "in.json"), "--images", str(tmp_path / "images")]
        return module.main([*files, "--output", str(tmp_path / "out.json"), "--quiet", *arguments])

    return call


def unranked() -> dict[str, Any]:
    """a: large in the corner, middling at the centre, tiny; b: one by run lengths, and a crowd."""
    objects = [
        coco_object(1, 10, (0, 0, 6, 6)),
        coco_object(2, 10, (5, 3, 11, 9), category_id=5),
        coco_object(3, 10, (14, 10, 15, 11)),
        {**coco_object(4, 11, (2, 2, 9, 9)), "segmentation": rectangle_rle(2, 2, 9, 9)},
        {
            **coco_object(5, 11, (0, 0, 8, 4), iscrowd=1),
            "segmentation": {"size": [HEIGHT, WIDTH], "counts": [0, 100, 92]},
        },
    ]
    return coco(annotations=objects, info={"year": 2014}, licenses=[{"id": 1}])


def write_set(root: Path, data: Any) -> None:
    picture(root / "images" / "a.png")
    picture(root / "images" / "sub" / "b.png")
    (root / "in.json").write_text(json.dumps(data))


def result(tmp_path: Path) -> dict[str, Any]:
    return json.loads((tmp_path / "out.json").read_text())


def ranks(tmp_path: Path) -> dict[int, int]:
    return {item["id"]: item["rank"] for item in result(tmp_path)["annotations"]}


def test_empty_set(tmp_path: Path, run: Run) -> None:
    assert run(data={"images": [], "annotations": []}) == 0
    assert result(tmp_path)["images"] == []


def test_prior(tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    assert ranks(tmp_path) == {1: 2, 2: 1, 3: 0, 4: 1}  # 3 is too small, 5 a crowd
    info = result(tmp_path)["info"]
    assert info["year"] == 2014
    assert info["ranks"]["source"] == "derived"
    assert "Gaussian" in info["ranks"]["rule"]
    assert info["ranks"]["parameters"] == {
        "sigma": 0.3,
        "top": 5,
        "min_area": 0.01,
        "max_objects": 0,
        "categories": [],
        "exclude_categories": [],
    }
    assert result(tmp_path)["licenses"] == [{"id": 1}]
    assert "2 of 2 images, 4 of 5 objects, 3 ranked" in capsys.readouterr().out
    # What comes out can be loaded, strictly.
    dicts = load_ranked_coco(tmp_path / "out.json", tmp_path / "images", strict=True)
    assert [[a["gt_rank"] for a in item["annotations"]] for item in dicts] == [[2, 1, 0], [1]]
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--top", "1"], {1: 0, 2: 1, 3: 0, 4: 1}),
        (["--min-area", "0"], {1: 2, 2: 1, 3: 3, 4: 1}),
        (["--min-area", "0.2"], {4: 1}),
        (["--min-area", "0.2", "--keep-unranked-images"], {1: 0, 2: 0, 3: 0, 4: 1}),
        (["--max-objects", "1"], {4: 1}),
        (["--keep-crowd"], {1: 2, 2: 1, 3: 0, 4: 1, 5: 0}),
        (["--categories", "dog"], {1: 0, 2: 1, 3: 0}),
        (["--exclude-categories", "dog"], {1: 1, 2: 0, 3: 0, 4: 1}),
        (["--sigma", "10"], {1: 1, 2: 2, 3: 0, 4: 1}),  # without a centre, order decides
    ],
)
def test_options(tmp_path: Path, run: Run, arguments: list[str], wanted: dict[int, int]) -> None:
    if "--sigma" in arguments:
        data = unranked()
        data["annotations"][0].update(bbox=[0, 0, 7, 6], segmentation=[polygon(0, 0, 7, 6)])
        assert run(*arguments, data=data) == 0
    else:
        assert run(*arguments) == 0
    assert ranks(tmp_path) == wanted


def test_saliency_maps(tmp_path: Path, run: Run) -> None:
    saliency = np.zeros((HEIGHT, WIDTH), np.uint8)
    saliency[0:3, 0:6] = 200
    write_image(tmp_path / "maps" / "a.png", saliency)
    # Twice as large: it is scaled down.
    write_image(tmp_path / "maps" / "b.jpg", np.full((2 * HEIGHT, 2 * WIDTH), 9, np.uint8))
    assert run("--saliency-maps", str(tmp_path / "maps")) == 0
    assert ranks(tmp_path) == {1: 1, 2: 0, 3: 0, 4: 1}
    assert result(tmp_path)["info"]["ranks"]["rule"].startswith("mean of a saliency map")


def test_fixation_maps(tmp_path: Path, run: Run) -> None:
    points = np.zeros((HEIGHT, WIDTH), np.uint8)
    points[[1, 2, 4, 5, 6, 8], [1, 2, 6, 7, 8, 9]] = 255  # two on the first, four on the second
    write_image(tmp_path / "maps" / "a.png", points)
    write_image(tmp_path / "maps" / "b.png", points)
    assert run("--fixation-maps", str(tmp_path / "maps")) == 0
    assert ranks(tmp_path) == {1: 2, 2: 1, 3: 0, 4: 1}


SALICON = {
    "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}],
    "annotations": [  # row, column, from 1: both look at the first object first
        {"image_id": 1, "fixations": [[2, 2], [7, 9]]},
        {"image_id": 1, "fixations": [[1, 1]]},
        {"image_id": 2, "fixations": [[12, 16]]},
    ],
}
OSIE = {"a.png": [[[2, 2, 200], [9, 7, 100]], [[1, 1, 50]]], "b.png": [[[16, 12, 10]]]}


@pytest.mark.parametrize("points", [SALICON, OSIE])
def test_fixations(tmp_path: Path, run: Run, points: Any) -> None:
    (tmp_path / "points.json").write_text(json.dumps(points))
    assert run("--fixations", str(tmp_path / "points.json")) == 0
    # Nobody looked at the object of the second picture: the picture has no rank and goes.
    assert ranks(tmp_path) == {1: 1, 2: 2, 3: 0}
    info = result(tmp_path)["info"]["ranks"]
    assert info["rule"].startswith("order in which observers") and info["source"] == "derived"
    assert info["parameters"]["file"] == "points.json"


def test_zero_based_fixations(tmp_path: Path, run: Run) -> None:
    # Column 5 from 0 belongs to the second object, from 1 (= 4 from 0) to the first.
    (tmp_path / "points.json").write_text(json.dumps({"a.png": [[[5, 5]]], "b.png": [[[5, 5]]]}))
    assert run("--fixations", str(tmp_path / "points.json")) == 0
    assert ranks(tmp_path)[1] == 1
    assert run("--fixations", str(tmp_path / "points.json"), "--zero-based") == 0
    assert ranks(tmp_path)[2] == 1


def faulty() -> dict[str, Any]:
    data = unranked()
    data["annotations"].append({**coco_object(6, 10, (0, 0, 6, 6)), "segmentation": [[1, 2]]})
    data["annotations"].append(coco_object(7, 10, (9, 9, 9, 11)))
    data["images"].append({"id": 12, "file_name": "gone.png", "height": 3, "width": 3})
    return data


def test_faults_are_left_out_and_listed(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(data=faulty()) == 1
    assert ranks(tmp_path) == {1: 2, 2: 1, 3: 0, 4: 1}
    err = capsys.readouterr().err
    assert err.count("left out:") == 3
    assert "annotations[6] (id 7, image 10): bbox: bbox has no area" in err
    assert "annotations[5] (id 6, image 10): polygon 0" in err and "gone.png" in err


def test_strict_writes_nothing(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--strict", data=faulty()) == 2
    assert "3 problem(s)" in capsys.readouterr().err
    assert not (tmp_path / "out.json").exists()


def test_missing_and_unfit_maps(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(tmp_path / "maps" / "a.png", np.ones((HEIGHT, 2 * WIDTH), np.uint8))
    assert run("--saliency-maps", str(tmp_path / "maps")) == 1
    err = capsys.readouterr().err
    assert "a.png: map is 12 x 32, picture 12 x 16" in err
    assert "image 11" in err and "no map named b.*" in err
    assert result(tmp_path)["images"] == []
    assert run("--saliency-maps", str(tmp_path / "none")) == 2
    assert "no maps found" in capsys.readouterr().err


def test_what_failed_is_tried_again(tmp_path: Path, module: ModuleType) -> None:
    write_set(tmp_path, unranked())
    files = [f"--instances={tmp_path}/in.json", f"--images={tmp_path}/images"]
    arguments = [*files, f"--output={tmp_path}/out.json", f"--saliency-maps={tmp_path}/maps"]
    write_image(tmp_path / "maps" / "a.png", np.ones((HEIGHT, WIDTH), np.uint8))
    assert module.main([*arguments, "--strict", "--quiet"]) == 2
    assert (tmp_path / "out.json.partial").exists() and not (tmp_path / "out.json").exists()
    write_image(tmp_path / "maps" / "b.png", np.ones((HEIGHT, WIDTH), np.uint8))
    assert module.main([*arguments, "--strict", "--quiet"]) == 0
    assert ranks(tmp_path) == {1: 1, 2: 2, 3: 0, 4: 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--categories", "horse"], "no category named 'horse'; it has cat, dog"),
        (["--fixations", "none.json"], "none.json: cannot be read"),
    ],
)
def test_unusable_input(
    run: Run, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--sigma", "0"], ["--min-area", "2"], ["--top", "-1"]])
def test_numbers_out_of_range(run: Run, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    assert caught.value.code == 2


def test_a_stopped_run_goes_on(
    tmp_path: Path, run: Run, module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, ranked = module.rank_image, []

    def stops(image: dict[str, Any], *rest: Any) -> Any:
        ranked.append(image["id"])
        if image["id"] == 11 and ranked.count(11) == 1:
            raise KeyboardInterrupt
        return whole(image, *rest)

    monkeypatch.setattr(module, "rank_image", stops)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert not (tmp_path / "out.json").exists()
    partial = tmp_path / "out.json.partial"
    with open(partial, "a") as file:
        file.write('["11", {"ran')  # torn off while it was being written
    assert run() == 0
    assert ranked == [10, 11, 11]
    assert ranks(tmp_path) == {1: 2, 2: 1, 3: 0, 4: 1}
    assert not partial.exists()


def test_a_stopped_run_with_other_settings_starts_anew(
    tmp_path: Path, run: Run, module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("--strict", data=faulty()) == 2

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "assemble", stop)
    with pytest.raises(KeyboardInterrupt):
        run("--top", "1")
    monkeypatch.undo()
    assert (tmp_path / "out.json.partial").exists()
    assert run("--top", "2") == 0
    assert ranks(tmp_path) == {1: 2, 2: 1, 3: 0, 4: 1}


def test_as_a_program(tmp_path: Path, repository: Path, child_environment: dict[str, str]) -> None:
    write_set(tmp_path, unranked())
    command = [sys.executable, str(repository / "datasets" / "prepare_ranked_coco.py")]
    command += ["--instances", "in.json", "--images", "images", "--output", "new/out.json"]
    done = subprocess.run(
        command, cwd=tmp_path, env=child_environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "2 of 2 images" in done.stdout and "ranking: 100%" in done.stderr
    assert (tmp_path / "new" / "out.json").exists()


@pytest.mark.parametrize("statistic", ["sum", "mean"])
def test_ranked_by_a_fixation_network(tmp_path: Path, run: Run, statistic: str) -> None:
    """The same function and network as `sor-ppa rank --rank-by fixation`."""
    from sor_ppa import model_zoo
    from sor_ppa.data.derived.ranks import rank_by_map
    from sor_ppa.data.image_io import read_image
    from sor_ppa.data.ranking.annotations import segmentation_to_mask
    from sor_ppa.engine import Predictor

    options = ["--fixation-model", "msinet/tiny.yaml", "--statistic", statistic]
    assert run(*options, "--min-area", "0") == 0
    content = json.loads((tmp_path / "out.json").read_text())
    about = content["info"]["ranks"]
    assert about["source"] == "derived" and about["parameters"]["network"] == "msinet/tiny.yaml"
    cfg = model_zoo.get_config("msinet/tiny.yaml", trained=True)
    cfg.MODEL.DEVICE = "cpu"
    image = read_image(tmp_path / "images" / "a.png")
    fixation = Predictor(cfg)(image)["fixation"].numpy()
    items = [item for item in content["annotations"] if item["image_id"] == 10]
    masks = [segmentation_to_mask(item["segmentation"], *image.shape[:2]) for item in items]
    expected = rank_by_map(fixation, masks, statistic=statistic).tolist()
    assert [item["rank"] for item in items] == expected


def test_a_network_of_another_kind(tmp_path: Path, run: Run, capsys: pytest.CaptureFixture) -> None:
    assert run("--fixation-model", "inspyrenet/tiny.yaml") in (1, 2)
    assert "gives no fixation map" in capsys.readouterr().err
