"""Results of a long run over images, kept line by line so that a stopped run can go on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """One JSON line per finished image, on disk as soon as it is known.

    Args:
        path: the file. Its first line names the settings; lines made under other settings, and
            the line that was being written when the run stopped, are forgotten.
        settings: everything that the results depend on.
    """

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.path = path
        head = json.dumps(settings, sort_keys=True)
        self._entries = _old_entries(path, head)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(path, "w", encoding="utf-8")  # noqa: SIM115 - closed in close()
        self._write(head, *(json.dumps([key, entry]) for key, entry in self._entries.items()))

    def __contains__(self, image_id: object) -> bool:
        return repr(image_id) in self._entries

    def __getitem__(self, image_id: object) -> dict[str, Any]:
        return self._entries[repr(image_id)]

    def values(self) -> Iterator[dict[str, Any]]:
        """All entries, in the order in which they were made."""
        return iter(self._entries.values())

    def add(self, image_id: object, entry: dict[str, Any]) -> None:
        """Notes the outcome for one image."""
        self._entries[repr(image_id)] = entry
        self._write(json.dumps([repr(image_id), entry]))

    def close(self) -> None:
        """Closes the file; it stays for the next run."""
        self._file.close()

    def delete(self) -> None:
        """Removes the file, once the run is complete."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _write(self, *lines: str) -> None:
        self._file.writelines(line + "\n" for line in lines)
        self._file.flush()


def _old_entries(path: Path, head: str) -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = {}
    if not path.is_file():
        return entries
    first, *rest = path.read_text(encoding="utf-8", errors="replace").split("\n")
    if first != head:
        return entries
    for line in rest:
        try:
            key, entry = json.loads(line)
        except ValueError:
            break
        entries[key] = entry
    return entries
