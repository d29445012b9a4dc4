"""Data sets of one's own, given in a config: DATASETS.EXTRA."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detectron2.config import CfgNode

from sor_ppa.data.dense.folders import FIELDS, register_sod_folder
from sor_ppa.data.ranking.ranked_coco import register_ranked_coco
from sor_ppa.errors import ConfigError

__all__ = ["folder_options", "register_extra"]

_VIDEO = "video"
_KINDS = tuple(kind for kind in FIELDS if kind != "mask")


def register_extra(cfg: CfgNode) -> None:
    """Registers the sets of ``cfg.DATASETS.EXTRA``.

    (name, annotations.json, image folder) is a set with ranked objects, (name, image folder, mask
    folder) one with saliency masks, without any if the mask folder is "". To the latter may be
    added "depth=folder", "flow=folder", "thermal=folder", and "video" if the pictures are frames.

    Raises:
        ConfigError: an entry is of another form, or its name is unusable.
    """
    for entry in cfg.DATASETS.EXTRA:
        if not _is_entry(entry):
            raise ConfigError(
                "DATASETS.EXTRA must hold (name, annotations.json, image folder) or (name, image "
                'folder, mask folder or "", "depth=folder" ..., "video") lists of strings, '
                f"got {entry!r}"
            )
        name, first, second, *further = entry
        if first.lower().endswith(".json"):
            if further:
                raise ConfigError(
                    f"DATASETS.EXTRA: {further[0]!r} has no meaning for the ranked set {name!r}"
                )
            register_ranked_coco(name, first, second)
        else:
            options = folder_options(further, f"DATASETS.EXTRA, set {name!r}")
            register_sod_folder(name, first, second, **options)


def folder_options(words: Sequence[str], where: str) -> dict[str, Any]:
    """Keyword arguments of :func:`register_sod_folder` from ("depth=folder", ..., "video").

    Args:
        words: each the kind of a modality with its folder, or "video".
        where: begins the message of an error.

    Raises:
        ConfigError: another word, or a kind named twice.
    """
    options: dict[str, Any] = {}
    for word in words:
        kind, _, folder = word.partition("=")
        if word != _VIDEO and (not folder or kind not in _KINDS):
            known = ", ".join(f"{one}=folder" for one in _KINDS)
            raise ConfigError(f"{where}: {word!r} must be {_VIDEO} or one of {known}")
        if kind in options:
            raise ConfigError(f"{where}: {kind} is given twice")
        options[kind] = folder if word != _VIDEO else True
    return options


def _is_entry(entry: object) -> bool:
    if not isinstance(entry, Sequence) or isinstance(entry, str) or len(entry) < 3:
        return False
    return all(isinstance(part, str) for part in entry) and bool(entry[1])
