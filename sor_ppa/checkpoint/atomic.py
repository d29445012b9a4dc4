"""Files that are either whole or not there: a temporary neighbour, flushed to disk, then moved.

A run that is killed while it writes leaves only a temporary file behind, which the next run of
the same folder sweeps away; whatever stood under the final name before is untouched.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

logger = logging.getLogger(__name__)

# .<final name>.<process id>.part
_PART = re.compile(r"^\..+\.(\d+)\.part$")


@contextlib.contextmanager
def atomic_open(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Opens a binary file that replaces ``path`` only when the block ends without an error.

    The bytes and the new name have reached the disk when the block has ended.

    Args:
        path: final name; its folder must exist.

    Yields:
        The open temporary file.
    """
    final = Path(path)
    part = final.with_name(f".{final.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, final)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(final.parent)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Replaces the text file ``path`` by ``text`` (UTF-8) in one stroke."""
    with atomic_open(path) as file:
        file.write(text.encode("utf-8"))


def remove_stale(folder: str | os.PathLike[str]) -> list[Path]:
    """Removes temporary files in ``folder`` whose writers have died, and returns their paths."""
    removed = []
    for path in sorted(Path(folder).glob(".*.part")):
        match = _PART.match(path.name)
        if match and not _is_alive(int(match.group(1))):
            path.unlink(missing_ok=True)
            removed.append(path)
            logger.info("Removed %s, left half-written by a run that was killed.", path)
    return removed


def _is_alive(pid: int) -> bool:
    if pid == os.getpid():
        return False  # this process writes one file at a time and is not writing now
    if os.name == "nt":
        return False  # signal 0 is Ctrl-C there; an output folder has one writer anyway
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sync_folder(folder: Path) -> None:
    """Makes a rename durable; folders cannot be opened on Windows, where it is not needed."""
    if os.name == "nt":
        return
    with contextlib.suppress(OSError):  # some network file systems refuse it
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
