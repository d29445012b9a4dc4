"""What tells one kind of weights file from another."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Source:
    """One kind of weights file.

    Attributes:
        name: short name, as in the table of :mod:`sor_ppa.checkpoint.published`.
        title: what it is, for the log.
        marks: patterns; each must be found in some name of the file.
        absent: patterns that must not be found in any.
        rename: published name -> ours; None for a tensor that has no place here.
        home: prefix of our names when no model is at hand to compare with.
        adapt: tensors as they are here, out of all of a file's; before ``rename``. It raises
            CheckpointError where the file is not what its names promise.
    """

    name: str
    title: str
    marks: tuple[str, ...]
    absent: tuple[str, ...] = ()
    rename: Callable[[str], str | None] = lambda name: name
    home: str = ""
    adapt: Callable[[Mapping[str, Any]], dict[str, Any]] = dict

    def matches(self, names: Collection[str]) -> bool:
        """Whether the names of a file are those of this source."""

        def found(pattern: str) -> bool:
            return any(re.search(pattern, name) for name in names)

        return all(map(found, self.marks)) and not any(map(found, self.absent))
