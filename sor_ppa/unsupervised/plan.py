"""From one config and the user's folders to the trainings of a run and their configs."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog

from sor_ppa.data.aliases import PSEUDO, resolve_name
from sor_ppa.data.dense.pseudo import task_of
from sor_ppa.engine.setup import find_config, load_config
from sor_ppa.errors import ConfigError
from sor_ppa.unsupervised.own_sets import OwnSet

JOINT = "joint"
PROTOCOLS = ("pysod", "a2s")
_OF_BOTH = "UNSUPERVISED."
# Steps between two checkpoints, at least.
_FEWEST_STEPS = 100


@dataclasses.dataclass(frozen=True)
class Request:
    """What a user wants of a run.

    Attributes:
        output: folder of the run.
        config_file: with a node UNSUPERVISED; a path, or a name in the model zoo.
        train: folders of pictures to learn from; () = the sets of the config of stage 1.
        test: folders to evaluate on, with masks.
        test_names: registered sets to evaluate on; None = with ``train`` none, else those of the
            configs of the stages.
        weights: that both stages start from; "" = what their configs say.
        stage1_weights: a trained network of stage 1, in place of training one.
        opts: KEY VALUE ... on top of the configs of both stages.
        workers: processes that make flow, labels and metrics; 0 = this one.
        num_gpus: processes, one a GPU.
        num_processes: processes on the CPU, in place of GPUs; 0 = do not.
        allow_pickle: let weights be pickles, which can run any code.
        resume: go on with the run in the folder.
    """

    output: Path
    config_file: str
    train: tuple[OwnSet, ...] = ()
    test: tuple[OwnSet, ...] = ()
    test_names: tuple[str, ...] | None = None
    weights: str = ""
    stage1_weights: str = ""
    opts: tuple[str, ...] = ()
    workers: int = 0
    num_gpus: int = 1
    num_processes: int = 0
    allow_pickle: bool = False
    resume: bool = False

    def own(self) -> tuple[OwnSet, ...]:
        """All folders."""
        return (*self.train, *self.test)


@dataclasses.dataclass(frozen=True)
class Stage:
    """One training.

    Attributes:
        name: "stage 1", "stage 2", in joint runs "stage 2 (rgbd)".
        tasks: kinds of sets that it serves.
        folder: of its files.
        config_file: path.
        opts: KEY VALUE ... on top of it.
        train: registered names of its pictures (of stage 2 without ``_pseudo``).
        test: registered names of the sets that it is evaluated on.
    """

    name: str
    tasks: tuple[str, ...]
    folder: Path
    config_file: str
    opts: tuple[Any, ...]
    train: tuple[str, ...]
    test: tuple[str, ...]

    def config(self, *more: Any) -> CfgNode:
        """Its config.

        Args:
            more: further KEY VALUE ... on top.
        """
        return load_config(self.config_file, [*self.opts, *more])

    @property
    def model(self) -> Path:
        """The finished network."""
        return self.folder / "model_final.pth"


@dataclasses.dataclass(frozen=True)
class Plan:
    """The trainings of a run.

    Attributes:
        first: stage 1.
        second: stage 2, one a task.
    """

    first: Stage
    second: tuple[Stage, ...]

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Both, in order."""
        return (self.first, *self.second)


