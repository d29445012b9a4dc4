from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from sor_ppa.data.image_io import read_image, write_image
from sor_ppa.engine.predictor import Predictor
from sor_ppa.errors import ImageError, SaliencyError
from sor_ppa.showing.inputs import Source, expand_inputs
from sor_ppa.showing.saliency_folder import CutoutOptions, SaliencyFolder
from sor_ppa.showing.saliency_renderer import SaliencyRenderer
from sor_ppa.showing.show import Outcome, VideoRun, show_pictures
from sor_ppa.showing.video import VideoReader
from sor_ppa.visualization import cutouts
from sor_ppa.visualization.output_types import parse_type
from tests.demo.fake_saliency import NAN_LEVEL, fake_cfg, soft_disc
from tests.showing.clips import clip_with_sound, frames_bgra, program, sound_seconds
from tests.showing.test_video import write_clip

ALL = ("map", "rgba", "green", "white", "9,8,7", "blur", "overlay")


@pytest.fixture
def predictor() -> Predictor:
    return Predictor(fake_cfg())


def make(
    out: Path, *types: str, sheet: bool = False, workers: int = 2, **others: Any
) -> SaliencyRenderer:
    options = CutoutOptions(types=tuple(parse_type(kind) for kind in types), **others)
    return SaliencyRenderer(SaliencyFolder(out, options=options), workers=workers, sheet=sheet)


def run(predictor: Predictor, renderer: SaliencyRenderer, path: Path) -> list[Outcome]:
    return list(show_pictures(predictor, expand_inputs([str(path)]), renderer))


def written(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_no_picture(predictor: Predictor, tmp_path: Path) -> None:
    renderer = make(tmp_path / "out", "rgba", sheet=True)
    assert list(show_pictures(predictor, [], renderer)) == []
    assert not (tmp_path / "out").exists()
    with pytest.raises(SaliencyError, match="nothing for a sheet"):
        renderer.write_sheet(tmp_path / "sheet.png")


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (2, 2), (127, 331), (160, 16)])
def test_every_type_at_every_size(
    predictor: Predictor, tmp_path: Path, size: tuple[int, int]
) -> None:
    image = np.random.default_rng(0).integers(20, 256, (*size, 3), dtype=np.uint8)
    write_image(tmp_path / "in.png", image)
    (outcome,) = run(predictor, make(tmp_path / "out", *ALL), tmp_path / "in.png")
    assert outcome.error is None
    assert [path.name for path in outcome.result] == [
        "in_map.png", "in_rgba.png", "in_green.png", "in_white.png", "in_9-8-7.png",
        "in_blur.png", "in_overlay.png",
    ]  # fmt: skip
    p = soft_disc(*size).numpy()
    for path in outcome.result:
        with Image.open(path) as picture:
            assert picture.size == size[::-1]
            modes = {"in_map.png": "L", "in_rgba.png": "RGBA"}
            assert picture.mode == modes.get(path.name, "RGB")
    grey = cv2.imread(str(outcome.result[0]), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(grey, (p * 255).astype(np.uint8))
    white = read_image(outcome.result[3])
    assert np.array_equal(white, cutouts.on_colour(image, p, (255, 255, 255)))


@pytest.mark.parametrize("level", [0, 255, 77])
def test_constant_pictures(predictor: Predictor, tmp_path: Path, level: int) -> None:
    write_image(tmp_path / "in.png", np.full((40, 60, 3), level, np.uint8))
    (outcome,) = run(predictor, make(tmp_path / "out", *ALL), tmp_path / "in.png")
    grey = cv2.imread(str(outcome.result[0]), cv2.IMREAD_UNCHANGED)
    assert grey.max() == (255 if level else 0)


def test_16_bits(predictor: Predictor, tmp_path: Path) -> None:
    write_image(tmp_path / "in.jpg", np.full((140, 160, 3), 50, np.uint8))
    (outcome,) = run(predictor, make(tmp_path / "out", "map", bits=16), tmp_path / "in.jpg")
    deep = cv2.imread(str(outcome.result[0]), cv2.IMREAD_UNCHANGED)
    assert deep.dtype == np.uint16
    assert np.abs(deep / 65535 - soft_disc(140, 160).numpy()).max() < 1e-4
    assert len(np.unique(deep)) > 256


def test_threshold_reverse_and_trim(predictor: Predictor, tmp_path: Path) -> None:
    write_image(tmp_path / "in.png", np.full((80, 100, 3), 50, np.uint8))
    p = soft_disc(80, 100).numpy()
    out = tmp_path / "out"
    renderer = make(out, "map", threshold=0.5)
    (hard,) = run(predictor, renderer, tmp_path / "in.png")[0].result
    assert np.array_equal(cv2.imread(str(hard), -1) == 255, p > 0.5)
    renderer = make(out, "map", threshold=0.5, reverse=True)
    (reverse,) = run(predictor, renderer, tmp_path / "in.png")[0].result
    assert reverse.name == "in_map_reverse.png"
    assert np.array_equal(cv2.imread(str(reverse), -1) == 0, p > 0.5)
    renderer = make(out, "rgba", "map", trim=True)
    rgba, grey = run(predictor, renderer, tmp_path / "in.png")[0].result
    rows, columns = np.flatnonzero((p > 0.05).any(1)), np.flatnonzero((p > 0.05).any(0))
    size = (np.ptp(rows) + 1, np.ptp(columns) + 1)
    assert cv2.imread(str(rgba), -1).shape == (*size, 4)
    assert cv2.imread(str(grey), -1).shape == size and size < (80, 100)


def test_a_hard_cut_keeps_the_pictures_own_colours(predictor: Predictor, tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(20, 256, (60, 70, 3), dtype=np.uint8)
    write_image(tmp_path / "in.png", image)
    renderer = make(tmp_path / "out", "rgba", threshold=0.5)
    (path,) = run(predictor, renderer, tmp_path / "in.png")[0].result
    assert np.array_equal(cv2.imread(str(path), -1)[:, :, :3], image)


def test_background_picture(predictor: Predictor, tmp_path: Path) -> None:
    write_image(tmp_path / "in.png", np.full((40, 60, 3), 50, np.uint8))
    write_image(tmp_path / "beach.png", np.full((7, 9, 3), 200, np.uint8))
    renderer = make(tmp_path / "out", str(tmp_path / "beach.png"))
    (path,) = run(predictor, renderer, tmp_path / "in.png")[0].result
    assert path.name == "in_beach.png"
    shown = read_image(path)
    assert (shown[0, 0] == 200).all() and (shown[20, 30] == 50).all()
    (tmp_path / "torn.png").write_text("<html>")
    with pytest.raises(ImageError, match="torn.png"):
        make(tmp_path / "out", str(tmp_path / "torn.png"))


def test_pyramid(tmp_path: Path) -> None:
    cfg = fake_cfg()
    cfg.MODEL.INSPYRENET.RETURN_PYRAMID = True
    write_image(tmp_path / "in.png", np.full((40, 60, 3), 50, np.uint8))
    renderer = make(tmp_path / "out", "pyramid", trim=True)
    (path,) = run(Predictor(cfg), renderer, tmp_path / "in.png")[0].result
    assert path.name == "in_pyramid.png" and read_image(path).shape[1] > 900


def test_bad_maps_fail_alone(predictor: Predictor, tmp_path: Path) -> None:
    for name, level in (("a", 50), ("b", NAN_LEVEL), ("c", 60)):
        write_image(tmp_path / "in" / f"{name}.png", np.full((40, 60, 3), level, np.uint8))
    outcomes = run(predictor, make(tmp_path / "out", "map"), tmp_path / "in")
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert "NaN" in str(outcomes[1].error) and "MODEL.WEIGHTS" in str(outcomes[1].error)
    assert written(tmp_path / "out") == ["a_map.png", "c_map.png"]


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ({}, "gives nothing"),
        ({"instances": 1}, "gives instances.*inspyrenet/tiny.yaml"),
        ({"saliency": torch.zeros(3, 3)}, "resize the map"),
    ],
)
def test_outputs_of_other_networks(tmp_path: Path, outputs: dict, said: str) -> None:
    with pytest.raises(SaliencyError, match=said):
        make(tmp_path, "map").take(outputs, (4, 4))


