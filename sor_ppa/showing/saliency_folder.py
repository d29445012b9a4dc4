"""Where the results of dense saliency go, and what is there already."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sor_ppa.data.image_io import write_json
from sor_ppa.data.problems import read_json
from sor_ppa.errors import ConfigError, DataError, SaliencyError
from sor_ppa.showing.inputs import Source
from sor_ppa.showing.output_folder import files_of, refuse_other_settings, refuse_overwriting
from sor_ppa.visualization.output_types import OutputType, parse_type

logger = logging.getLogger(__name__)

_JOURNAL = "saliency.json"
_FORMAT = "sor_ppa saliency run 1"
_SAVE_EVERY_SECONDS = 30.0
_LONGEST_NAME = 240  # bytes; file systems end at 255, and "_unfinished" needs a place
_PICTURE_FORMATS = ("png", "jpg")
FORMATS = (*_PICTURE_FORMATS, "mp4", "mov", "webm")


@dataclass(frozen=True)
class CutoutOptions:
    """What is made of each saliency map.

    Attributes:
        types: the results wanted for every picture.
        threshold: above it 1, else 0; None keeps the map soft.
        reverse: keep the background instead.
        trim: cut pictures to the box of what shows.
        bits: of "map", 8 or 16.
        format: "png" or "jpg" for pictures; "mp4", "mov", "webm" or "png" (numbered frames) for
            videos. What it cannot be goes its usual way: maps and cut-outs as PNG, other pictures
            in the format they came in; videos as MP4, with alpha as numbered frames.
        matting: estimate the foreground's own colours for "rgba".

    Raises:
        ConfigError: a value that cannot work.
    """

    types: tuple[OutputType, ...] = (parse_type("rgba"),)
    threshold: float | None = None
    reverse: bool = False
    trim: bool = False
    bits: int = 8
    format: str | None = None
    matting: bool = True

    def __post_init__(self) -> None:
        if not self.types:
            raise ConfigError("no output type: give at least one, e.g. --type rgba")
        if self.bits not in (8, 16):
            raise ConfigError(f"--bits must be 8 or 16, got {self.bits}")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ConfigError(f"--threshold must lie in 0 ... 1, got {self.threshold}")
        if self.format not in (None, *FORMATS):
            raise ConfigError(f"--format must be one of {', '.join(FORMATS)}, got {self.format!r}")

    def picture_suffix(self, kind: OutputType, source: Source) -> str:
        """Ending of a result's file name, for a picture."""
        if kind.kind == "density":
            return ".npy"
        if kind.kind in ("rgba", "pyramid") or (kind.kind == "map" and self.bits == 16):
            return ".png"  # JPEG has no transparency, and 8 bits
        if self.format in _PICTURE_FORMATS:
            return f".{self.format}"
        own = os.path.splitext(source.path)[1].lower()
        return own if kind.kind not in ("map", "modality") and own in (".jpg", ".jpeg") else ".png"

    def video_format(self, kind: OutputType) -> str:
        """The format that a video's result gets: mp4, mov, webm or png.

        Raises:
            ConfigError: this type cannot be made of a video, or not in this format.
        """
        wanted = self.format if self.format != "jpg" else None
        if kind.kind in ("pyramid", "density"):
            raise ConfigError(f"--type {kind.kind} is for pictures, not for videos")
        if self.trim:
            raise ConfigError("--trim is for pictures: the frames of a video keep their size")
        if kind.has_alpha and wanted == "mp4":
            raise ConfigError("MP4 has no transparency: use --format png, mov or webm for rgba")
        chosen = wanted or ("png" if kind.has_alpha else "mp4")
        if kind.kind == "map" and self.bits == 16 and chosen != "png":
            raise ConfigError("16-bit maps of a video need --format png (numbered frames)")
        return chosen


