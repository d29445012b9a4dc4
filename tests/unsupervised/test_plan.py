"""Configs and folders of a run, before anything is done."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from detectron2.data import DatasetCatalog

from sor_ppa.errors import ConfigError
from sor_ppa.model_zoo.files import configs_folder
from sor_ppa.unsupervised.own_sets import OwnSet, own_sets, parse_set, registered
from sor_ppa.unsupervised.plan import Plan, PlanMaker, Request
from tests.unsupervised import runs

TASKS = ("rgb", "rgbd", "rgbt", "video")
KINDS = {"joint": TASKS} | {kind: (task,) for task in TASKS for kind in (task, f"{task}-tiny")}


def _plan(request: Request) -> Plan:
    maker = PlanMaker(request)
    maker.check_sets()
    with registered(maker.entries()):
        return maker.plan()


@pytest.mark.parametrize("kind", KINDS)
def test_our_configs(kind: str, tmp_path: Path) -> None:
    """On the benchmarks: every set that is trained on has labels made and is trained on again."""
    request = Request(tmp_path, f"a2s/unsupervised-{kind}.yaml", weights="moco.pth")
    assert PlanMaker(request).tasks == KINDS[kind]
    plan = _plan(request)
    assert [stage.tasks for stage in plan.second] == [(task,) for task in KINDS[kind]]
    assert sorted(name for stage in plan.second for name in stage.train) == sorted(plan.first.train)
    first = plan.first.config()
    assert first.MODEL.META_ARCHITECTURE == "A2S" and not first.INPUT.DENSE.USE_MASKS
    for stage in plan.second:
        cfg = stage.config()
        assert list(cfg.DATASETS.TRAIN) == [f"{name}_pseudo" for name in stage.train]
        network = "CoRNet" if stage.tasks == ("rgb",) else "MIDNet"
        assert network == cfg.MODEL.META_ARCHITECTURE
        assert set(stage.test) <= set(plan.first.test) and stage.test
        # Not from the network of stage 1.
        assert cfg.MODEL.WEIGHTS == first.MODEL.WEIGHTS == "moco.pth"
    assert {stage.config().DATASETS.TEST for stage in plan.stages} == {()}
    folders = [str(stage.folder.relative_to(tmp_path)) for stage in plan.stages]
    assert folders[:2] == ["stage1", "stage2/rgb" if kind == "joint" else "stage2"]


def test_every_config_of_a_run_is_tested() -> None:
    found = {path.stem for path in (configs_folder() / "a2s").glob("unsupervised-*.yaml")}
    assert found == {f"unsupervised-{kind}" for kind in KINDS}


def test_options_on_top_of_each_other(tmp_path: Path) -> None:
    """Config of the stage, keys of the run's config, its options for the stage, those given."""
    config = runs.write_config(
        tmp_path,
        "a2s-rgb",
        "a2s/cornet-rgb.yaml",
        "  STAGE1_OPTS: ['SOLVER.MOMENTUM', 0.5, 'SOLVER.EPOCHS', 3]",
        "SEED: 7",
        "SOLVER: {MOMENTUM: 0.4}",
    )
    opts = ("SOLVER.EPOCHS", "5", "UNSUPERVISED.STAGE2_OPTS", "['SEED', 8]")
    plan = _plan(Request(tmp_path, config, opts=opts, test_names=("ECSSD",)))
    solvers = [stage.config().SOLVER for stage in plan.stages]
    assert [solver.MOMENTUM for solver in solvers] == [0.5, 0.4]
    assert [solver.EPOCHS for solver in solvers] == [5, 5]
    assert [stage.config().SEED for stage in plan.stages] == [7, 8]
    assert [stage.test for stage in plan.stages] == [("ecssd",)] * 2


def test_config_beside_that_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("MODEL: {META_ARCHITECTURE: CoRNet}\nSEED: 3\nVERSION: 2\n")
    config = runs.write_config(tmp_path, "a2s-rgb", "mine.yaml")
    assert _plan(Request(tmp_path, config)).second[0].config().SEED == 3


