"""What a user names on the command line, as a list of pictures and videos with output names."""

from __future__ import annotations

import glob
import importlib.util
import itertools
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from sor_ppa.errors import SaliencyError

_PICTURES = "jpg jpeg jpe jfif png bmp webp tif tiff gif ppm pgm pbm avif heic"
_VIDEOS = "mp4 avi mov mkv webm m4v mpg mpeg wmv flv ts ogv 3gp"
PICTURE_SUFFIXES = frozenset(f".{name}" for name in _PICTURES.split())
VIDEO_SUFFIXES = frozenset(f".{name}" for name in _VIDEOS.split())
# Free pictures that ship inside scikit-image's wheel (all public domain or CC0).
SAMPLE_NAMES = ("astronaut.png", "coffee.png", "chelsea.png", "camera.png", "rocket.jpg")
_WEBCAM = re.compile(r"webcam(?::(\d+))?$")


class NoInputError(SaliencyError):
    """Nothing matches what the user asked for."""


@dataclass(frozen=True)
class Beside:
    """What a network sees beside a source.

    Attributes:
        kind: "depth", "flow" or "thermal".
        paths: the file; or the two pictures whose motion it is; () = the motion within the source.
        label: what the results call it.
        missing: why there is none, "" = there is.
    """

    kind: str
    paths: tuple[str, ...] = ()
    label: str = "optical flow"
    missing: str = ""


@dataclass(frozen=True)
class Source:
    """One thing to look at.

    Attributes:
        kind: ``"picture"``, ``"video"`` or ``"webcam"``.
        path: the file; for a webcam the number of the device.
        name: where its results go below the output folder: a relative path without suffix,
            different for every source of a run.
        label: the file's path below the folder that all sources share, suffix included.
        stem: the file's path below the folder that the user named, without suffix.
        spec: which of the things that the user named it comes from, 0 = the first.
        beside: what a network sees beside it, None = nothing.
    """

    kind: str
    path: str
    name: str = ""
    label: str = ""
    stem: str = ""
    spec: int = 0
    beside: Beside | None = None


def expand_inputs(
    specs: Sequence[str], *, exclude: Sequence[str] = (), what: str = "input"
) -> list[Source]:
    """Files, globs, folders, videos and webcams as a list of sources, each file once.

    A folder stands for all pictures and videos below it, in order of their paths; links to
    folders are not followed, so loops end. A file that is named gets read whatever its suffix.

    Args:
        specs: paths, globs (``*``, ``?``, ``[...]``, ``**``), or ``webcam`` / ``webcam:1``.
        exclude: folders and files (of an earlier run) skipped while searching folders and globs.
        what: the inputs by the name that an error gives them.

    A spec that matches nothing, among others that do, stays in the list as a picture that is not
    there: reading it fails with its name, like any other bad picture.

    Raises:
        NoInputError: no spec matches anything.
    """
    found: dict[str, Source] = {}
    unmatched = []
    skipped = frozenset(os.path.abspath(path) for path in exclude)
    for index, spec in enumerate(specs):
        sources = list(_expand(os.path.expanduser(spec), skipped))
        if not sources:
            unmatched.append((index, spec))
        for source in sources:
            found.setdefault(source.path, replace(source, spec=index))
    if not found:
        wanted = ", ".join(repr(spec) for spec in specs) or "(nothing given)"
        raise NoInputError(
            f"no {what} matched {wanted}: name a picture, a video, a folder that holds some, "
            "a glob in quotes, or webcam"
        )
    for index, spec in unmatched:
        missing = replace(_file(os.path.expanduser(spec)), kind="picture", spec=index)
        found.setdefault(missing.path, missing)
    return name_sources(list(found.values()))


def sample_pictures() -> list[str]:
    """Paths of the free pictures inside the installed scikit-image; nothing is downloaded.

    Raises:
        NoInputError: scikit-image is not installed, or came without them.
    """
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        raise NoInputError("the sample pictures come with scikit-image: pip install scikit-image")
    folder = Path(spec.origin).parent / "data"
    paths = [str(folder / name) for name in SAMPLE_NAMES if (folder / name).is_file()]
    if not paths:
        raise NoInputError(f"no sample picture in {folder}: pip install --upgrade scikit-image")
    return paths


def _expand(spec: str, skipped: frozenset[str]) -> Iterator[Source]:
    webcam = _WEBCAM.match(spec)
    if os.path.isdir(spec):
        yield from _in_folder(spec, skipped, root=spec)
    elif os.path.exists(spec):
        yield _file(spec)
    elif webcam:
        yield Source("webcam", webcam[1] or "0")
    elif glob.has_magic(spec):
        root = os.path.dirname(re.split(r"[*?[]", spec)[0])
        for path in sorted(glob.glob(spec, recursive=True)):
            if _is_below(path, skipped):
                continue
            if not os.path.isdir(path):
                yield from _if_known(path, root)
            elif "**" not in spec:  # with ** the glob lists the files inside by itself
                yield from _in_folder(path, skipped, root)


def _in_folder(folder: str, skipped: frozenset[str], root: str) -> Iterator[Source]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not _is_below(os.path.join(parent, f), skipped))
        for name in sorted(names):
            # Dot files are unfinished downloads, macOS's shadows (._a.jpg) and the like.
            if not name.startswith(".") and not _is_below(os.path.join(parent, name), skipped):
                yield from _if_known(os.path.join(parent, name), root)


def _is_below(path: str, skipped: frozenset[str]) -> bool:
    path = os.path.abspath(path)
    while path not in skipped:
        parent = os.path.dirname(path)
        if parent == path:
            return False
        path = parent
    return True


def _if_known(path: str, root: str) -> Iterator[Source]:
    if _suffix(path) in PICTURE_SUFFIXES | VIDEO_SUFFIXES:
        yield _file(path, root)


def _file(path: str, root: str | None = None) -> Source:
    """A file by its name, or found below ``root`` ("" = here)."""
    kind = "video" if _suffix(path) in VIDEO_SUFFIXES else "picture"
    inside = os.path.basename(path) if root is None else os.path.relpath(path, root or os.curdir)
    stem = os.path.splitext(inside)[0].replace(os.sep, "/")
    return Source(kind, os.path.abspath(path), stem=stem)


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def name_sources(sources: Sequence[Source]) -> list[Source]:
    """Gives every source a name and a label: its path below the folder that all of them share.

    Two files that differ only in suffix, or only in upper and lower case (one file on some
    systems), keep distinct names by adding suffix or number.
    """
    parents = [os.path.dirname(s.path) for s in sources if s.kind != "webcam"]
    try:
        root = os.path.commonpath(parents) if parents else ""
    except ValueError:  # several drives
        root = ""
    labels = [_label(source, root) for source in sources]
    stems = [str(PurePosixPath(label).with_suffix("")) for label in labels]
    times = Counter(stem.lower() for stem in stems)
    used: set[str] = set()
    named = []
    for source, label, stem in zip(sources, labels, stems, strict=True):
        wanted = stem if times[stem.lower()] == 1 else label.replace(".", "_")
        name = _unused(wanted, used)
        used.add(name.lower())
        named.append(replace(source, name=name, label=label))
    return named


def _unused(name: str, used: set[str]) -> str:
    candidates = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2)))
    return next(candidate for candidate in candidates if candidate.lower() not in used)


def _label(source: Source, root: str) -> str:
    if source.kind == "webcam":
        return f"webcam{source.path}"
    inside = os.path.relpath(source.path, root) if root else source.path
    # A drive or a leading slash would leave the output folder.
    return os.path.splitdrive(inside)[1].replace(os.sep, "/").lstrip("/")
