"""Data sets under the names by which papers and toolkits call them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog

from sor_ppa.data.benchmarks import BENCHMARKS
from sor_ppa.errors import ConfigError

__all__ = ["PSEUDO", "resolve_config", "resolve_name", "spellings"]

# End of the names of sets with pseudo labels in place of masks (see sor_ppa.data.dense.pseudo).
PSEUDO = "_pseudo"

# Used for several sets: the registered name must be given, as for sets of several splits.
_AMBIGUOUS = {
    "DUT": ("dut_omron", "dut_rgbd_test", "duts_test"),
    "SSD": ("ssd",),
    "SOD": ("sod",),
    "DAVIS": ("davis16_test", "davis_s"),
}


def resolve_name(name: str) -> str:
    """The registered name of a data set for any of its usual spellings.

    Upper and lower case, blanks and punctuation make no difference: "DUT-OMRON", "DUTOMRON" and
    "dut_omron" are one set. A registered name stands for itself, and so does an unknown one. What
    ends in ``_pseudo`` keeps that: "DUTS-TR_pseudo" is "duts_train_pseudo".

    Raises:
        ConfigError: the spelling is used for several sets; names them.
    """
    if name in DatasetCatalog.list():
        return name
    if name.endswith(PSEUDO):
        return resolve_name(name.removesuffix(PSEUDO)) + PSEUDO
    # With a slash it is a path, not a spelling.
    candidates = spellings().get(_plain(name), (name,)) if "/" not in name else (name,)
    if len(candidates) > 1 or name.upper() in _AMBIGUOUS:
        names = ", ".join(candidates)
        raise ConfigError(
            f"data set name {name!r} is ambiguous: give the registered name ({names})"
        )
    return candidates[0]


def resolve_config(cfg: CfgNode) -> None:
    """Puts registered names in place of other spellings in DATASETS.TRAIN and DATASETS.TEST.

    Raises:
        ConfigError: a spelling is used for several sets.
    """
    cfg.DATASETS.TRAIN = _resolved(cfg.DATASETS.TRAIN)
    cfg.DATASETS.TEST = _resolved(cfg.DATASETS.TEST)


@cache
def spellings() -> dict[str, tuple[str, ...]]:
    """Registered names by spelling, in lower case without punctuation."""
    found = {_plain(row.name): tuple(row.registered()) for row in BENCHMARKS}
    for row in BENCHMARKS:
        for name, split in row.registered().items():
            # What is said of one split beats the name of the whole set.
            found.update({_plain(spelling): (name,) for spelling in (name, *split.spellings)})
    found.update({_plain(spelling): names for spelling, names in _AMBIGUOUS.items()})
    return found


def _resolved(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(resolve_name(name) for name in names))


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()
