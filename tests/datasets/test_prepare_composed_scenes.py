"""datasets/prepare_composed_scenes.py and the functions below it, on made-up pictures."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from sor_ppa.data.derived.ranks import prior_score
from sor_ppa.data.image_io import read_image
from sor_ppa.data.pairs import Folder, pair_by_stem
from sor_ppa.data.ranking.annotations import segmentation_problem, segmentation_to_mask
from sor_ppa.data.scenes.compose import SceneSettings, compose_scene, plain_scene
from sor_ppa.data.scenes.cutouts import cut_out, match_light, paste, remove_region, touched_sides
from sor_ppa.data.scenes.regions import (
    annotate_ranked,
    encode_mask,
    mask_to_polygons,
    salient_regions,
)
from sor_ppa.errors import DataError

REPO = Path(__file__).resolve().parents[2]
SCRIPT = REPO / "datasets" / "prepare_composed_scenes.py"


def disc(height: int, width: int, x: float, y: float, radius: float) -> np.ndarray:
    """Bool mask (height, width) of a filled circle."""
    ys, xs = np.mgrid[:height, :width]
    return (xs - x) ** 2 + (ys - y) ** 2 <= radius**2


def picture_and_mask(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise with one bright disc that covers a few percent; its mask has grey edges."""
    rng = np.random.default_rng(seed)
    height, width = int(rng.integers(80, 121)), int(rng.integers(80, 121))
    x, y = rng.integers(35, 50, 2)
    region = disc(height, width, x, y, float(rng.uniform(12, 18)))
    picture = rng.integers(0, 120, (height, width, 3)).astype(np.uint8)
    picture[region] = rng.integers(120, 256, 3)
    mask = cv2.GaussianBlur(region.astype(np.uint8) * 255, (0, 0), 0.8)
    return picture, mask


def write_pairs(root: Path, count: int) -> tuple[Path, Path]:
    """``count`` made-up pairs in root/image and root/mask."""
    images, masks = root / "image", root / "mask"
    images.mkdir(parents=True)
    masks.mkdir()
    for i in range(count):
        picture, mask = picture_and_mask(i)
        cv2.imwrite(str(images / f"p{i:02d}.jpg"), picture)
        cv2.imwrite(str(masks / f"p{i:02d}.png"), mask)
    return images, masks


