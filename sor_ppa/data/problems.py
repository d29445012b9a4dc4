"""Collecting faults instead of stopping at the first, and reading JSON with exact complaints.

A person who mends a data set wants the whole list at once. Loaders therefore note every fault in
a :class:`Problems` and raise one :class:`~sor_ppa.errors.DataError` at the end.
"""

from __future__ import annotations

import gc
import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any

from detectron2.utils.file_io import PathManager

from sor_ppa.data.writers import PathLike
from sor_ppa.errors import DataError

logger = logging.getLogger(__name__)


class Problems:
    """A list of faults of one data set, plus counted lesser ones.

    Args:
        what: what is being read; heads the error message.
        strict: True turns warnings into faults as well.
    """

    def __init__(self, what: str, *, strict: bool = False) -> None:
        self.what = what
        self.strict = strict
        self.lines: list[str] = []
        self._warned: Counter[str] = Counter()
        self._examples: dict[str, str] = {}

    def add(self, where: str, message: str) -> None:
        """Notes a fault that makes the data set unusable as it is."""
        self.lines.append(f"{where}: {message}")

    def warn(self, kind: str, where: str, message: str) -> None:
        """Notes a fault that is mended by leaving the item out; a real fault under ``strict``.

        Args:
            kind: name of the group that is counted and logged together.
            where: file and field.
            message: value and remedy.
        """
        if self.strict:
            self.add(where, message)
            return
        self._warned[kind] += 1
        self._examples.setdefault(kind, f"{where}: {message}")

    def finish(self) -> None:
        """Logs the counted warnings, then raises if there was any fault.

        Raises:
            DataError: with every fault.
        """
        for kind, count in self._warned.items():
            logger.warning("%s: %d x %s, e.g. %s", self.what, count, kind, self._examples[kind])
        if self.lines:
            raise DataError(self.lines, what=self.what)


def local_path(path: PathLike) -> str:
    """``path`` with ``~`` expanded and detectron2's url prefixes turned into a local file."""
    return PathManager.get_local_path(str(Path(path).expanduser()) if _plain(path) else str(path))


def _plain(path: PathLike) -> bool:
    return "://" not in str(path)


def read_json(path: PathLike) -> Any:
    """Reads a UTF-8 JSON file.

    Raises:
        DataError: the file is missing, unreadable, starts with a byte-order mark, is not UTF-8,
            or is not JSON; the message gives line and column.
    """
    try:
        with open(local_path(path), "rb") as file:
            data = file.read()
    except (OSError, ValueError) as error:
        raise DataError([f"{path}: cannot be read: {error}"], what=str(path)) from error
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        problem = "line 1 column 1: starts with a byte-order mark; save it as plain UTF-8"
        raise DataError([f"{path}: {problem}"], what=str(path))
    try:
        return _parsed(data.decode("utf-8"))
    except json.JSONDecodeError as error:
        problem = f"line {error.lineno} column {error.colno}: not valid JSON ({error.msg})"
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(10) + 1, error.start - before.rfind(b"\n")
        problem = f"line {line} column {column}: not UTF-8 ({error.reason})"
    except (RecursionError, ValueError) as error:
        problem = f"line 1 column 1: not usable JSON ({error})"
    raise DataError([f"{path}: {problem}; is the file whole?"], what=str(path))


def _parsed(text: str) -> Any:
    """Parses JSON; the garbage collector rests meanwhile, as it would find nothing but live data.

    For a file of 50 MB that halves the time.
    """
    pause = gc.isenabled() and len(text) > 1_000_000
    if pause:
        gc.disable()
    try:
        return json.loads(text)
    finally:
        if pause:
            gc.enable()
