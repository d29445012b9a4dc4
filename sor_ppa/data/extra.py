"""Data sets of one's own, given in a config: DATASETS.EXTRA."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from detectron2.config import CfgNode

from sor_ppa.data.dense.folders import FIELDS, register_sod_folder
from sor_ppa.data.fixation.sets import register_fixation_set
from sor_ppa.data.ranking.ranked_coco import register_ranked_coco
from sor_ppa.errors import ConfigError

__all__ = ["folder_options", "register_extra"]

_VIDEO = "video"
# What makes a set without masks one with fixations, and all that may be said of such a set.
_GAZE = ("saliency", "fixation", "points")
_FIXATION_KEYS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys((*_GAZE, "split", "part"), str),
    "sigma": float,
    "train": int,
}
_KINDS = tuple(kind for kind in FIELDS if kind != "mask")


def register_extra(cfg: CfgNode) -> None:
    """Registers the sets of ``cfg.DATASETS.EXTRA``.

    (name, annotations.json, image folder) is a set with ranked objects, (name, image folder, mask
    folder) one with saliency masks, without any if the mask folder is "". To the latter may be
    added "depth=folder", "flow=folder", "thermal=folder", and "video" if the pictures are frames.
    Without masks, but with "saliency=folder" (blurred maps), "fixation=folder" (points, a file a
    picture) or "points=file" (of the whole set), it is one with fixations; then also "sigma=24",
    and "split=file.json" with "part=train" or "part=val", and "train=100" for drawing it.

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
        elif not second and _has_fixations(further):
            options = _fixation_options(further, f"DATASETS.EXTRA, set {name!r}")
            register_fixation_set(name, first, **options)
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


def _has_fixations(words: Sequence[str]) -> bool:
    return any(word.partition("=")[0] in _GAZE for word in words)


def _fixation_options(words: Sequence[str], where: str) -> dict[str, Any]:
    """Keyword arguments of :func:`register_fixation_set` from ("saliency=folder", ...).

    Raises:
        ConfigError: another word, a kind named twice, or no number where there must be one.
    """
    options: dict[str, Any] = {}
    for word in words:
        key, _, value = word.partition("=")
        if not value or key not in _FIXATION_KEYS:
            known = ", ".join(f"{one}=..." for one in _FIXATION_KEYS)
            raise ConfigError(f"{where}: {word!r} must be one of {known}")
        if key in options:
            raise ConfigError(f"{where}: {key} is given twice")
        try:
            options[key] = _FIXATION_KEYS[key](value)
        except ValueError as error:
            raise ConfigError(f"{where}: {word!r} needs a number") from error
        if key in ("sigma", "train") and not options[key] > 0:
            raise ConfigError(f"{where}: {word!r} must be above 0")
    return options


def _is_entry(entry: object) -> bool:
    if not isinstance(entry, Sequence) or isinstance(entry, str) or len(entry) < 3:
        return False
    return all(isinstance(part, str) for part in entry) and bool(entry[1])
