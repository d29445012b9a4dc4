"""The whole pipeline: at once, in pieces, interrupted, and with something changed."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from detectron2.data import DatasetCatalog
from PIL import Image

from sor_ppa.data.image_io import read_grey, read_image
from sor_ppa.engine.trainer import Trainer
from sor_ppa.errors import ConfigError, DataError
from sor_ppa.unsupervised import running
from sor_ppa.unsupervised.plan import Request
from sor_ppa.unsupervised.stages import STEPS, train_unsupervised
from tests.unsupervised import runs

METHODS = ["stage 1", "pseudo labels", "stage 2"]


@pytest.fixture(scope="module", autouse=True)
def quickly() -> Any:
    """Without the report on the machine, which takes longer than a training here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("detectron2.engine.defaults.collect_env_info", lambda: "")
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the finished run, its pictures and its config."""
    return tmp_path_factory.mktemp("stages")


@pytest.fixture(scope="module")
def asked(root: Path) -> Request:
    """A run on pictures with masks, and on others to test on."""
    config = runs.write_config(root, "a2s-rgb-tiny", "a2s/cornet-rgb-tiny.yaml")
    train = runs.pictures(root / "train")
    test = dataclasses.replace(runs.pictures(root / "test", seed=1, count=2), name="own_test_rgb")
    return runs.request(root / "run", config, train, test=(test,), resume=True)


@pytest.fixture(scope="module")
def table(asked: Request) -> str:
    """The table of the finished run."""
    return train_unsupervised(asked)


@pytest.fixture()
def copied(asked: Request, table: str, tmp_path: Path) -> Request:
    """The finished run in another place; its pictures as well."""
    shutil.copytree(asked.output, tmp_path / "run")
    shutil.copytree(asked.train[0].images, tmp_path / "images")
    train = dataclasses.replace(asked.train[0], images=str(tmp_path / "images"))
    return dataclasses.replace(asked, output=tmp_path / "run", train=(train,))


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "model_final.pth", weights_only=True)["model"]


def _equal(folder: Path, other: Path) -> bool:
    first, second = _weights(folder), _weights(other)
    return first.keys() == second.keys() and all(
        torch.equal(value, second[name]) for name, value in first.items()
    )


def test_whole_run(asked: Request, table: str) -> None:
    output = asked.output
    rows = json.loads((output / "results.json").read_text())["rows"]
    assert [(row["dataset"], row["method"]) for row in rows] == [
        ("own_test_rgb", "stage 1"),
        ("own_test_rgb", "stage 2"),
        ("own_rgb_scored", "pseudo labels"),
    ]
    for row in rows:
        assert 0 < row["pysod"]["MAE"] < 1 and "binIoU" in row["a2s"]
        shown = f"{row['pysod']['MAE']:.4f}"
        assert any(row["method"] in line and shown in line for line in table.splitlines())
    assert (output / "results.md").read_text() == table
    head, *lines = (output / "results.csv").read_text().splitlines()
    assert len(lines) == 3 and {"Sm", "a2s/adpFm", "a2s/Dis"} <= set(head.split(","))
    labels = sorted((output / "pseudo" / "rgb" / "own_rgb").glob("*.png"))
    assert len(labels) == runs.COUNT
    assert all(set(read_grey(path).ravel().tolist()) <= {0, 255} for path in labels)
    assert read_grey(labels[0]).shape == (96, 128)
    assert read_image(output / "sheet.jpg").shape[1] > 5 * 200  # columns
    assert not any(name.startswith("own_") for name in DatasetCatalog.list())


def test_finished_run(
    asked: Request, table: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise AssertionError("nothing is to be done")

    for name in ("_train", "_evaluate"):
        monkeypatch.setattr(running, name, fail)
    monkeypatch.setattr("sor_ppa.unsupervised.making.make_pseudo_labels", fail)
    monkeypatch.setattr("sor_ppa.unsupervised.evaluating.score_labels", fail)
    with caplog.at_level(logging.INFO, logger="sor_ppa"):
        assert train_unsupervised(asked) == table
    lines = [r.getMessage() for r in caplog.records if "already" in r.getMessage()]
    assert [line.partition(":")[0] for line in lines] == [
        "stage 1", "labels of own_rgb", "stage 2",
        "stage 1 on own_test_rgb", "stage 2 on own_test_rgb",
        "labels of own_rgb on own_rgb_scored", "sheet",
    ]  # fmt: skip


def test_folder_of_another_run(asked: Request, table: str) -> None:
    with pytest.raises(ConfigError, match="holds a run already: go on with --resume"):
        train_unsupervised(dataclasses.replace(asked, resume=False))


def test_network_of_stage_1_that_is_given(
    asked: Request, table: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    weights = str(asked.output / "stage1" / "model_final.pth")
    given = dataclasses.replace(asked, output=tmp_path, stage1_weights=weights)
    with caplog.at_level(logging.INFO, logger="sor_ppa"):
        train_unsupervised(given, steps=STEPS[:2])
    assert "nothing is trained" in caplog.text and not (tmp_path / "stage1").exists()
    for path in (asked.output / "pseudo").rglob("*.png"):
        assert (tmp_path / path.relative_to(asked.output)).read_bytes() == path.read_bytes()
    wrong = dataclasses.replace(given, stage1_weights="nowhere.pth")
    with pytest.raises(ConfigError, match="nowhere.pth cannot be read"):
        train_unsupervised(wrong, steps=["labels"])


def _interrupt_training(monkeypatch: pytest.MonkeyPatch, iteration: int) -> None:
    step = Trainer.run_step

    def run_step(trainer: Trainer) -> None:
        if trainer.iter == iteration:
            os.kill(os.getpid(), signal.SIGINT)
        step(trainer)

    monkeypatch.setattr(Trainer, "run_step", run_step)


def test_run_in_pieces_with_interruptions(
    asked: Request, table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends with the very weights and results of the run that was not interrupted."""
    again = dataclasses.replace(asked, output=tmp_path)

    def stop(what: str, done: int, number: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    for needed, step in zip(STEPS, STEPS[1:], strict=False):
        with pytest.raises(ConfigError, match=f"run the step {needed} first"):
            train_unsupervised(again, steps=[step])
        if step == "labels" or needed == "stage2":
            with monkeypatch.context() as patch, pytest.raises(SystemExit) as stopped:
                _interrupt_training(patch, 1)
                train_unsupervised(again, steps=[needed])
            assert stopped.value.code == 130
            assert (tmp_path / needed / "model_0000001.pth").is_file()
            assert not (tmp_path / needed / "model_final.pth").exists()
        if needed == "labels":
            with pytest.raises(KeyboardInterrupt):
                train_unsupervised(again, steps=[needed], progress=stop)
            assert len(list((tmp_path / "pseudo" / "rgb" / "own_rgb").glob("*.png"))) == 2
        assert train_unsupervised(again, steps=[needed]) == ""
    assert train_unsupervised(again, steps=["evaluate"]) == table
    assert _equal(tmp_path / "stage1", asked.output / "stage1")
    assert _equal(tmp_path / "stage2", asked.output / "stage2")


# ---- something is not what it was


def _other_option(asked: Request) -> Request:
    return dataclasses.replace(asked, opts=(*asked.opts, "SOLVER.BASE_LR", "0.025"))


def _other_picture(asked: Request) -> Request:
    Image.new("RGB", (60, 50)).save(Path(asked.train[0].images) / "0.png")
    return asked


def _other_first_weights(asked: Request) -> Request:
    path = asked.output / "stage1" / "model_final.pth"
    state = torch.load(path, weights_only=True)
    next(iter(state["model"].values())).add_(0.5)
    torch.save(state, path)
    return asked


@pytest.mark.parametrize(
    "change, message",
    [
        (_other_option, r"stage 1 is finished, .*SOLVER.BASE_LR 0.1 -> 0.025.*Delete .*stage1"),
        (_other_picture, r"stage 1 is finished, .*data.own_rgb.files \w+ -> "),
        (_other_first_weights, "labels of own_rgb is finished, .*weights sha256 .* -> sha256 "),
    ],
)
def test_change_after_a_finished_step(
    copied: Request, change: Callable[[Request], Request], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        train_unsupervised(change(copied))


def test_step_that_is_made_again(copied: Request, table: str) -> None:
    """As the message of the error says; what was made from it is noticed as well."""
    changed = _other_option(copied)
    shutil.rmtree(copied.output / "stage1")
    train_unsupervised(changed, steps=["stage1"])
    with pytest.raises(ConfigError, match="labels of own_rgb is finished"):
        train_unsupervised(changed)
    shutil.rmtree(copied.output / "pseudo")
    with pytest.raises(ConfigError, match="stage 2 is finished"):
        train_unsupervised(changed)
    shutil.rmtree(copied.output / "stage2")
    assert train_unsupervised(changed) not in ("", table)


def test_unfinished_step_goes_on_with_another_option(
    copied: Request, caplog: pytest.LogCaptureFixture
) -> None:
    """One that was not finished only says so; numbers of processes and the like do not count."""
    (copied.output / "stage2" / "model_final.pth").unlink()
    opts = (*copied.opts, "DATALOADER.NUM_WORKERS", "1", "TEST.EVAL_PERIOD", "0")
    same = dataclasses.replace(copied, opts=opts)
    more = "UNSUPERVISED.STAGE2_OPTS", "['SOLVER.EPOCHS', 3]"
    # Options for both stages go on top of those of one.
    kept = [part for key, value in zip(opts[::2], opts[1::2], strict=True)
            if key != "SOLVER.EPOCHS" for part in (key, value)]  # fmt: skip
    first = "UNSUPERVISED.STAGE1_OPTS", "['SOLVER.EPOCHS', 2]"
    changed = dataclasses.replace(same, opts=(*kept, *first, *more))
    with caplog.at_level(logging.INFO, logger="sor_ppa"):
        train_unsupervised(changed, steps=STEPS[:3])
    assert "stage 2 goes on otherwise than it began: settings.SOLVER.EPOCHS 2 -> 3" in caplog.text
    assert "stage 1: finished already" in caplog.text


# ---- other kinds of pictures


def test_modality_without_partner(tmp_path: Path) -> None:
    """Said before anything is trained, with every file that lacks its partner."""
    config = runs.write_config(tmp_path, "a2s-rgbd", "a2s/midnet-rgbd.yaml")
    own = runs.pictures(tmp_path / "data", "rgbd")
    (Path(own.beside) / "2.png").unlink()
    (Path(own.beside) / "0.png").rename(Path(own.beside) / "stranger.png")
    with pytest.raises(DataError) as caught:
        train_unsupervised(runs.request(tmp_path / "run", config, own))
    text = str(caught.value)
    assert all(name in text for name in ("images/2.png", "images/0.png", "stranger.png"))
    assert not (tmp_path / "run").exists()


def test_pictures_with_depth_and_without_together(tmp_path: Path) -> None:
    """Joint: one stage 1, a stage 2 for each kind; without masks there is no table, but a sheet."""
    config = runs.write_config(
        tmp_path, "a2s-joint", "a2s/cornet-rgb-tiny.yaml, a2s/midnet-rgbd.yaml"
    )
    sets = [
        runs.unmasked(runs.pictures(tmp_path / task, task, count=2)) for task in ("rgb", "rgbd")
    ]
    asked = runs.request(tmp_path / "run", config, *sets, opts=("SOLVER.EPOCHS", "1"))
    assert train_unsupervised(asked) == ""
    for path in ("stage1", "stage2/rgb", "stage2/rgbd"):
        assert (asked.output / path / "model_final.pth").is_file()
    for task in ("rgb", "rgbd"):
        assert len(list((asked.output / "pseudo" / task / f"own_{task}").glob("*.png"))) == 2
    assert (asked.output / "sheet.jpg").is_file() and not (asked.output / "results.md").exists()


def test_video_without_flow(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its flow is computed once; frames of a folder are a video."""
    # Not MIDNet: it takes long, and the test with depth has it.
    flow_too = """  STAGE2_OPTS: ["INPUT.DENSE.MODALITIES", "('flow',)"]"""
    config = runs.write_config(tmp_path, "a2s-video", "a2s/cornet-rgb-tiny.yaml", flow_too)
    own = runs.pictures(tmp_path / "data", "video", count=3)
    opts = ("SOLVER.EPOCHS", "1", "SOLVER.IMS_PER_BATCH", "1")
    asked = runs.request(tmp_path / "run", config, own, opts=opts, resume=True)
    assert "stage 2" in train_unsupervised(asked)
    flow = sorted((asked.output / "flow" / "own_video").iterdir())
    assert [path.stem for path in flow] == ["0", "1", "2"]
    with caplog.at_level(logging.INFO, logger="sor_ppa"):
        train_unsupervised(asked)
    assert "flow of own_video: 0 pictures made, 3 were there" in caplog.text
    rows = json.loads((asked.output / "results.json").read_text())["rows"]
    assert [(r["dataset"], r["method"]) for r in rows] == [("own_video_scored", m) for m in METHODS]