def test_half_precision_maps(tmp_path: Path) -> None:
    saliency = torch.rand(4, 5, dtype=torch.bfloat16)
    taken = make(tmp_path, "map").take({"saliency": saliency}, (4, 5))
    assert taken.saliency.dtype == np.float32


def test_results_that_cannot_be_written_end_the_run(predictor: Predictor, tmp_path: Path) -> None:
    for k in range(3):
        write_image(tmp_path / "in" / f"{k}.png", np.full((40, 60, 3), 50, np.uint8))
    (tmp_path / "out").touch()  # a file where the folder should be
    with pytest.raises((SaliencyError, OSError)):
        run(predictor, make(tmp_path / "out", "map"), tmp_path / "in")


def test_sheet(predictor: Predictor, tmp_path: Path) -> None:
    for k in range(14):
        write_image(tmp_path / "in" / f"{k:02d}.png", np.full((30 + k, 60, 3), 100 + k, np.uint8))
    renderer = make(tmp_path / "out", "rgba", "map", "green", sheet=True)
    run(predictor, renderer, tmp_path / "in")
    renderer.write_sheet(tmp_path / "sheet.jpg")
    sheet = read_image(tmp_path / "sheet.jpg")
    assert sheet.shape[0] > 12 * 220 and sheet.shape[0] < 13 * 270  # the first dozen
    green = np.abs(sheet.astype(int) - [155, 255, 120]).max(axis=2) < 12
    assert green.any(axis=1).sum() > 11 * 180  # in every row