def load_script() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("prepare_composed_scenes", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


script = load_script()


def arguments(root: Path, output: Path, *more: str) -> list[str]:
    """Arguments for the pairs of :func:`write_pairs`."""
    folders = ["--images", root / "image", "--masks", root / "mask", "--output", output]
    return [*map(str, folders), "--size", "128", *more]


def start(log: Path, *line: str) -> subprocess.Popen[bytes]:
    """The script as a process of its own, its output in a file."""
    path = os.pathsep.join(filter(None, [str(REPO), os.environ.get("PYTHONPATH")]))
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    with open(log, "wb") as file:
        return subprocess.Popen(
            [sys.executable, str(SCRIPT), *line], env=env, stdout=file, stderr=file
        )


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by its relative path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ten pairs."""
    root = tmp_path_factory.mktemp("pairs")
    write_pairs(root, 10)
    return root


@pytest.fixture(scope="module")
def made(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six scenes made by one process."""
    output = tmp_path_factory.mktemp("made") / "out"
    assert script.main(arguments(pairs, output, "--count", "6")) == 0
    return output


# --- the command -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plain", "composed"])
def test_empty_folders_are_refused(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pairs(tmp_path, 0)
    assert script.main(arguments(tmp_path, tmp_path / "out", "--kind", kind)) == 2
    assert "no picture in" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_missing_folders_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        pair_by_stem({kind: Folder(str(tmp_path / kind)) for kind in ("image", "mask")})
    assert len(caught.value.problems) == 2


def test_unpaired_and_double_stems_are_listed(tmp_path: Path) -> None:
    images, masks = write_pairs(tmp_path, 2)
    (images / "lonely.jpg").write_bytes(b"")
    (masks / "widow.png").write_bytes(b"")
    (images / "p00.png").write_bytes(b"")
    (images / "readme.txt").write_bytes(b"")
    found, problems = pair_by_stem({"image": Folder(str(images)), "mask": Folder(str(masks))})
    assert [Path(str(pair.paths["image"])).name for pair in found] == ["p00.jpg", "p01.jpg"]
    assert len(problems) == 3
    for name in ("lonely.jpg", "widow.png", "p00.png"):
        assert any(name in problem for problem in problems)


@pytest.mark.parametrize(
    "flags",
    [["--count", "0"], ["--size", "4"], ["--objects", "3", "2"], ["--workers", "0"]],
)
def test_bad_arguments(
    pairs: Path, tmp_path: Path, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(arguments(pairs, tmp_path / "out", *flags)) == 2
    assert flags[0] in capsys.readouterr().err


def test_strict_and_faulty_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images, masks = write_pairs(tmp_path, 4)
    whole = (images / "p01.jpg").read_bytes()
    (images / "p01.jpg").write_bytes(whole[: len(whole) // 2])
    cv2.imwrite(str(masks / "p02.png"), np.zeros((7, 7), np.uint8))
    for extra, status in ((["--strict"], 1), ([], 0)):
        line = arguments(tmp_path, tmp_path / "out", "--kind", "plain", *extra)
        assert script.main(line) == status
        complaints = capsys.readouterr().err
        assert "p01.jpg" in complaints and "p02.png" in complaints
    content = json.loads((tmp_path / "out" / "annotations.json").read_text())
    assert [image["file_name"] for image in content["images"]] == ["p00.jpg", "p03.jpg"]


def test_ranked_coco_file(made: Path) -> None:
    content = json.loads((made / "annotations.json").read_text())
    assert content["info"]["ranks"]["source"] == "derived" and content["info"]["ranks"]["rule"]
    assert len(content["images"]) == 6
    assert [a["id"] for a in content["annotations"]] == list(
        range(1, len(content["annotations"]) + 1)
    )
    for image in content["images"]:
        height, width = image["height"], image["width"]
        picture = read_image(made / "images" / image["file_name"])
        assert picture.shape == (height, width, 3)
        assert max(height, width) == 128
        objects = [a for a in content["annotations"] if a["image_id"] == image["id"]]
        assert [a["rank"] for a in objects] == list(range(1, len(objects) + 1))
        assert 1 <= len(objects) <= 5
        masks = [segmentation_to_mask(a["segmentation"], height, width) for a in objects]
        scores = [prior_score(mask) for mask in masks]
        assert all(a >= b * 0.98 for a, b in zip(scores, scores[1:]))
        for annotation, mask in zip(objects, masks):
            assert segmentation_problem(annotation["segmentation"], height, width) is None
            assert annotation["area"] == pytest.approx(mask.sum(), rel=0.05)


@pytest.mark.slow
def test_same_files_with_any_number_of_workers(pairs: Path, made: Path, tmp_path: Path) -> None:
    line = arguments(pairs, tmp_path / "two", "--count", "6", "--workers", "2")
    process = start(tmp_path / "log", *line)
    assert process.wait(timeout=120) == 0, (tmp_path / "log").read_text()
    assert contents(tmp_path / "two") == contents(made)


def test_other_seeds_give_other_scenes(pairs: Path, made: Path, tmp_path: Path) -> None:
    assert script.main(arguments(pairs, tmp_path / "out", "--count", "2", "--seed", "1")) == 0
    first = "images/scene_000000.jpg"
    assert contents(tmp_path / "out")[first] != contents(made)[first]


@pytest.mark.slow
def test_goes_on_after_a_kill(pairs: Path, made: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    victim = start(tmp_path / "log", *arguments(pairs, output, "--count", "4000"))
    deadline = time.monotonic() + 60
    while len(list(output.glob("records/*.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    done_before = {p: p.stat().st_mtime_ns for p in output.glob("records/scene_00000[01].json")}
    assert len(done_before) == 2 and not (output / "annotations.json").exists()
    # An image without its record, and a record made with other settings, are made again.
    (output / "records" / "scene_000002.json").write_text('{"settings": "other"}')
    assert script.main(arguments(pairs, output, "--count", "6")) == 0
    assert {p: p.stat().st_mtime_ns for p in done_before} == done_before
    resumed = contents(output)
    assert {name: resumed[name] for name in contents(made)} == contents(made)


# --- regions and polygons --------------------------------------------------------------------


def test_regions_of_an_empty_mask() -> None:
    assert salient_regions(np.zeros((5, 7), np.uint8)) == []
    assert mask_to_polygons(np.zeros((5, 7), bool)) == []
    assert annotate_ranked([]) == []


def test_regions_merge_splinters_and_drop_specks() -> None:
    mask = np.zeros((100, 200), np.uint8)
    mask[20:80, 20:60] = 255  # an object
    mask[30:40, 62:68] = 200  # its splinter, two pixels off
    mask[30:80, 100:140] = 255  # another object
    mask[90:96, 180:190] = 255  # too small for an object and far from any
    mask[5, 5] = 255  # a speck
    mask[60:70, 160:170] = 127  # not above the threshold
    regions = salient_regions(mask, min_fraction=0.01)
    assert [int(region.sum()) for region in regions] == [60 * 40 + 10 * 6, 50 * 40]


def test_two_large_neighbours_stay_two_and_corners_touch() -> None:
    mask = np.zeros((100, 100), np.uint8)
    mask[10:50, 10:50] = mask[10:50, 51:90] = 255
    assert len(salient_regions(mask)) == 2
    mask[:] = 0
    mask[10:50, 10:50] = mask[50:90, 50:90] = 255
    assert len(salient_regions(mask)) == 1


def shapes() -> dict[str, np.ndarray]:
    """Masks (60, 80) that are hard for polygons."""
    ring = disc(60, 80, 40, 30, 25) & ~disc(60, 80, 40, 30, 12)
    two_holes = disc(60, 80, 40, 30, 28) & ~disc(60, 80, 30, 30, 6) & ~disc(60, 80, 50, 30, 6)
    line, pixel, corner = (np.zeros((60, 80), bool) for _ in range(3))
    line[30, 5:70] = pixel[59, 79] = True
    corner[10:20, 10:20] = corner[20:30, 20:30] = True
    noise = np.random.default_rng(0).random((60, 80)) < 0.5
    nested = ring | disc(60, 80, 40, 30, 5)
    return {
        "disc": disc(60, 80, 40, 30, 20),
        "small": disc(60, 80, 10, 10, 2),
        "everything": np.ones((60, 80), bool),
        "ring": ring,
        "two holes": two_holes,
        "disc in ring": nested,
        "two parts": disc(60, 80, 20, 30, 12) | disc(60, 80, 60, 30, 12),
        "line": line,
        "pixel": pixel,
        "corners": corner,
        "noise": noise,
    }


@pytest.mark.parametrize("name", list(shapes()))
def test_segmentations_reproduce_masks(name: str) -> None:
    mask = shapes()[name]
    segmentation = encode_mask(mask)
    assert segmentation_problem(segmentation, *mask.shape) is None
    again = segmentation_to_mask(segmentation, *mask.shape)
    assert (again & mask).sum() / (again | mask).sum() > 0.97
    if name != "noise":
        assert isinstance(segmentation, list)


def test_polygons_that_fail_become_run_lengths() -> None:
    mask = shapes()["noise"]
    segmentation = encode_mask(mask, min_iou=1.01)
    assert isinstance(segmentation, dict)
    assert (segmentation_to_mask(segmentation, *mask.shape) == mask).all()


def test_ranks_are_those_of_the_prior() -> None:
    masks = [disc(100, 100, 10, 10, 8), disc(100, 100, 50, 50, 20), disc(100, 100, 70, 50, 20)]
    objects = annotate_ranked(masks)
    assert [a["rank"] for a in objects] == [1, 2, 3]
    assert [a["area"] for a in objects] == [int(masks[i].sum()) for i in (1, 2, 0)]
    assert objects[0]["bbox"] == [30, 30, 41, 41]
    many = [disc(100, 100, 5 + 9 * i, 50, 3) for i in range(8)]
    assert sorted(a["rank"] for a in annotate_ranked(many)) == list(range(1, 9))


# --- cutting and pasting ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "y", "sides"), [(50, 50, ""), (0, 50, "l"), (99, 50, "r"), (0, 0, "lt"), (50, 99, "b")]
)
def test_sides_that_cut_an_object(x: int, y: int, sides: str) -> None:
    assert touched_sides(disc(100, 100, x, y, 20)) == sides
    mirrored = touched_sides(disc(100, 100, x, y, 20)[:, ::-1])
    picture = np.zeros((100, 100, 3), np.uint8)
    region = disc(100, 100, x, y, 20)
    cutout = cut_out(picture, region.astype(np.uint8) * 255, region)
    assert sorted(cutout.flipped().sides) == sorted(mirrored)


def test_a_cutout_brings_nothing_of_its_background() -> None:
    picture = np.full((80, 80, 3), (0, 255, 0), np.uint8)
    region = disc(80, 80, 40, 40, 20)
    picture[region] = (200, 0, 100)
    mask = cv2.GaussianBlur(region.astype(np.uint8) * 255, (0, 0), 0.8)
    canvas = np.zeros((90, 100, 3), np.uint8)
    cutout = cut_out(picture, mask, region)
    paste(canvas, cutout, left=20, top=10)
    footprint = cutout.footprint(canvas.shape, left=20, top=10)
    assert canvas[..., 1].max() <= 12  # no green
    assert 0.85 < footprint.sum() / region.sum() <= 1.0
    assert (
        canvas[~cv2.dilate(footprint.astype(np.uint8), np.ones((5, 5))).astype(bool)] == 0
    ).all()


@pytest.mark.parametrize(("left", "top"), [(-10, -10), (75, 75), (-500, 0), (0, 500)])
def test_paste_beyond_the_borders(left: int, top: int) -> None:
    region = disc(60, 60, 30, 30, 15)
    cutout = cut_out(np.full((60, 60, 3), 255, np.uint8), region.astype(np.uint8) * 255, region)
    canvas = np.zeros((80, 80, 3), np.uint8)
    paste(canvas, cutout, left=left, top=top)
    footprint = cutout.footprint(canvas.shape, left=left, top=top)
    assert ((canvas[..., 0] > 128) == footprint).mean() > 0.99
    assert footprint.sum() < region.sum()


def test_light_moves_towards_the_scene_within_bounds() -> None:
    region = disc(60, 60, 30, 30, 20)
    picture = np.full((60, 60, 3), 220, np.uint8)
    cutout = cut_out(picture, region.astype(np.uint8) * 255, region)
    dark = np.full((50, 50, 3), 20, np.uint8)
    assert (match_light(cutout, dark, strength=0.0).pixels == 220).all()
    half = match_light(cutout, dark, strength=0.5).pixels[cutout.alpha > 0.5]
    assert 180 < half.mean() < 215


def test_removed_regions_are_gone_and_the_rest_is_untouched() -> None:
    picture = np.full((100, 120, 3), 90, np.uint8)
    region = disc(100, 120, 60, 50, 12)
    picture[region] = (0, 0, 255)
    cleaned = remove_region(picture, region)
    assert np.abs(cleaned.astype(int) - 90).max() < 12
    assert (cleaned[:20] == picture[:20]).all()


# --- scenes ----------------------------------------------------------------------------------


def test_scenes_follow_their_settings() -> None:
    sources = [picture_and_mask(i) for i in range(10)]
    settings = SceneSettings(size=160, pasted=(2, 3))
    counts = []
    for i in range(25):
        scene = compose_scene(sources.__getitem__, 10, np.random.default_rng(i), settings)
        assert max(scene.image.shape) == 160 and scene.image.dtype == np.uint8
        assert np.sum(scene.masks, axis=0).max() == 1  # disjoint
        assert len(set(scene.sources)) == len(scene.sources)
        for mask, whole in zip(scene.masks, scene.whole):
            assert mask.sum() >= 0.6 * whole and mask.mean() >= settings.min_fraction
        counts.append(len(scene.masks))
    assert set(counts) <= {2, 3, 4} and len(set(counts)) > 1


def test_scenes_without_usable_sources_say_so() -> None:
    with pytest.raises(DataError, match="background"):
        compose_scene(lambda i: None, 3, np.random.default_rng(0), SceneSettings())
    picture, mask = picture_and_mask(0)
    with pytest.raises(DataError, match="object that fits"):
        compose_scene(lambda i: (picture, mask), 1, np.random.default_rng(0), SceneSettings())


def test_plain_scenes_shrink_but_never_grow() -> None:
    picture, mask = picture_and_mask(3)
    same = plain_scene(picture, mask, SceneSettings(size=480))
    assert (same.image == picture).all() and len(same.masks) == 1
    small = plain_scene(picture, mask, SceneSettings(size=60))
    assert max(small.image.shape) == 60 and small.masks[0].shape == small.image.shape[:2]
