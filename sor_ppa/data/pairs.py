"""Files of several folders that belong together because their names agree up to the suffix."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sor_ppa.data.files import PICTURE_SUFFIXES, all_by_stem, natural_key
from sor_ppa.errors import DataError

__all__ = ["Folder", "Pair", "files_of_kind", "folder_exists", "pair_by_stem"]


@dataclass(frozen=True)
class Folder:
    """Where the files of one kind are.

    Attributes:
        path: of the folder. One of its parts may be ``*``, the folder of any video: its name then
            is the first part of the stem, and nothing further down is looked into.
        suffixes: of the files, lower case.
        ending: what stands at the end of these stems and is not part of the others' (``_fixMap``);
            files without it are not of this kind.
        recursive: folders inside belong to it as well.
        several: one stem may have several files, ``<video>/<object>/<frame>`` beside
            ``<video>/<frame>``.
    """

    path: str
    suffixes: tuple[str, ...] = PICTURE_SUFFIXES
    ending: str = ""
    recursive: bool = True
    several: bool = False


class Pair(NamedTuple):
    """The files of one stem.

    Attributes:
        stem: path below the folder without the last suffix.
        paths: by kind, in the order in which the kinds were given; a list where a stem has several.
    """

    stem: str
    paths: dict[str, str | list[str]]


def pair_by_stem(
    folders: Mapping[str, Folder],
    *,
    lead: str = "",
    only: Sequence[str] | None = None,
    optional: Collection[str] = (),
    order: str = "natural",
) -> tuple[list[Pair], list[str]]:
    """Brings together the files of several folders that have the same stem; opens none of them.

    Args:
        folders: by kind ("image", "mask", "depth" ...). If two kinds share a folder, give them
            different suffixes or endings.
        lead: kind whose files say which stems there are; a file of another kind without partner is
            then no fault. "" = every kind must have every stem.
        only: stems that are wanted, in that order, or first parts of stems ("bear" = all of the
            video bear); others are no fault.
        optional: kinds that may be missing, as a folder or for some stems.
        order: "natural" (a2 before a10, upper case as lower case) or "path" (plain sorting), of the
            paths of the first kind.

    Returns:
        The complete ones, and a line for each fault: a file without partner, with the kinds that it
        lacks, and a second file of the same stem.

    Raises:
        DataError: a folder does not exist, or nothing is complete; with all faults.
    """
    needed = [kind for kind in folders if kind not in optional]
    missing = [kind for kind in needed if not folder_exists(folders[kind])]
    if missing:
        text = "{}: no such folder ({}); give one with pictures"
        lines = [text.format(folders[kind].path, kind) for kind in missing]
        raise DataError(lines, what="folders")
    problems: list[str] = []
    found = {kind: _by_stem(folder, folders, problems) for kind, folder in folders.items()}
    must = {kind: found[kind] for kind in needed}
    wanted = list(_stems(must, lead) if only is None else _expanded(only, must, lead))
    complete = [stem for stem in wanted if all(stem in files for files in must.values())]
    problems += _without_partner(wanted, must, folders)
    if not complete:
        image, *others = (folders[kind].path for kind in needed)
        where = f" has files of the same stem in {' and in '.join(others)}" if others else ""
        problems.insert(0, f"no picture in {image}{where}")
        raise DataError(problems, what=image)
    pairs = [
        Pair(stem, {kind: files[stem] for kind, files in found.items() if stem in files})
        for stem in complete
    ]
    return pairs if only is not None else _sorted(pairs, order), problems


def _sorted(pairs: list[Pair], order: str) -> list[Pair]:
    def path(pair: Pair) -> str:
        first = next(iter(pair.paths.values()))
        suffix = os.path.splitext(first if isinstance(first, str) else first[0])[1]
        return pair.stem + suffix

    return sorted(pairs, key=path if order == "path" else lambda pair: natural_key(path(pair)))


def files_of_kind(folders: Mapping[str, Folder], kind: str) -> dict[str, str | list[str]]:
    """All files of one kind by stem, in natural order, whether they have partners or not."""
    found = _by_stem(folders[kind], folders, [])
    return {stem: found[stem] for stem in sorted(found, key=natural_key)}


def folder_exists(folder: Folder) -> bool:
    """Whether the folder is there (with a star: the one that holds the videos)."""
    return os.path.isdir(_before_star(folder.path)[0])


def _before_star(path: str) -> tuple[str, str | None]:
    """(folder before ``*``, folder below it); (path, None) without a star."""
    before, star, after = path.partition("*")
    return (before.rstrip("/"), after.lstrip("/")) if star else (path, None)


def _by_stem(
    folder: Folder, folders: Mapping[str, Folder], problems: list[str]
) -> dict[str, str | list[str]]:
    """One folder's files by stem; a second file of a stem is a problem, the first one is used."""
    # A folder of masks may lie inside the one of pictures.
    others = [other.path for other in folders.values() if other.path != folder.path]
    inner = [path for path in others if path.startswith(os.path.join(folder.path, ""))]
    found: dict[str, str | list[str]] = {}
    for stem, paths in _listed(folder, inner).items():
        if folder.several:
            found[stem] = paths if len(paths) > 1 else paths[0]
            continue
        found[stem] = paths[0]
        first = os.path.basename(paths[0])
        problems += [f"{path}: same stem as {first}, which is used" for path in paths[1:]]
    return found


def _listed(folder: Folder, skipped: Sequence[str]) -> dict[str, list[str]]:
    before, after = _before_star(folder.path)
    if after is None:
        listed = all_by_stem(before, folder.suffixes, recursive=folder.recursive, skipped=skipped)
    else:
        listed = {}
        for name in os.listdir(before) if os.path.isdir(before) else []:
            inner = os.path.join(before, name, after)
            files = all_by_stem(inner, folder.suffixes, recursive=False)
            listed.update({f"{name}/{stem}": paths for stem, paths in files.items()})
    found: dict[str, list[str]] = {}
    for stem, paths in listed.items():
        if folder.several and stem.count("/") > 1:
            stem = "/".join([stem.split("/")[0], stem.split("/")[-1]])
        if stem.endswith(folder.ending):
            found.setdefault(stem.removesuffix(folder.ending), []).extend(paths)
    return found


def _stems(found: Mapping[str, Mapping[str, object]], lead: str) -> dict[str, None]:
    kinds = [lead] if lead else list(found)
    return {stem: None for kind in kinds for stem in found[kind]}


def _expanded(
    names: Sequence[str], found: Mapping[str, Mapping[str, object]], lead: str
) -> dict[str, None]:
    """Stems that are named themselves or by their first part; names of neither kind stay."""
    everything = _stems(found, lead)
    groups: dict[str, list[str]] = {}
    for stem in everything:
        groups.setdefault(stem.split("/")[0], []).append(stem)
    wanted: dict[str, None] = {}
    for name in names:
        stems = [name] if name in everything else sorted(groups.get(name, [name]), key=natural_key)
        wanted.update(dict.fromkeys(stems))
    return wanted


def _without_partner(
    wanted: Sequence[str],
    found: Mapping[str, Mapping[str, str | list[str]]],
    folders: Mapping[str, Folder],
) -> list[str]:
    problems = []
    for stem in wanted:
        there = [files[stem] for files in found.values() if stem in files]
        gone = [
            f"{folders[kind].path} ({kind})" for kind, files in found.items() if stem not in files
        ]
        if gone:
            name = there[0] if there else stem
            name = name if isinstance(name, str) else name[0]
            problems.append(f"{name}: no file of the same stem in {' and in '.join(gone)}")
    return problems
