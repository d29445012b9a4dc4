"""Labelling whole data sets: content, resuming, faults, processes."""

from __future__ import annotations

import json
import logging
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog
from PIL import Image

from sor_ppa.data import register_extra
from sor_ppa.engine.predictor import Predictor
from sor_ppa.errors import ConfigError, DataError, ImageError, SaliencyError
from sor_ppa.pseudo_labels import worker as label_worker
from sor_ppa.pseudo_labels.inputs import Prediction, predictions
from sor_ppa.pseudo_labels.label import pseudo_label
from sor_ppa.pseudo_labels.labelling import SetLabels, make_pseudo_labels
from sor_ppa.pseudo_labels.worker import Outcome
from tests.evaluation.dense_sets import die
from tests.pseudo_labels.labeller import (
    NAN_LEVEL,
    SIZE,
    labeller_cfg,
    picture,
    write_pictures,
)

pytestmark = pytest.mark.usefixtures("forget_data_sets")

NAME = "labelled_set"


def config(tmp_path: Path, *changes: str, count: int = 5) -> CfgNode:
    """The labelling network, and a set of unlabelled pictures registered."""
    folder = tmp_path / "pictures"
    if not folder.is_dir():
        write_pictures(folder, count)
    changes = ("DATASETS.PSEUDO_ROOT", str(tmp_path / "labels"), *changes)
    cfg = labeller_cfg(*changes, sets=[(NAME, str(folder), "")])
    register_extra(cfg)
    return cfg


def label(cfg: CfgNode, **further: Any) -> SetLabels:
    (labels,) = make_pseudo_labels(cfg, **further)
    return labels


def files_in(folder: Path) -> dict[str, bytes]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def ledger_of(labels: SetLabels) -> dict[str, Any]:
    return json.loads((labels.folder / "labels.json").read_text())


def shrunk(image: np.ndarray) -> np.ndarray:
    """A picture at the size of the network's input."""
    return np.asarray(Image.fromarray(image).resize(SIZE[::-1], Image.Resampling.BICUBIC))


def plain_label(number: int, crf: str = "scipy") -> np.ndarray:
    """The label of a picture of the labeller, made by hand."""
    image = picture(number)
    small = shrunk(image)
    bright = small.astype(np.float32).mean(axis=2, dtype=np.float32) / np.float32(255)
    return pseudo_label(bright, small, image.shape[:2], crf)


@pytest.mark.parametrize("crf", ["scipy", "none"])
def test_labels(tmp_path: Path, crf: str) -> None:
    labels = label(config(tmp_path, "PSEUDO_LABELS.CRF", crf))
    folder = tmp_path / "labels" / "rgb" / NAME
    assert labels.folder == folder and (labels.made, labels.kept) == (5, 0)
    assert sorted(files_in(folder)) == [*(f"{i}.png" for i in range(5)), "labels.json"]
    shares = []
    for number in range(5):
        found = np.asarray(Image.open(folder / f"{number}.png"))
        np.testing.assert_array_equal(found, plain_label(number, crf))
        shares.append((found == 255).mean())
        assert 0.1 < shares[-1] < 0.4  # the disc
    ledger = ledger_of(labels)
    assert ledger["complete"] and ledger["labels"] == ledger["pictures"] == 5
    assert ledger["foreground"] == pytest.approx(np.mean(shares))
    assert (ledger["set"], ledger["task"], ledger["crf_backend"]) == (NAME, "rgb", crf)
    assert ledger["settings"]["dense_crf"] is (crf != "none")
    assert ledger["all_black"] == ledger["all_white"] == ledger["left_out"] == []


@pytest.mark.parametrize(
    ("changes", "further", "text"),
    [
        (("DATASETS.TRAIN", "()"), {}, "no data set to label"),
        ((), {"names": []}, "no data set to label"),
        ((), {"names": ["no_such_set"]}, "'no_such_set' is not registered"),
        ((), {"workers": -1}, "workers must be 0 or more, got -1"),
        ((), {"batch_size": 0}, "got 0 and 0"),
        ((), {"loader_workers": -1}, "got 8 and -1"),
        (("PSEUDO_LABELS.CRF", "fast"), {}, "PSEUDO_LABELS.CRF"),
    ],
)
def test_wrong_arguments(
    tmp_path: Path, changes: tuple[str, ...], further: dict[str, Any], text: str
) -> None:
    with pytest.raises(ConfigError, match=text):
        label(config(tmp_path, *changes), **further)
    assert not list((tmp_path / "labels").rglob("*.png"))


