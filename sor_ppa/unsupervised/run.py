"""A run of saliency without labels: what is asked for, and what its folder holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from detectron2.data import DatasetCatalog

from sor_ppa.data.dense.pseudo import task_of
from sor_ppa.engine.loaders import dataset_dicts
from sor_ppa.errors import ConfigError, DataError
from sor_ppa.unsupervised.plan import Plan, Request
from sor_ppa.unsupervised.state import RunState

# What is done, how much of it, of how much.
Progress = Callable[[str, int, int], object]


@dataclasses.dataclass(frozen=True)
class Run:
    """What every step of a run knows.

    Attributes:
        request: what is wanted.
        plan: its trainings.
        state: what the steps were made of.
        progress: called with what is being done, how much of it is done and how much there is.
    """

    request: Request
    plan: Plan
    state: RunState
    progress: Progress | None = None

    @property
    def folder(self) -> Path:
        """Of everything."""
        return self.request.output

    @property
    def labels_root(self) -> Path:
        """Folder of all pseudo labels."""
        return self.folder / "pseudo"

    @property
    def labelled(self) -> list[tuple[str, str]]:
        """(task, name) of every set that gets labels."""
        return [(task_of(name), name) for stage in self.plan.second for name in stage.train]

    @property
    def first_weights(self) -> str:
        """The network of stage 1."""
        return self.request.stage1_weights or str(self.plan.first.model)

    def check_data(self) -> None:
        """Lists all pictures: what is missing shall be said before hours of training.

        Raises:
            DataError: a set is missing, faulty or, for tests, without masks.
        """
        for name in dict.fromkeys(n for stage in self.plan.stages for n in stage.train):
            dataset_dicts([name])
        for name in self.plan.first.test:
            if not any(item.get("sem_seg_file_name") for item in dataset_dicts([name])):
                raise DataError([f"{name}: has no masks, so nothing can be evaluated on it"])

    def scored_name(self, name: str) -> str | None:
        """The set with the masks of a set of pictures; None = there are no masks."""
        for own in self.request.train:
            if own.name == name:
                return own.scored_name if own.masks else None
        has_masks = any(item.get("sem_seg_file_name") for item in DatasetCatalog.get(name))
        return name if has_masks else None

    def need_first(self) -> None:
        """Makes sure that there is a network of stage 1.

        Raises:
            ConfigError: it is neither given nor trained.
        """
        there = bool(self.request.stage1_weights) or self.plan.first.model.is_file()
        self.need(there, "stage 1", "stage1")

    def need(self, there: bool, what: str, step: str) -> None:
        """Makes sure that what a step is made from is there.

        Args:
            there: whether it is.
            what: it is.
            step: that makes it.

        Raises:
            ConfigError: it is not.
        """
        if not there:
            raise ConfigError(f"{what}: not finished in {self.folder}; run the step {step} first")

    def progress_of(self, what: str) -> Callable[[int, int], object] | None:
        """The progress of one thing: called with how much is done and how much there is."""
        report = self.progress
        return None if report is None else lambda done, number: report(what, done, number)


def labels_step(name: str) -> str:
    """What the making of a set's labels is called."""
    return f"labels of {name}"