@pytest.mark.parametrize(
    "masks, test, names, expected",
    [
        (False, False, None, ()),
        (True, False, None, ("own_rgb_scored",)),
        (True, True, None, ("own_test_rgb",)),
        (False, False, ("duts_test",), ("duts_test",)),
        (True, True, ("duts_test",), ("own_test_rgb", "duts_test")),
        (True, False, (), ()),
    ],
)
def test_what_is_evaluated_on(
    tmp_path: Path, masks: bool, test: bool, names: Any, expected: tuple[str, ...]
) -> None:
    own = runs.pictures(tmp_path / "own")
    other = dataclasses.replace(own, name="own_test_rgb")
    plan = _plan(
        Request(
            tmp_path,
            "a2s/unsupervised-rgb.yaml",
            train=(own if masks else runs.unmasked(own),),
            test=(other,) if test else (),
            test_names=names,
        )
    )
    assert [stage.test for stage in plan.stages] == [expected] * 2
    assert plan.first.train == ("own_rgb",)
    # Masks never come near a training.
    entries = {entry[0]: entry for entry in plan.first.config().DATASETS.EXTRA}
    assert entries["own_rgb"][2] == "" and not any(n.startswith("own") for n in DatasetCatalog)


def test_checkpoints_of_small_sets(tmp_path: Path) -> None:
    """After an epoch of the user's own pictures, but not all the time; an option goes first."""
    own = runs.pictures(tmp_path / "own")
    request = Request(tmp_path, "a2s/unsupervised-rgb.yaml", train=(own,))
    assert [s.config().SOLVER.CHECKPOINT_PERIOD for s in _plan(request).stages] == [100, 100]
    request = dataclasses.replace(request, opts=("SOLVER.CHECKPOINT_PERIOD", "3"))
    assert [s.config().SOLVER.CHECKPOINT_PERIOD for s in _plan(request).stages] == [3, 3]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"config_file": "a2s/a2s-rgb.yaml"}, "must name the configs of the stages"),
        ({"config_file": "a2s/unsupervised-x.yaml"}, "No config"),
        ({"opts": ("SOLVER.BASELR", "1")}, "did you mean SOLVER.BASE_LR"),
        ({"test_names": ("nothing",)}, "'nothing' is not registered"),
        ({"test_names": ("ecssd",), "config_file": "a2s/unsupervised-rgbd.yaml"}, "sees depth"),
        ({"train": (OwnSet("own_rgbt", "rgbt", "a", "b"),)}, "is given as rgbt, but"),
    ],
)
def test_what_cannot_work(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    request = Request(tmp_path, "a2s/unsupervised-rgb.yaml")
    with pytest.raises(ConfigError, match=message):
        _plan(dataclasses.replace(request, **change))


def test_two_configs_of_one_kind(tmp_path: Path) -> None:
    config = runs.write_config(tmp_path, "a2s-rgb", "a2s/cornet-rgb.yaml a2s/cornet-rgb-tiny.yaml")
    with pytest.raises(ConfigError, match="two configs of task rgb"):
        PlanMaker(Request(tmp_path, config))


# ---- folders


@pytest.mark.parametrize(
    "words, expected",
    [
        (["rgb", "a"], OwnSet("own_rgb", "rgb", "a")),
        (["rgbd", "a", "b"], OwnSet("own_rgbd", "rgbd", "a", "b")),
        (["video", "a", "masks=c"], OwnSet("own_video", "video", "a", "", "c")),
        (["rgbt", "masks=c", "a", "b"], OwnSet("own_rgbt", "rgbt", "a", "b", "c")),
    ],
)
def test_folders_as_words(words: list[str], expected: OwnSet) -> None:
    assert parse_set(words, "own") == expected


@pytest.mark.parametrize(
    "words, message",
    [
        ([], "TASK IMAGES"),
        (["rgb"], "TASK IMAGES"),
        (["rgb", "a", "b", "c"], "TASK IMAGES"),
        (["rgb", "a", "masks=b", "masks=c"], "TASK IMAGES"),
        (["rgb", "a", "b"], "sees nothing beside"),
        (["rgbd", "a"], "needs a folder of depth"),
        (["rgbt", "a"], "--thermal"),
        (["sound", "a"], "unknown task 'sound'"),
    ],
)
def test_words_that_are_no_folders(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_set(words, "own")


def test_names_of_several_folders() -> None:
    assert own_sets([]) == ()
    given = [OwnSet("own_rgb", "rgb", folder) for folder in "abc"]
    assert [own.name for own in own_sets(given)] == ["own_rgb", "own_rgb_2", "own_rgb_3"]


def test_sets_are_registered_for_a_while(tmp_path: Path) -> None:
    own = runs.pictures(tmp_path)
    with registered(own.training_entries()):
        assert "sem_seg_file_name" not in DatasetCatalog.get("own_rgb")[0]
        assert "sem_seg_file_name" in DatasetCatalog.get("own_rgb_scored")[0]
    assert not {"own_rgb", "own_rgb_scored"} & set(DatasetCatalog.list())
