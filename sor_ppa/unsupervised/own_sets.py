"""Folders of one's own, given on a command line, as entries of DATASETS.EXTRA."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterable, Iterator, Sequence

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog

from sor_ppa.data import register_extra
from sor_ppa.data.aliases import PSEUDO
from sor_ppa.data.dense.pseudo import TASKS
from sor_ppa.errors import ConfigError

#: What each task sees beside the pictures.
KINDS = {"rgbd": "depth", "rgbt": "thermal", "video": "flow"}
# A set whose masks only scores are made of.
SCORED = "_scored"


@dataclasses.dataclass(frozen=True)
class OwnSet:
    """A folder of pictures, and what lies beside it.

    Attributes:
        name: under which it is registered.
        task: "rgb", "rgbd", "rgbt" or "video".
        images: folder of pictures; of videos one folder each inside, or frames of one video.
        beside: folder of depth, thermal or flow pictures; "" = there is none.
        masks: folder of masks; "" = there are none.
    """

    name: str
    task: str
    images: str
    beside: str = ""
    masks: str = ""

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ConfigError(f"unknown task {self.task!r}: use {', '.join(TASKS)}")
        kind = KINDS.get(self.task)
        if kind is None and self.beside:
            raise ConfigError(f"{self.images}: task rgb sees nothing beside the pictures")
        if kind in ("depth", "thermal") and not self.beside:
            raise ConfigError(
                f"{self.images}: task {self.task} needs a folder of {kind} pictures with the same "
                f"file names: --{kind} FOLDER"
            )

    @property
    def scored_name(self) -> str:
        """Name of the same pictures with their masks."""
        return self.name + SCORED

    def training_entries(self) -> list[tuple[str, ...]]:
        """Entries of DATASETS.EXTRA: the pictures alone and, if there are masks, once with them."""
        scored = [self._entry(self.scored_name, self.masks)] if self.masks else []
        return [self._entry(self.name, ""), *scored]

    def test_entry(self) -> tuple[str, ...]:
        """Entry of DATASETS.EXTRA: the pictures with their masks."""
        return self._entry(self.name, self.masks)

    def _entry(self, name: str, masks: str) -> tuple[str, ...]:
        further = [f"{KINDS[self.task]}={_whole(self.beside)}"] if self.beside else []
        further += ["video"] if self.task == "video" else []
        return (name, _whole(self.images), _whole(masks), *further)


def own_sets(given: Iterable[OwnSet]) -> tuple[OwnSet, ...]:
    """The sets, each with a name of its own: of two of one name the second ends in ``_2``."""
    counts: dict[str, int] = {}
    named = []
    for own in given:
        counts[own.name] = number = counts.get(own.name, 0) + 1
        named.append(dataclasses.replace(own, name=f"{own.name}_{number}") if number > 1 else own)
    return tuple(named)


def parse_set(words: Sequence[str], prefix: str) -> OwnSet:
    """A set given as ``TASK IMAGES [FOLDER BESIDE] [masks=FOLDER]``.

    Args:
        words: of the command line.
        prefix: of the set's name.

    Raises:
        ConfigError: other words.
    """
    plain = [word for word in words if not word.startswith("masks=")]
    masks = [word.removeprefix("masks=") for word in words if word.startswith("masks=")]
    if not 2 <= len(plain) <= 3 or len(masks) > 1:
        raise ConfigError(
            f"a set is given as TASK IMAGES [FOLDER OF DEPTH, THERMAL OR FLOW] [masks=FOLDER], got "
            f"{' '.join(words)}"
        )
    task, images, *beside = plain
    return OwnSet(f"{prefix}_{task}", task, images, "".join(beside), "".join(masks))


@contextlib.contextmanager
def registered(entries: Sequence[Sequence[str]]) -> Iterator[None]:
    """Registers sets for the length of a with block, ``<name>_pseudo`` along with them.

    Raises:
        ConfigError: a name stands for other folders already.
    """
    cfg = CfgNode({"DATASETS": {"EXTRA": tuple(map(tuple, entries))}})
    before = set(DatasetCatalog.list())
    try:
        register_extra(cfg)
        yield
    finally:
        names = {entry[0] for entry in entries}
        for name in {*names, *(name + PSEUDO for name in names)} - before:
            if name in DatasetCatalog.list():
                DatasetCatalog.remove(name)
                MetadataCatalog.remove(name)


def _whole(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path)) if path else ""