class PlanMaker:
    """Reads the configs of a run; data sets come in later (:meth:`plan`)."""

    def __init__(self, request: Request) -> None:
        """Reads and checks the configs.

        Raises:
            ConfigError: a config is missing or wrong, or names no stages.
        """
        self.request = request
        path = find_config(request.config_file)
        both = load_config(path, request.opts).UNSUPERVISED
        if not both.STAGE1 or not both.STAGE2:
            raise ConfigError(
                f"{path}: UNSUPERVISED.STAGE1 and STAGE2 must name the configs of the stages, as "
                "those of configs/a2s/unsupervised-rgb.yaml do"
            )
        raw = CfgNode.load_yaml_with_base(path)
        common = [part for key, value in _leaves(raw) if _is_common(key) for part in (key, value)]
        pairs = zip(request.opts[::2], request.opts[1::2], strict=True)
        given = [part for pair in pairs if not pair[0].startswith(_OF_BOTH) for part in pair]
        if request.weights:
            given += ["MODEL.WEIGHTS", request.weights]
        self._first = (_beside(path, both.STAGE1), (*common, *both.STAGE1_OPTS, *given))
        opts = (*common, *both.STAGE2_OPTS, *given)
        self._second: dict[str, tuple[str, tuple[Any, ...]]] = {}
        for name in both.STAGE2.replace(",", " ").split():
            file = _beside(path, name)
            task = task_of(load_config(file, opts).INPUT.DENSE.MODALITIES)
            if task in self._second:
                raise ConfigError(f"{path}: UNSUPERVISED.STAGE2 has two configs of task {task}")
            self._second[task] = (file, opts)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Kinds of sets that are learnt from; one network of stage 2 each."""
        return tuple(self._second)

    def check_sets(self) -> None:
        """Makes sure that the folders are of kinds that the configs are for.

        Raises:
            ConfigError: one is not.
        """
        for own in self.request.own():
            if own.task not in self.tasks:
                raise ConfigError(
                    f"{own.images}: is given as {own.task}, but {self.request.config_file} is for "
                    f"{', '.join(self.tasks)}"
                )

    def plan(self) -> Plan:
        """The trainings; the user's folders must be registered.

        Raises:
            ConfigError: a data set is unknown, or no network of stage 2 can be tested on it.
        """
        file, opts = self._first
        cfg = load_config(file, opts)
        own = tuple(own.name for own in self.request.train)
        train = own or _known(cfg.DATASETS.TRAIN)
        tests = self._tests()
        first = self._stage("stage 1", self.tasks, self._first, train, tests)
        second = []
        for task, source in self._second.items():
            names = tuple(name for name in train if self._serves(task, name))
            if not names:
                continue
            test = tuple(name for name in tests if self._serves(task, name))
            label = f"stage 2 ({task})" if len(self.tasks) > 1 else "stage 2"
            second.append(self._stage(label, (task,), source, names, test))
        return Plan(first, tuple(second))

    def entries(self) -> tuple[tuple[str, ...], ...]:
        """DATASETS.EXTRA: that of the configs, and the user's folders."""
        file, opts = self._first
        entries = [entry for own in self.request.train for entry in own.training_entries()]
        entries += [own.test_entry() for own in self.request.test]
        return (*load_config(file, opts).DATASETS.EXTRA, *entries)

    def _serves(self, task: str, name: str) -> bool:
        """Whether the network of a task is for a set; a single one is for all."""
        return len(self.tasks) == 1 or task_of(name) == task

    def _tests(self) -> tuple[str, ...]:
        request = self.request
        own = tuple(own.name for own in request.test)
        if request.test_names is not None or own:
            return (*own, *_known(request.test_names or ()))
        if request.train:
            return tuple(own.scored_name for own in request.train if own.masks)
        files = [self._first, *self._second.values()]
        return _known([n for file, opts in files for n in load_config(file, opts).DATASETS.TEST])

    def _stage(
        self,
        name: str,
        tasks: tuple[str, ...],
        source: tuple[str, tuple[Any, ...]],
        train: tuple[str, ...],
        test: tuple[str, ...],
    ) -> Stage:
        first = name == "stage 1"
        folder = self.request.output / name.split(" (")[0].replace(" ", "")
        if not first and len(self.tasks) > 1:
            folder /= tasks[0]
        file, opts = source
        cfg = load_config(file, opts)
        own = [
            "DATASETS.EXTRA", self.entries(),
            "DATASETS.TRAIN", tuple(train) if first else tuple(n + PSEUDO for n in train),
            # While it trains, only if the user wants to follow that.
            "DATASETS.TEST", test if cfg.TEST.EVAL_PERIOD > 0 else (),
            "DATASETS.PSEUDO_ROOT", str(self.request.output / "pseudo"),
            "OUTPUT_DIR", str(folder),
            *(self._period(cfg, opts, train) if self.request.train else ()),
        ]  # fmt: skip
        stage = Stage(name, tasks, folder, file, (*opts, *own), train, test)
        _check_tests(stage)
        return stage

    def _period(self, cfg: CfgNode, opts: Sequence[Any], train: Sequence[str]) -> tuple[Any, ...]:
        """Checkpoints after every epoch of the user's pictures, unless there is an option for it.

        That of the configs is an epoch of their own sets, more than a small set may ever have.
        """
        key = "SOLVER.CHECKPOINT_PERIOD"
        if key in opts[::2]:
            return ()
        pictures = sum(len(DatasetCatalog.get(name)) for name in train)
        return (key, max(_FEWEST_STEPS, pictures // max(1, cfg.SOLVER.IMS_PER_BATCH)))


def _check_tests(stage: Stage) -> None:
    """A network that sees a second modality in a test can only be tested on sets that have it."""
    dense = stage.config().INPUT.DENSE
    for name in stage.test:
        metadata = MetadataCatalog.get(name)
        if not metadata.get("has_masks", True):
            raise ConfigError(f"data set {name} has no masks, so nothing can be evaluated on it")
        if dense.TEST_MODALITIES and task_of(name) != task_of(dense.MODALITIES):
            raise ConfigError(
                f"{stage.name} ({stage.config_file}) sees {', '.join(dense.MODALITIES)} beside the "
                f"picture, which data set {name} does not have: test it on others"
            )


def _known(names: Sequence[str]) -> tuple[str, ...]:
    resolved = tuple(dict.fromkeys(resolve_name(name) for name in names))
    for name in resolved:
        if name not in DatasetCatalog.list():
            raise ConfigError(
                f"data set {name!r} is not registered: use a name of datasets/README.md, or give "
                "folders"
            )
    return resolved


def _beside(path: str, name: str) -> str:
    """A config named relative to another one, or in the model zoo."""
    beside = os.path.join(os.path.dirname(path), name)
    return beside if os.path.isfile(beside) else find_config(name)


def _leaves(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in node.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _is_common(key: str) -> bool:
    return not key.startswith(_OF_BOTH) and key != "VERSION"
