"""What a run was made of, step by step, so that a later run notices what has changed."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode
from detectron2.utils.file_io import PathManager

from sor_ppa.config import get_cfg
from sor_ppa.data.dense.folders import FIELDS
from sor_ppa.data.files import in_threads
from sor_ppa.data.image_io import write_json
from sor_ppa.data.problems import read_json
from sor_ppa.errors import ConfigError, DataError

logger = logging.getLogger(__name__)

FORMAT = "sor_ppa unsupervised run"
VERSION = 1
_FILE = "run.json"
# Keys of which nothing that is trained depends, or that are compared as data and weights.
_FREE = (
    "OUTPUT_DIR", "VIS_PERIOD", "MODEL.DEVICE", "MODEL.WEIGHTS", "DATALOADER.NUM_WORKERS",
    "DATASETS.TRAIN", "DATASETS.TEST", "DATASETS.EXTRA", "DATASETS.PSEUDO_ROOT",
    "SOLVER.CHECKPOINT", "TEST.", "UNSUPERVISED.", "GLOBAL.",
)  # fmt: skip
_CHUNK = 1 << 20
_SHOWN = 8

Record = Mapping[str, Any]


class RunState:
    """``run.json`` in the folder of a run: of every step that was begun, what it is made of."""

    def __init__(self, folder: Path) -> None:
        """Reads the file, if there is one.

        Args:
            folder: of the run.

        Raises:
            DataError: it is damaged, or another program's.
        """
        self.folder, self.path = folder, folder / _FILE
        self.steps: dict[str, dict[str, Any]] = {}
        if self.path.is_file():
            document = read_json(self.path)
            if not isinstance(document, dict) or document.get("format") != FORMAT:
                raise DataError(
                    [f"{self.path}: is not of a run without labels; take another folder"]
                )
            self.steps = document.get("steps", {})

    @property
    def begun(self) -> bool:
        """Whether a step was begun before."""
        return bool(self.steps)

    def changes(self, step: str, record: Record) -> list[str]:
        """What differs from the record of a step: ``SEED 1 -> 2``; nothing if it has none."""
        before = self.steps.get(step)
        if before is None:
            return []
        old, new = dict(_flat(before)), dict(_flat(record))
        names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        return [f"{name} {_short(old.get(name))} -> {_short(new.get(name))}" for name in names]

    def begin(self, step: str, record: Record, *, finished: bool, remedy: str) -> None:
        """Compares a step with what it was before, and notes what it is now.

        Args:
            step: its name.
            record: what its result depends on.
            finished: whether its result is there already.
            remedy: how the result is made again.

        Raises:
            ConfigError: the step is finished, but was made of something else.
        """
        if changed := self.changes(step, record):
            text = ", ".join(changed[:_SHOWN]) + (" ..." if len(changed) > _SHOWN else "")
            if finished:
                raise ConfigError(
                    f"{step} is finished, but has been made otherwise: {text}. {remedy}, or take "
                    "another --output."
                )
            logger.warning("%s goes on otherwise than it began: %s", step, text)
        self.note(step, record)

    def note(self, step: str, record: Record) -> None:
        """Notes what a step is made of."""
        if self.steps.get(step) != record:
            self.steps[step] = dict(record)
            document = {"format": FORMAT, "version": VERSION, "steps": self.steps}
            write_json(self.path, document, indent=1)


def settings_record(cfg: CfgNode) -> dict[str, Any]:
    """The keys of a config that differ from the defaults and that a training depends on."""
    defaults = dict(_flat(get_cfg()))
    return {
        key: value
        for key, value in _flat(cfg)
        if value != defaults.get(key) and not key.startswith(_FREE)
    }


def data_record(dicts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Number of pictures, and a digest of their names and of the sizes of all of their files."""
    digest = hashlib.sha256()
    files = [
        str(item[field])
        for item in dicts
        for field in ("file_name", *FIELDS.values())
        if isinstance(item.get(field), str)
    ]
    digest.update("\n".join(str(item["image_id"]) for item in dicts).encode())
    digest.update("\n".join(map(str, in_threads(_bytes_of, files))).encode())
    return {"pictures": len(dicts), "files": digest.hexdigest()[:16]}


def weights_record(address: str) -> str:
    """A digest of a weights file; of what is no local file its address.

    Raises:
        ConfigError: there is no such file.
    """
    if not address:
        return "none: random weights"
    path = PathManager.get_local_path(address) if address.startswith("sor_ppa://") else address
    if "://" in path:
        return path
    digest = hashlib.sha256()
    try:
        with open(os.path.expanduser(path), "rb") as file:
            while part := file.read(_CHUNK):
                digest.update(part)
    except OSError as error:
        raise ConfigError(f"weights {address} cannot be read: {error}") from error
    return f"sha256 {digest.hexdigest()[:16]}"


def _bytes_of(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return -1


def _flat(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values, tuples as the lists that JSON makes of them."""
    for name, value in node.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, _plain(value)


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON is whatever it is
    return [_plain(part) for part in value] if isinstance(value, (list, tuple)) else value


def _short(value: Any) -> str:  # noqa: ANN401
    text = "(not set)" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
