"""Many picture files at once: which exist, and how large they are, without decoding one."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
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
    order = {suffix: place for place, suffix in enumerate(suffixes)}
    found: dict[str, tuple[int, str]] = {}
    for name in sorted(_names(str(folder))):
        stem, suffix = os.path.splitext(name)
        place = order.get(suffix.lower())
        if place is None or name.startswith("."):
            continue
        if stem not in found or place < found[stem][0]:
            found[stem] = (place, os.path.join(str(folder), name))
    return {stem: path for stem, (_, path) in found.items()}


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
