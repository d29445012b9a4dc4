"""Splits drawn once, with a seed, and written down, so that they never change."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence

import numpy as np

from sor_ppa.data.problems import read_json
from sor_ppa.data.writers import write_json
from sor_ppa.errors import DataError

__all__ = ["PARTS", "drawn_split", "split_stems"]

logger = logging.getLogger(__name__)

PARTS = ("train", "val")
_SEED = 42
_TRAIN_SHARE = 0.8


def drawn_split(stems: Sequence[str], train: int | None = None) -> dict[str, list[str]]:
    """Training and validation pictures of a set without official split.

    As for the published sets: NumPy's legacy generator, seed 42, over the sorted names.

    Args:
        stems: of all pictures, in any order.
        train: pictures for training; None = four fifths.

    Raises:
        DataError: nothing would be left for one of the two.
    """
    ordered = sorted(stems)
    count = round(_TRAIN_SHARE * len(ordered)) if train is None else train
    if not 0 < count < len(ordered):
        raise DataError(
            [f"{len(ordered)} pictures cannot be split into {count} for training and a rest"]
        )
    places = np.arange(len(ordered))
    np.random.RandomState(_SEED).shuffle(places)
    drawn = [ordered[place] for place in places]
    return {"train": drawn[:count], "val": drawn[count:]}


def split_stems(path: str, part: str, stems: Sequence[str], train: int | None = None) -> list[str]:
    """The pictures of one part of a split; the split is drawn and written if there is none yet.

    Args:
        path: JSON file of the split.
        part: one of :data:`PARTS`.
        stems: of all pictures that are there now.
        train: see :func:`drawn_split`; only when the split is drawn.

    Raises:
        DataError: the file is no split, or names pictures that are gone.
        SaliencyError: it cannot be written.
    """
    if not os.path.isfile(path):
        parts = drawn_split(stems, train)
        counts = {f"{name}_count": len(names) for name, names in parts.items()}
        write_json(path, {"seed": _SEED, **counts, **parts}, indent=1)
        logger.info("%s: split drawn (%s)", path, json.dumps(counts))
        return parts[part]
    parts = _read(path)
    known = {stem for names in parts.values() for stem in names}
    gone = sorted(known - set(stems))
    if gone:
        lines = [f"{path}: picture {stem!r} of the split is not there" for stem in gone]
        raise DataError(lines, what=path)
    new = sorted(set(stems) - known)
    if new:
        logger.warning(
            "%s: %d pictures came after the split was drawn and belong to neither part, e.g. %s; "
            "delete the file to draw it anew",
            *(path, len(new), new[0]),
        )
    return parts[part]


def _read(path: str) -> dict[str, list[str]]:
    data = read_json(path)
    if isinstance(data, dict):
        parts = {name: data.get(name) for name in PARTS}
        if all(isinstance(v, list) and all(isinstance(s, str) for s in v) for v in parts.values()):
            both = set(parts["train"]) & set(parts["val"])  # type: ignore[arg-type]
            if not both:
                return parts  # type: ignore[return-value]
            text = f"{path}: {len(both)} pictures are in both parts, e.g. {min(both)}"
            raise DataError([text], what=path)
    raise DataError([f"{path}: expected an object with the lists 'train' and 'val'"], what=path)
