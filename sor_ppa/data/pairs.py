"""Files of two folders that belong together because their names agree up to the suffix."""

from __future__ import annotations

from pathlib import Path

from sor_ppa.data.files import PICTURE_SUFFIXES
from sor_ppa.errors import DataError

__all__ = ["pair_by_stem"]


def pair_by_stem(images: Path, masks: Path) -> tuple[list[tuple[Path, Path]], list[str]]:
    """Pairs (picture, mask) of the same stem in order of stem, and what has no partner.

    Raises:
        DataError: a folder does not exist, or there is no pair at all.
    """
    missing = [folder for folder in (images, masks) if not folder.is_dir()]
    if missing:
        lines = [f"{folder}: no such folder; give one with pictures" for folder in missing]
        raise DataError(lines, what="arguments")
    problems: list[str] = []
    pictures, greys = _by_stem(images, problems), _by_stem(masks, problems)
    for ours, theirs, folder in ((pictures, greys, masks), (greys, pictures, images)):
        problems += [
            f"{path}: no file of the same stem in {folder}"
            for stem, path in ours.items()
            if stem not in theirs
        ]
    pairs = [(pictures[stem], greys[stem]) for stem in sorted(pictures.keys() & greys.keys())]
    if not pairs:
        problems.append(f"no picture in {images} has a mask of the same stem in {masks}")
        raise DataError(problems, what=f"{images} and {masks}")
    return pairs, problems


def _by_stem(folder: Path, problems: list[str]) -> dict[str, Path]:
    """The folder's pictures by stem; a stem that occurs twice is a problem, its first file used."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in PICTURE_SUFFIXES or path.name.startswith("."):
            continue
        if path.stem in found:
            problems.append(f"{path}: same stem as {found[path.stem].name}, which is used")
        else:
            found[path.stem] = path
    return found