@pytest.mark.parametrize(("kind", "format"), [("blur", None), ("map", "webm"), ("rgba", "mov")])
def test_video_with_sound(
    predictor: Predictor, tmp_path: Path, kind: str, format: str | None
) -> None:
    program()
    clip = clip_with_sound(tmp_path / "clip.mkv")
    (source,) = expand_inputs([str(clip)])
    renderer = make(tmp_path / "out", kind, format=format)
    video = VideoRun(predictor, source, renderer, batch_size=3)
    assert len(list(video)) == 10
    (path,) = renderer.paths(source)
    assert sound_seconds(path) == pytest.approx(1, abs=0.1)
    frames = frames_bgra(path, (48, 64))
    assert len(frames) == 10
    p = soft_disc(48, 64).numpy()
    if kind == "map":
        assert np.abs(frames[3, :, :, 0] / 255.0 - p).mean() < 0.03
    if kind == "rgba":
        assert np.abs(frames[3, :, :, 3] / 255.0 - p).max() < 0.02
    original = list(VideoReader(str(clip)))
    if kind == "blur":
        inside = p == 1
        assert np.abs(frames[3, inside, :3].astype(int) - original[3][inside]).mean() < 6
        assert np.abs(frames[3, ~inside, :3].astype(int) - original[3][~inside]).mean() > 12
    assert renderer.folder._done["clip.mkv"]["files"] == [Path(path).name]


def test_video_as_frames_and_several_types(predictor: Predictor, tmp_path: Path) -> None:
    (source,) = expand_inputs([str(write_clip(tmp_path / "clip.avi", frames=7))])
    renderer = make(tmp_path / "out", "rgba", "map", bits=16, format="png", workers=4)
    assert len(list(VideoRun(predictor, source, renderer))) == 7
    assert len(written(tmp_path / "out")) == 14
    original = list(VideoReader(source.path))
    for index in range(7):
        rgba = cv2.imread(str(tmp_path / f"out/clip_rgba/{index:06d}.png"), -1)
        assert rgba.shape == (48, 64, 4)
        assert abs(int(rgba[24, 32, 0]) - int(original[index][24, 32, 0])) <= 1  # in order
        assert cv2.imread(str(tmp_path / f"out/clip_map/{index:06d}.png"), -1).dtype == np.uint16


def test_stopped_video_is_not_taken_for_a_whole_one(predictor: Predictor, tmp_path: Path) -> None:
    (source,) = expand_inputs([str(write_clip(tmp_path / "clip.avi", frames=200))])
    renderer = make(tmp_path / "out", "blur", "rgba")
    with contextlib.closing(iter(VideoRun(predictor, source, renderer))) as frames:
        for _ in range(5):
            next(frames)
    names = {name.split("/")[0] for name in written(tmp_path / "out")}
    assert names == {"clip_blur_unfinished.mp4", "clip_rgba_unfinished"}
    left = list(VideoReader(str(tmp_path / "out/clip_blur_unfinished.mp4")))
    assert 5 <= len(left) <= 12
    assert renderer.folder._done == {} and not renderer.has(source)


def test_a_video_with_bad_maps_fails(predictor: Predictor, tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 48))
    for level in (50, 60, NAN_LEVEL, 70):
        writer.write(np.full((48, 64, 3), level, np.uint8))
    writer.release()
    (source,) = expand_inputs([str(path)])
    with pytest.raises(SaliencyError, match="NaN"):
        list(VideoRun(predictor, source, make(tmp_path / "out", "green")))
    assert not (tmp_path / "out/clip_green.mp4").exists()


def test_view_is_something_a_window_can_show(tmp_path: Path) -> None:
    image = np.full((30, 40, 3), 90, np.uint8)
    for kind in (*ALL, "map"):
        renderer = make(tmp_path, kind, bits=16)
        taken = renderer.take({"saliency": soft_disc(30, 40)}, (30, 40))
        shown = renderer.view(image, taken)
        assert shown.dtype == np.uint8 and shown.shape[:2] == (30, 40)
        assert shown.ndim == 2 or shown.shape[2] == 3


_MEMORY = """
import resource, sys
from tests.demo.fake_saliency import fake_cfg
from tests.showing.test_saliency_renderer import make
from sor_ppa.showing.inputs import expand_inputs
from sor_ppa.engine.predictor import Predictor
from sor_ppa.showing.show import VideoRun
from pathlib import Path
for clip in sys.argv[2:]:
    (source,) = expand_inputs([clip])
    count = len(list(VideoRun(Predictor(fake_cfg()), source, make(Path(sys.argv[1]), "blur"))))
    print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    """Six times the frames (each 0.9 MB, and its map 1.2 MB) may cost a few frames more."""
    lengths = (20, 120)
    clips = [
        write_clip(tmp_path / f"{frames}.avi", frames=frames, size_hw=(480, 640))
        for frames in lengths
    ]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _MEMORY, str(tmp_path / "out"), *map(str, clips)],
        cwd=Path(__file__).parents[2], env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [[int(word) for word in line.split()] for line in done.stdout.splitlines()[-2:]]
    assert [count for count, _ in lines] == list(lengths)
    assert (lines[1][1] - lines[0][1]) / 1024 < 40


def test_webcams_have_no_files(tmp_path: Path) -> None:
    folder = SaliencyFolder(tmp_path, sources=[Source("webcam", "0", "webcam0", "webcam0")])
    assert folder.options.types[0].name == "rgba"
