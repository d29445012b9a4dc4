"""What every output folder is careful about, whatever the task."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sor_ppa.errors import ConfigError, SaliencyError
from sor_ppa.showing.inputs import Source


def refuse_overwriting(outputs: Iterable[str | Path], sources: Iterable[Source]) -> None:
    """Makes sure that no result replaces an input, or what is seen beside one.

    Raises:
        SaliencyError: one would.
    """
    inputs = {os.path.realpath(path) for source in sources for path in files_of(source)}
    for path in outputs:
        if os.path.realpath(path) in inputs:
            raise SaliencyError(f"{path} is an input: choose another output folder")


def files_of(source: Source) -> list[str]:
    """The file of a source, and those that are read beside it."""
    return [source.path, *(source.beside.paths if source.beside else ())]


def refuse_other_settings(where: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Makes sure that a run goes on with the settings that it began with.

    Args:
        where: the file that ``before`` was read from.
        before: settings of the results that are there.
        now: settings of this run; keys that only ``before`` has do not matter.

    Raises:
        ConfigError: they differ.
    """
    for key, value in now.items():
        if before.get(key) != value:
            raise ConfigError(
                f"{where} was made with {key} = {before.get(key)!r}, now it is {value!r}: take "
                "another output folder, or leave --resume out to start anew"
            )
