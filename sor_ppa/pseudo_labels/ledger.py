"""Which labels of a data set are there and how they were made: the file labels.json beside them."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from detectron2.config import CfgNode
from torch import nn

from sor_ppa.data.files import in_threads
from sor_ppa.data.image_io import image_size, read_grey, write_json
from sor_ppa.data.problems import read_json
from sor_ppa.errors import ConfigError, DataError, ImageError
from sor_ppa.pseudo_labels.worker import foreground_share

logger = logging.getLogger(__name__)

FORMAT = "sor_ppa pseudo labels"
VERSION = 1
FILE = "labels.json"


@dataclasses.dataclass
class SetLabels:
    """The labels of one data set.

    Attributes:
        name: registered name of the set.
        task: "rgb", "rgbd", "rgbt" or "video".
        folder: of the labels.
        pictures: in the set.
        settings: what the labels depend on, of :func:`label_settings`.
        origin: where the network came from and what else is worth knowing.
        made: labels of this run.
        kept: labels that were there before.
        faults: a line for each picture that has no label.
        shares: of foreground, by image id.
        scores: of the labels against masks, where they were compared.
    """

    name: str
    task: str
    folder: Path
    pictures: int
    settings: dict[str, Any]
    origin: dict[str, Any]
    made: int = 0
    kept: int = 0
    faults: list[str] = dataclasses.field(default_factory=list)
    shares: dict[str, float] = dataclasses.field(default_factory=dict)
    scores: dict[str, float] | None = None

    @property
    def complete(self) -> bool:
        """Whether every picture was looked at."""
        return self.made + self.kept + len(self.faults) == self.pictures

    @property
    def black(self) -> list[str]:
        """Image ids of labels without any foreground."""
        return [image_id for image_id, share in self.shares.items() if share == 0]

    @property
    def white(self) -> list[str]:
        """Image ids of labels that are foreground everywhere."""
        return [image_id for image_id, share in self.shares.items() if share == 1]

    @property
    def foreground(self) -> float:
        """Mean share of foreground; NaN without labels."""
        # fsum: the order in which the labels were made does not matter.
        return math.fsum(self.shares.values()) / len(self.shares) if self.shares else math.nan

    def write(self) -> None:
        """Writes labels.json.

        Raises:
            SaliencyError: it cannot be written.
        """
        write_json(self.folder / FILE, self.as_dict(), indent=1)

    def as_dict(self) -> dict[str, Any]:
        """The content of labels.json."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "set": self.name,
            "task": self.task,
            "settings": self.settings,
            **self.origin,
            "complete": self.complete,
            "pictures": self.pictures,
            "labels": len(self.shares),
            "made_by_last_run": self.made,
            "foreground": self.foreground,
            "all_black": self.black,
            "all_white": self.white,
            "left_out": sorted(self.faults),
            "scores": self.scores,
        }

    def check_settings(self) -> None:
        """Makes sure that labels which are there already are of the same making.

        Raises:
            ConfigError: they were made by another network or in another way.
        """
        path = self.folder / FILE
        before = _settings_before(path)
        for key, value in self.settings.items():
            if before is not None and before.get(key) != value:
                raise ConfigError(
                    f"{path}: the labels there were made with {key} = {before.get(key)!r}, now it "
                    f"is {value!r}: make them anew (--overwrite), or choose another folder (--root)"
                )


class Record(NamedTuple):
    """A picture that gets a label.

    Attributes:
        item: its dataset dict.
        path: file of the label.
        labels: those of its set.
    """

    item: dict[str, Any]
    path: Path
    labels: SetLabels

    @property
    def name(self) -> str:
        """Its image id."""
        return str(self.item["image_id"])


def begin(sets: Sequence[SetLabels], records: Sequence[Record], *, overwrite: bool) -> list[Record]:
    """Prepares the folders; nothing is touched if the labels in one of them are of other making.

    Args:
        sets: of labels.
        records: the pictures of all sets.
        overwrite: delete labels that are there.

    Returns:
        the pictures that need a label; the others are noted as kept.

    Raises:
        ConfigError: labels are there that were made by another network or in another way.
    """
    for labels in sets:
        if not overwrite:
            labels.check_settings()
    if overwrite:
        # First of all: old labels must never lie beside a description of the new ones.
        for record in records:
            record.path.unlink(missing_ok=True)
    todo = []
    for record, share in zip(records, in_threads(_share_there, records), strict=True):
        if share is None:
            todo.append(record)
        else:
            record.labels.shares[record.name] = share
            record.labels.kept += 1
    for labels in sets:
        if labels.kept and not (labels.folder / FILE).is_file():
            text = "%s: %d labels are kept though nothing tells how they were made"
            logger.warning(text, labels.folder, labels.kept)
        labels.write()
    return todo


def _share_there(record: Record) -> float | None:
    """Share of foreground in a label that is there; None if it is not, or cannot be used."""
    if not os.path.isfile(record.path):
        return None
    try:
        label = read_grey(record.path)
        fits = label.shape == image_size(record.item["file_name"])
    except ImageError:
        return None
    return foreground_share(label) if fits else None


def label_settings(cfg: CfgNode, model: nn.Module, crf: str) -> dict[str, Any]:
    """What labels depend on, for JSON. The two CRF backends count as one: equal labels."""
    return {
        "network": cfg.MODEL.META_ARCHITECTURE,
        "weights_sha256": _digest(model),
        "dense_crf": crf != "none",
        "test_resize": cfg.INPUT.DENSE.TEST_RESIZE,
        "test_size": list(cfg.INPUT.DENSE.TEST_SIZE),
        "interpolation": cfg.INPUT.DENSE.INTERPOLATION,
    }


def _digest(model: nn.Module) -> str:
    """Of names and values of all weights: the same file under another name is the same."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _settings_before(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise DataError([f"{path}: is no file of ours; choose another folder (--root)"])
    settings = content.get("settings")
    return settings if isinstance(settings, dict) else {}
