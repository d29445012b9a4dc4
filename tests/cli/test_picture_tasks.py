"""``--task``: which config it means, what does not fit it, and the same word of the demo."""

from __future__ import annotations

import pytest
from detectron2.config import CfgNode

from demo import demo
from sor_ppa import model_zoo
from sor_ppa.cli.modalities import config_for, refuse_training_start, seen_kind
from sor_ppa.cli.options import PICTURE_TASKS, build_parser
from sor_ppa.errors import ConfigError
from tests.demo.fake_two_inputs import two_cfg


@pytest.mark.parametrize(
    ("words", "config"),
    [
        ("", "inspyrenet/tiny.yaml"),
        ("-m mine.yaml", "mine.yaml"),
        ("-m mine.yaml --task rgbt", "mine.yaml"),
        ("--weights w.pth", "inspyrenet/tiny.yaml"),
        ("--task rgb --weights w.pth", "a2s/cornet-rgb.yaml"),
        ("--task rgbd --weights w.pth", "a2s/midnet-rgbd.yaml"),
        ("--task rgbt --opts MODEL.WEIGHTS w.pth", "a2s/midnet-rgbt.yaml"),
        ("--task video --opts MODEL.DEVICE cpu MODEL.WEIGHTS w", "a2s/midnet-video.yaml"),
    ],
)
def test_which_config(words: str, config: str) -> None:
    assert config_for(build_parser().parse_args(["saliency", *words.split()])) == config


@pytest.mark.parametrize("task", list(PICTURE_TASKS))
def test_which_config_without_weights(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    args = build_parser().parse_args(["saliency", "--task", task, "--opts", "MODEL.DEVICE", "cpu"])
    names = ["a2s/a2s-rgbt.yaml", "a2s/cornet-rgb.yaml", "a2s/midnet-rgbt.yaml"]
    names += ["a2s/midnet-rgbt-tiny.yaml", "a2s/cornet-rgb-tiny.yaml", "inspyrenet/x-rgbd.yaml"]
    monkeypatch.setattr(model_zoo, "available", lambda: tuple(names))
    monkeypatch.setattr(model_zoo, "has_weights", lambda name: False)
    if task == "rgb":
        assert config_for(args) == "inspyrenet/tiny.yaml"
    else:
        with pytest.raises(ConfigError, match=f"(?s)--task {task}.*midnet-{task}.*--weights"):
            config_for(args)
    bundled = {"rgb": "inspyrenet/tiny.yaml", "rgbt": "a2s/midnet-rgbt-tiny.yaml"}
    monkeypatch.setattr(
        model_zoo, "has_weights", lambda name: "tiny" in name or not name.startswith("a2s/midnet")
    )
    names.remove("a2s/cornet-rgb.yaml")
    if task in bundled:
        assert config_for(args) == bundled[task]
    else:
        with pytest.raises(ConfigError, match=task):
            config_for(args)


@pytest.mark.parametrize("task", list(PICTURE_TASKS))
def test_the_usual_configs_are_there_and_see_what_they_should(task: str) -> None:
    args = build_parser().parse_args(["saliency", "--task", task, "--weights", "w.pth"])
    cfg = model_zoo.get_config(config_for(args))
    assert seen_kind(cfg, task) == PICTURE_TASKS[task] == seen_kind(cfg, None)
    refuse_training_start(args, "x.yaml", cfg)
    args = build_parser().parse_args(["saliency", "-m", "x.yaml"])
    with pytest.raises(ConfigError, match="(?s)x.yaml.*begins with.*--weights"):
        refuse_training_start(args, "x.yaml", cfg)


def several() -> CfgNode:
    cfg = two_cfg()
    cfg.INPUT.DENSE.MODALITIES = ("depth", "thermal")
    return cfg


@pytest.mark.parametrize(
    ("cfg", "task", "said"),
    [
        (two_cfg("thermal"), "rgbd", "--task rgbd does not fit.*sees thermal.*--task rgbt"),
        (two_cfg("flow"), "rgb", "sees flow.*--task video"),
        (several(), None, "sees depth, thermal"),
    ],
)
def test_tasks_that_do_not_fit(cfg: CfgNode, task: str | None, said: str) -> None:
    with pytest.raises(ConfigError, match=f"(?s){said}"):
        seen_kind(cfg, task)
    assert seen_kind(two_cfg("depth", used=False), task) == ""


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--task", "rgbt"], 2, "no trained network"),
        (["--task", "saliency", "--task", "rgbt"], 2, "no trained network"),
        (["--task", "rgbt", "--task", "saliency"], 2, "no trained network"),
        (["--task", "rgbt", "--task", "rank"], None, "unrecognized arguments: --task"),
        (["--task", "rgbx"], None, "invalid choice: 'rgbx'"),
    ],
)
def test_demo(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch,
    words: list[str], status: int | None, said: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(model_zoo, "has_weights", lambda name: False)
    if status is None:
        with pytest.raises(SystemExit):
            demo.main([*words, "-i", "p.jpg"])
    else:
        assert demo.main([*words, "-i", "p.jpg"]) == status
    assert said in capsys.readouterr().err