def test_processes_and_batches_change_nothing(tmp_path: Path) -> None:
    cfg = config(tmp_path, count=7)
    ways = {
        "one": {"batch_size": 1},
        "some": {"batch_size": 3, "workers": 2},
        "many": {"batch_size": 16, "workers": 2, "loader_workers": 2},
    }
    for root, way in ways.items():
        label(cfg, root=str(tmp_path / root), **way)
    one, some, many = (files_in(tmp_path / root) for root in ways)
    assert len(one) == 8
    assert one == some == many


@pytest.mark.parametrize("order", ["RGB", "BGR"])
@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_predictions(tmp_path: Path, order: str, batch_size: int) -> None:
    """At the size of the network's input, and the input itself with its colours as they are."""
    cfg = config(tmp_path, "INPUT.FORMAT", order)
    dicts = DatasetCatalog.get(NAME)
    (tmp_path / "pictures" / "2.png").write_bytes(b"no picture")
    found = list(predictions(Predictor(cfg), dicts, batch_size=batch_size))
    assert sorted(item.index for item in found) == list(range(5))
    for item in found:
        if item.index == 2:
            assert isinstance(item, Outcome) and "2.png" in item.fault and item.share is None
            continue
        assert isinstance(item, Prediction)
        small = shrunk(picture(item.index))
        np.testing.assert_array_equal(item.image_rgb, small)
        np.testing.assert_allclose(item.probability, small.mean(axis=2) / 255, atol=1e-6)
        assert item.size_hw == picture(item.index).shape[:2]


def test_no_pictures_no_predictions(tmp_path: Path) -> None:
    assert list(predictions(Predictor(config(tmp_path)), [])) == []


def test_a_stopped_run_goes_on(tmp_path: Path) -> None:
    cfg = config(tmp_path, count=6)
    folder = label(cfg).folder
    whole = files_in(folder)
    (folder / "1.png").unlink()
    (folder / "2.png").write_bytes(whole["2.png"][:40])
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(folder / "3.png")
    (folder / "labels.json").write_text(
        (folder / "labels.json").read_text().replace('"complete": true', '"complete": false')
    )
    times = {number: (folder / f"{number}.png").stat().st_mtime_ns for number in (0, 4, 5)}
    calls: list[tuple[int, int]] = []
    labels = label(cfg, progress=lambda done, total: calls.append((done, total)))
    assert (labels.made, labels.kept) == (3, 3)
    assert calls == [(3, 6), (4, 6), (5, 6), (6, 6)]
    assert {n: (folder / f"{n}.png").stat().st_mtime_ns for n in times} == times
    again = files_in(folder)
    ledger = json.loads(again.pop("labels.json"))
    before = json.loads(whole.pop("labels.json"))
    assert again == whole
    assert ledger["foreground"] == before["foreground"] and ledger["complete"]
    assert label(cfg).made == 0


def test_overwrite(tmp_path: Path) -> None:
    cfg = config(tmp_path)
    folder = label(cfg).folder
    whole = files_in(folder)
    Image.fromarray(np.zeros(picture(0).shape[:2], np.uint8)).save(folder / "0.png")
    kept = label(cfg)
    assert kept.kept == 5 and kept.black == ["0"]
    assert label(cfg, overwrite=True).made == 5
    assert files_in(folder) == whole


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (("SEED", "8"), "weights_sha256"),
        (("PSEUDO_LABELS.CRF", "none"), "dense_crf"),
        (("INPUT.DENSE.TEST_SIZE", "(32, 64)"), "test_size"),
    ],
)
def test_labels_of_another_making_are_not_mixed(
    tmp_path: Path, change: tuple[str, str], key: str
) -> None:
    folder = label(config(tmp_path)).folder
    (folder / "1.png").unlink()
    before = files_in(tmp_path / "labels")
    with pytest.raises(ConfigError, match=f"{key} = .*--overwrite.*--root"):
        label(config(tmp_path, *change))
    assert files_in(tmp_path / "labels") == before
    labels = label(config(tmp_path, *change), overwrite=True)
    assert labels.made == 5 and ledger_of(labels)["settings"][key] == labels.settings[key]


def test_a_foreign_ledger_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "labels" / "rgb" / NAME / "labels.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"labels": ["cat", "dog"]}')
    with pytest.raises(DataError, match="labels.json: is no file of ours"):
        label(config(tmp_path))
    assert "cat" in path.read_text()