class SaliencyFolder:
    """Files ``<folder of the input>/<stem>_<type>.<suffix>`` and the list of them.

    ``saliency.json`` says what was made of which input with which settings: a resumed run goes by
    it, and a run over a folder that holds results does not take them for inputs. It also names what
    the network saw beside each input.

    Args:
        folder: made when something is written.
        sources: all inputs of this run; none is ever overwritten.
        options: what is made.
        info: what else the results depend on (config, weights ...).
        resume: keep the results that are there.
        journal: name of the list.

    Raises:
        SaliencyError: an output would overwrite an input or another output.
        ConfigError: a video cannot become what is wanted, or the results to resume were made with
            other settings.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        sources: Iterable[Source] = (),
        options: CutoutOptions | None = None,
        info: dict[str, Any] | None = None,
        resume: bool = False,
        journal: str = _JOURNAL,
    ) -> None:
        self.folder = Path(folder)
        self._journal = journal
        self.options = options or CutoutOptions()
        kept = ("threshold", "reverse", "trim", "bits", "matting")
        self.info = {**(info or {}), **{key: getattr(self.options, key) for key in kept}}
        self._lock = threading.Lock()
        self._saved_at = time.monotonic()
        self._refuse_clashes(list(sources))
        old = _read_journal(self.json_path)
        if resume and old:
            refuse_other_settings(self.json_path, old["info"], self.info)
        self._done: dict[str, dict[str, Any]] = old["results"] if resume and old else {}
        self._older: set[str] = _files_of(old)

    @staticmethod
    def own_paths(folder: str | os.PathLike[str], journal: str = _JOURNAL) -> tuple[str, ...]:
        """Files that earlier runs left in ``folder``: what a search should pass over."""
        names = _files_of(_read_journal(Path(folder, journal)))
        return tuple(os.path.join(folder, name) for name in sorted(names))

    @property
    def json_path(self) -> Path:
        """The list of what was made."""
        return self.folder / self._journal

    def path(self, source: Source, kind: OutputType) -> Path:
        """The file of a result; for a video the place without the suffix."""
        end = f"_{kind.name}" + ("_reverse" if self.options.reverse else "")
        parent, stem = os.path.split(source.name)
        if source.kind == "picture":
            end += self.options.picture_suffix(kind, source)
        return self.folder / parent / _short(stem, end)

    def paths(self, source: Source) -> list[str]:
        """Every file that a source becomes."""
        stems = [(kind, str(self.path(source, kind))) for kind in self.options.types]
        if source.kind != "video":
            return [path for _, path in stems]
        formats = [(self.options.video_format(kind), path) for kind, path in stems]
        return [path if kind == "png" else f"{path}.{kind}" for kind, path in formats]

    def has(self, source: Source) -> bool:
        """Whether earlier runs finished all that is wanted of this source, as it is now."""
        entry = self._done.get(source.label)
        if entry is None or entry["input"] != _mark(source):
            return False
        names = [self._relative(path) for path in self.paths(source)]
        return all(name in entry["files"] and (self.folder / name).exists() for name in names)

    def keep(self, source: Source, files: Iterable[str | Path]) -> None:
        """Notes that these files of a source are whole; any thread may call."""
        names = [self._relative(path) for path in files]
        mark = _mark(source)
        with self._lock:
            entry = self._done.get(source.label)
            if entry is not None and entry["input"] == mark:
                names = [*entry["files"], *(name for name in names if name not in entry["files"])]
            seen = {"modality": source.beside.label} if source.beside else {}
            self._done[source.label] = {"input": mark, **seen, "files": names}
            if time.monotonic() - self._saved_at > _SAVE_EVERY_SECONDS:
                self._write()

    def save(self) -> None:
        """Writes ``saliency.json``, if there is anything to say."""
        with self._lock:
            if self._done:
                self._write()

    def _write(self) -> None:
        now = _files_of({"results": self._done})
        older = sorted(name for name in self._older - now if (self.folder / name).exists())
        write_json(
            self.json_path,
            {"format": _FORMAT, "info": self.info, "results": self._done, "older": older},
            indent=1,
        )
        self._saved_at = time.monotonic()

    def _relative(self, path: str | Path) -> str:
        return os.path.relpath(path, self.folder).replace(os.sep, "/")

    def _refuse_clashes(self, sources: list[Source]) -> None:
        outputs = [str(self.json_path)]
        for source in sources:
            if source.kind != "webcam":
                outputs += self.paths(source)
        times = Counter(path.lower() for path in outputs)
        for path in outputs:
            if times[path.lower()] > 1:
                raise SaliencyError(
                    f"{path} would be written twice: rename an input or the background picture, "
                    "or make the types in separate runs"
                )
        refuse_overwriting(outputs, sources)


def _short(stem: str, end: str) -> str:
    """``stem + end``, the stem cut where the file system would not take it."""
    room = _LONGEST_NAME - len(end.encode())
    raw = os.fsencode(stem)
    if len(raw) <= room:
        return stem + end
    mark = "~" + hashlib.sha256(raw).hexdigest()[:8]
    cut = raw[: room - len(mark)].decode(errors="ignore")
    return cut + mark + end


def _read_journal(path: Path) -> dict[str, Any]:
    """The list of an earlier run; empty when there is none, or it is no such list."""
    if not path.is_file():
        return {}
    with contextlib.suppress(DataError):
        found = read_json(path)
        if isinstance(found, dict) and found.get("format") == _FORMAT:
            return found
    logger.warning("%s: not the list of an earlier run, ignored", path)
    return {}


def _files_of(journal: dict[str, Any]) -> set[str]:
    lists = [entry["files"] for entry in journal.get("results", {}).values()]
    return {name for names in [*lists, journal.get("older", [])] for name in names}


def _mark(source: Source) -> str:
    """Size and time of an input: another file under the same name has another mark.

    Of an input that is seen together with another file, both of them.
    """
    try:
        found = [os.stat(path) for path in files_of(source)]
    except OSError:
        return ""
    return " + ".join(f"{file.st_size} bytes, {file.st_mtime_ns}" for file in found)
