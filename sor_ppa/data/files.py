"""Many picture files at once: which exist, and how large they are, without decoding one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sor_ppa.data.image_io import image_size
from sor_ppa.data.problems import PathLike
from sor_ppa.errors import ImageError

# Threads hide the latency of disks and network shares; header parsing itself holds the GIL.
_THREADS = 8
_BLOCK = 64

Item = TypeVar("Item")
Result = TypeVar("Result")

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


def joined(root: PathLike, name: str) -> str:
    """``root/name``; an absolute ``name`` stays as it is."""
    return os.path.join(os.path.expanduser(str(root)), name)


def missing_files(paths: Sequence[str]) -> list[bool]:
    """For each path, whether there is no file; every folder is listed once only."""
    folders: dict[str, set[str]] = {}
    missing = []
    for path in paths:
        folder, name = os.path.split(path)
        if folder not in folders:
            folders[folder] = _names(folder)
        missing.append(name not in folders[folder])
    return missing


def header_sizes(paths: Sequence[str]) -> list[tuple[int, int] | ImageError]:
    """(height, width) of each picture from its header, or the error, in order."""
    return in_threads(_size_or_error, paths)


def in_threads(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """``[function(item) for item in items]``, several at a time; for work that waits on files."""
    if len(items) < _BLOCK:
        return [function(item) for item in items]
    # Whole blocks: handing over single items costs more than reading a small file.
    blocks = [items[start : start + _BLOCK] for start in range(0, len(items), _BLOCK)]
    with ThreadPoolExecutor(_THREADS) as pool:
        done = pool.map(lambda block: [function(item) for item in block], blocks)
        return [result for block in done for result in block]


def files_by_stem(folder: PathLike, suffixes: Sequence[str] = PICTURE_SUFFIXES) -> dict[str, str]:
    """Files of one folder by name without the last suffix; hidden files are passed over.

    When two files share a stem the suffix that stands first in ``suffixes`` wins.
    """
    found = all_by_stem(str(folder), suffixes, recursive=False)
    order = {suffix: place for place, suffix in enumerate(suffixes)}
    return {
        stem: min(paths, key=lambda path: order[os.path.splitext(path)[1].lower()])
        for stem, paths in found.items()
    }


def all_by_stem(
    folder: str,
    suffixes: Sequence[str] = PICTURE_SUFFIXES,
    *,
    recursive: bool = True,
    skipped: Sequence[str] = (),
) -> dict[str, list[str]]:
    """Every file in or below a folder by its stem; no file is opened.

    The stem is the path below the folder, with ``/``, without the last suffix. What starts with a
    dot (``._a.png``, ``.DS_Store``) is passed over, and so is what has none of the suffixes.

    Args:
        folder: one that does not exist counts as empty.
        suffixes: lower case, with the dot; files may have them in any case.
        recursive: folders inside are looked into as well, symbolic links to folders included.
        skipped: folders that are not looked into.
    """
    found: dict[str, list[str]] = {}
    for inside, names in _folders(folder, recursive=recursive, skipped=skipped):
        for name in names:
            stem, suffix = os.path.splitext(name)
            if suffix.lower() in suffixes and not name.startswith("."):
                found.setdefault(inside + stem, []).append(os.path.join(folder, inside, name))
    return found


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sorts "a2" before "a10": runs of digits count as numbers, upper case as lower case."""
    parts = re.split(r"(\d+)", name)
    return [int(p) if i % 2 else p.lower() for i, p in enumerate(parts)], name


def _folders(
    top: str, *, recursive: bool, skipped: Sequence[str]
) -> Iterator[tuple[str, list[str]]]:
    """(path below ``top`` ending in "/", sorted names of files) of it and the folders inside."""
    if not recursive:
        yield "", sorted(_names(top))
        return
    # A link may lead back to a folder above it.
    seen = {os.path.realpath(path) for path in skipped}
    for parent, folders, names in os.walk(top, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inside = os.path.relpath(parent, top).replace(os.sep, "/")
        yield "" if inside == "." else f"{inside}/", sorted(names)


def _names(folder: str) -> set[str]:
    """Names in a folder; none if it is not there or cannot be listed."""
    try:
        return set(os.listdir(folder or "."))
    except (OSError, ValueError):
        return set()


def _size_or_error(path: str) -> tuple[int, int] | ImageError:
    try:
        return image_size(path)
    except ImageError as error:
        return error