def test_labels_without_a_ledger_are_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cfg = config(tmp_path)
    (label(cfg).folder / "labels.json").unlink()
    assert label(cfg).kept == 5
    assert "5 labels are kept though nothing tells how they were made" in caplog.text


def spoil(folder: Path) -> None:
    """Makes one picture unreadable, and one such that the network fails."""
    data = (folder / "1.png").read_bytes()
    (folder / "1.png").write_bytes(data[: len(data) // 2])
    Image.fromarray(np.full((40, 50, 3), NAN_LEVEL, np.uint8)).save(folder / "3.png")


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_pictures_are_left_out(
    tmp_path: Path, workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    cfg = config(tmp_path)
    spoil(tmp_path / "pictures")
    labels = label(cfg, workers=workers)
    assert sorted(labels.shares) == ["0", "2", "4"] and labels.complete
    assert len(labels.faults) == 2
    unread, unusable = sorted(labels.faults)
    assert "1.png" in unread
    assert "3.png: a saliency map must lie in 0 ... 1, got nan" in unusable
    assert ledger_of(labels)["left_out"] == [unread, unusable]
    assert ledger_of(labels)["complete"]
    assert caplog.text.count("left out: ") == 2


@pytest.mark.parametrize(("kept", "text"), [("3", "1.png"), ("1", "got nan")])
@pytest.mark.parametrize("workers", [0, 2])
def test_strict(tmp_path: Path, workers: int, kept: str, text: str) -> None:
    cfg = config(tmp_path)
    good = (tmp_path / "pictures" / f"{kept}.png").read_bytes()
    spoil(tmp_path / "pictures")
    (tmp_path / "pictures" / f"{kept}.png").write_bytes(good)
    with pytest.raises(DataError, match=text):
        label(cfg, strict=True, batch_size=1, workers=workers)
    ledger = json.loads((tmp_path / "labels" / "rgb" / NAME / "labels.json").read_text())
    assert not ledger["complete"]


def test_a_dead_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = config(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(label_worker, "make_label", die)
        with pytest.raises(SaliencyError, match="a worker process died.*fewer"):
            label(cfg, workers=2)
    assert label(cfg, workers=2).made == 5


# What a run on a video does before labelling: OpenCV's threads are there when processes are forked.
AFTER_FLOW = """
import sys, time, cv2, numpy as np
from sor_ppa.pseudo_labels.labelling import make_pseudo_labels
from sor_ppa.data import register_extra
from tests.pseudo_labels.labeller import labeller_cfg
noise = np.random.default_rng(0).integers(0, 255, (2, 480, 854), np.uint8)
for _ in range(3):
    cv2.DISOpticalFlow_create().calc(noise[0], noise[1], None)
time.sleep(1)  # until the threads wait for work
folder, root = sys.argv[1:]
cfg = labeller_cfg(sets=[("after_flow", folder, "")])
register_extra(cfg)
make_pseudo_labels(cfg, names=["after_flow"], root=root, workers=0, loader_workers=1)
"""


def test_opencv_may_have_had_threads_before(
    tmp_path: Path, child_environment: dict[str, str]
) -> None:
    folder = write_pictures(tmp_path / "pictures", 2)
    command = [sys.executable, "-c", AFTER_FLOW, str(folder), str(tmp_path / "labels")]
    subprocess.run(command, env=child_environment, check=True, timeout=120)
    assert len(list((tmp_path / "labels").rglob("*.png"))) == 2


def test_a_dead_loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sor_ppa.data.dense.mapper.read_image", lambda *arguments, **options: os._exit(1)
    )
    with pytest.raises(SaliencyError, match="process that reads pictures died.*--loader-workers"):
        label(config(tmp_path), loader_workers=1)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_disk_that_cannot_be_written_to(tmp_path: Path, workers: int) -> None:
    """Ends the run: no other picture would fare better."""
    write_pictures(tmp_path / "pictures" / "clip")
    cfg = config(tmp_path)
    blocked = tmp_path / "labels" / "rgb" / NAME / "clip"
    blocked.parent.mkdir(parents=True)
    blocked.write_text("a file where a folder should be")
    with pytest.raises(ImageError, match="clip/0.png: cannot be written"):
        label(cfg, workers=workers)


def test_every_set_has_its_own_task(tmp_path: Path) -> None:
    """One network for several sets: labels lie below the task of each, frames below videos."""
    plain, deep, clips = (write_pictures(tmp_path / n, 2) for n in ("plain", "deep", "clips/a"))
    depth = write_pictures(tmp_path / "depth", 2)
    sets = [
        ("joint_rgb", str(plain), ""),
        ("joint_rgbd", str(deep), "", f"depth={depth}"),
        ("joint_video", str(clips.parent), "", "video"),
    ]
    cfg = labeller_cfg(sets=sets)
    register_extra(cfg)
    found = make_pseudo_labels(cfg, root=str(tmp_path / "out"))
    assert [labels.name for labels in found] == [entry[0] for entry in sets]
    assert sorted(files_in(tmp_path / "out")) == sorted(
        f"{folder}/{name}"
        for folder in ("rgb/joint_rgb", "rgbd/joint_rgbd", "video/joint_video")
        for name in (["a/0.png", "a/1.png"] if "video" in folder else ["0.png", "1.png"])
        + ["labels.json"]
    )
    again = make_pseudo_labels(cfg, names=["joint_rgbd", "joint_rgbd"], root=str(tmp_path / "out"))
    assert [(labels.task, labels.kept) for labels in again] == [("rgbd", 2)]


def test_a_set_with_labels_stands_for_its_base(tmp_path: Path) -> None:
    from sor_ppa.data.dense.pseudo import register_pseudo_sets

    cfg = config(tmp_path)
    cfg.DATASETS.TRAIN = (f"{NAME}_pseudo",)
    register_pseudo_sets(cfg)
    assert label(cfg).name == NAME
    found = DatasetCatalog.get(f"{NAME}_pseudo")
    assert all(os.path.isfile(item["sem_seg_file_name"]) for item in found) and len(found) == 5


def test_black_and_white_labels_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_pictures(tmp_path / "pictures", 1)
    for name, level in (("black", 0), ("white", 255)):
        Image.fromarray(np.full((30, 40, 3), level, np.uint8)).save(folder / f"{name}.png")
    caplog.set_level(logging.INFO)
    labels = label(config(tmp_path))
    assert (labels.black, labels.white) == (["black"], ["white"])
    ledger = ledger_of(labels)
    assert (ledger["all_black"], ledger["all_white"]) == (["black"], ["white"])
    assert "1 labels are all black: black" in caplog.text
    assert "1 labels are all white: white" in caplog.text
    assert f"{NAME}: 3 labels in {labels.folder} (0 were there)" in caplog.text


@pytest.mark.parametrize("workers", [0, 2])
def test_scores(tmp_path: Path, workers: int) -> None:
    """Masks that are the labels, but for one that is the opposite."""
    folder, masks = write_pictures(tmp_path / "pictures", 4), tmp_path / "masks"
    masks.mkdir()
    for number in range(4):
        mask = plain_label(number)
        Image.fromarray(mask if number else 255 - mask).save(masks / f"{number}.png")
    cfg = labeller_cfg("PSEUDO_LABELS.CRF", "scipy", sets=[(NAME, str(folder), str(masks))])
    register_extra(cfg)
    labels = label(cfg, root=str(tmp_path / "out"), score=True, workers=workers)
    assert labels.scores is not None
    assert labels.scores["MAE"] == pytest.approx(0.25, abs=1e-6)
    assert labels.scores["adpFm"] == pytest.approx(0.75, abs=1e-6)
    assert labels.scores["images"] == 4
    assert ledger_of(labels)["scores"]["MAE"] == labels.scores["MAE"]


def test_without_masks_there_are_no_scores(tmp_path: Path) -> None:
    assert label(config(tmp_path), score=True).scores is None


def test_sheet(tmp_path: Path) -> None:
    cfg, sheet = config(tmp_path), tmp_path / "sheet.png"
    label(cfg, sheet=sheet)
    first = np.asarray(Image.open(sheet))
    assert first.shape[0] > 3 * 120 and first.shape[2] == 3
    sheet.unlink()
    label(cfg, sheet=sheet)  # with labels that were there: the same
    np.testing.assert_array_equal(np.asarray(Image.open(sheet)), first)


def test_no_label_no_sheet(tmp_path: Path) -> None:
    cfg, sheet = config(tmp_path, count=1), tmp_path / "sheet.png"
    (tmp_path / "pictures" / "0.png").write_bytes(b"no picture")
    labels = label(cfg, sheet=sheet)
    assert not sheet.exists()
    assert math.isnan(labels.foreground) and ledger_of(labels)["foreground"] is None


def test_a_network_of_another_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.pseudo_labels.labeller import BrightThings

    monkeypatch.setattr(
        BrightThings, "forward", lambda self, batch: [{"instances": 1}] * len(batch)
    )
    with pytest.raises(SaliencyError, match="predicts no saliency map"):
        label(config(tmp_path))
