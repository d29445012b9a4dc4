"""Names under which data sets of one's own are registered."""

from __future__ import annotations

import re

from detectron2.data import DatasetCatalog, MetadataCatalog

from sor_ppa.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")


def is_registered(name: str, **facts: object) -> bool:
    """Whether the set of this metadata is registered under ``name`` already; False = it is free.

    Raises:
        ConfigError: the name is unusable, or already stands for something else.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"data set name {name!r}: use letters, digits and _ . + - only (results are written "
            "to a folder of that name)"
        )
    if name not in DatasetCatalog.list():
        return False
    old = MetadataCatalog.get(name)
    if any(old.get(key) != fact for key, fact in facts.items()):
        raise ConfigError(f"data set name {name!r} is already taken; choose another")
    return True
