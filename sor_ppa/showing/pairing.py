"""Which file belongs beside which input: by their stems, or the motion of the input itself."""

from __future__ import annotations

import itertools
import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from sor_ppa.data.files import natural_key
from sor_ppa.errors import ConfigError
from sor_ppa.showing.inputs import Beside, Source, expand_inputs, name_sources

logger = logging.getLogger(__name__)

# What people call the kinds.
WORDS = {"depth": "depth map", "flow": "optical flow", "thermal": "thermal picture"}


class Paired(NamedTuple):
    """Inputs with what is seen beside them, in their order, and a line for every file left over."""

    sources: list[Source]
    unused: list[str]


def find_beside(
    specs: Sequence[str], inputs: Sequence[str], exclude: Sequence[str]
) -> list[Source]:
    """What ``--modality-input`` names, as :func:`~sor_ppa.showing.inputs.expand_inputs` finds it.

    Args:
        specs: files, folders, globs, videos.
        inputs: what ``--input`` names; a folder of them inside a folder of ``specs`` is left out.
        exclude: results of earlier runs.

    Raises:
        NoInputError: there is nothing.
        ConfigError: a webcam is named.
    """
    skipped = [*exclude, *folders_inside(inputs, specs)]
    found = expand_inputs(specs, exclude=skipped, what="--modality-input")
    if any(source.kind == "webcam" for source in found):
        raise ConfigError("--modality-input: a webcam cannot be one; name files")
    return found


def folders_inside(inner: Sequence[str], outer: Sequence[str]) -> list[str]:
    """Those folders of ``inner`` that a search of the folders ``outer`` would come through."""
    tops = [_folder(spec) for spec in outer if os.path.isdir(_folder(spec))]
    below = [_folder(spec) for spec in inner if os.path.isdir(_folder(spec))]
    return [path for path in below if any(path.startswith(os.path.join(top, "")) for top in tops)]


def _folder(spec: str) -> str:
    return os.path.abspath(os.path.expanduser(spec))


def pair_sources(sources: Sequence[Source], others: Sequence[Source], kind: str) -> Paired:
    """Gives every input the file of the same stem (and of its kind: a picture, or a video).

    The stem is the path below the folder that was named, without suffix. One file with one file
    always pairs. Where several folders hold the same stems, and as many were named on both sides,
    the first belongs to the first, the second to the second, and so on.

    Args:
        sources: the inputs.
        others: what is seen beside them.
        kind: "depth", "flow" or "thermal". Inputs without a partner are given the reason, except
            that "flow" is computed of webcams, and of videos where ``others`` hold no video.
    """
    # Labels below the folder that both sides share: "thermal/7.jpg", not "7.jpg" twice.
    labels = {one.path: one.label for one in name_sources([*sources, *others])}
    others = [replace(other, label=labels[other.path]) for other in others]
    if len(sources) == len(others) == 1 and sources[0].kind == others[0].kind:
        return Paired([_with_file(sources[0], kind, others[0])], [])
    by_spec = (_repeats(sources) or _repeats(others)) and _specs(sources) == _specs(others)
    found: dict[tuple[str, int, str], list[Source]] = defaultdict(list)
    for other in others:
        found[_key(other, by_spec=by_spec)].append(other)
    taken: dict[tuple[str, int, str], Source] = {}
    paired = []
    for source in sources:
        key = _key(source, by_spec=by_spec)
        if _is_computed(source, others, kind):
            paired.append(replace(source, beside=Beside(kind)))
        elif key not in found:
            paired.append(_without(source, kind, _nowhere(source, others, kind)))
        elif key in taken:
            paired.append(_without(source, kind, _twice(source, taken[key], kind)))
        else:
            taken[key] = source
            paired.append(_with_file(source, kind, found[key][0]))
    return Paired(paired, list(_left_over(found, taken)))


def with_own_motion(sources: Sequence[Source]) -> list[Source]:
    """Inputs beside which their own motion is seen, to be computed.

    The pictures of one folder are the frames of a video, in natural order (a2 before a10): each has
    the motion to the next one, the last one that from the one before.
    """
    frames: dict[str, list[Source]] = defaultdict(list)
    for source in sources:
        if source.kind == "picture":
            frames[os.path.dirname(source.path)].append(source)
    motion: dict[str, Beside] = {}
    for folder in frames.values():
        folder.sort(key=lambda source: natural_key(os.path.basename(source.path)))
        if len(folder) == 1:
            logger.warning("%s: the only frame of its folder, so nothing moves", folder[0].path)
            motion[folder[0].path] = Beside("flow", (folder[0].path, folder[0].path))
        pairs = [(one.path, two.path) for one, two in itertools.pairwise(folder)]
        for frame, pair in zip(folder, [*pairs, *pairs[-1:]], strict=False):
            motion[frame.path] = Beside("flow", pair)
    return [replace(s, beside=motion.get(s.path, Beside("flow"))) for s in sources]


def _repeats(sources: Sequence[Source]) -> bool:
    """Whether several of the things that were named hold the same stem."""
    found = {_key(source, by_spec=True) for source in sources}
    return len({(kind, stem) for kind, _, stem in found}) < len(found)


def _specs(sources: Sequence[Source]) -> set[int]:
    return {source.spec for source in sources}


def _key(source: Source, *, by_spec: bool) -> tuple[str, int, str]:
    return source.kind, source.spec if by_spec else 0, source.stem


def _is_computed(source: Source, others: Sequence[Source], kind: str) -> bool:
    if kind != "flow" or source.kind == "picture":
        return False
    return source.kind == "webcam" or all(other.kind == "picture" for other in others)


def _with_file(source: Source, kind: str, other: Source) -> Source:
    return replace(source, beside=Beside(kind, (other.path,), other.label))


def _without(source: Source, kind: str, reason: str) -> Source:
    return replace(source, beside=Beside(kind, label="", missing=reason))


def _nowhere(source: Source, others: Sequence[Source], kind: str) -> str:
    if source.kind == "webcam":
        return f"a webcam has no {WORDS[kind]}"
    if source.kind == "video" and all(other.kind == "picture" for other in others):
        return f"{source.path}: a video needs a video as its {WORDS[kind]}, and none is given"
    return f"{source.path}: no {WORDS[kind]} of the same stem ({source.stem}) in --modality-input"


def _twice(source: Source, other: Source, kind: str) -> str:
    return (
        f"{source.path}: same stem ({source.stem}) as {other.path}, which has the {WORDS[kind]}; "
        "name the folders in pairs: --input A B --modality-input A2 B2"
    )


def _left_over(
    found: dict[tuple[str, int, str], list[Source]], taken: Iterable[tuple[str, int, str]]
) -> Iterable[str]:
    used = set(taken)
    for key, (first, *more) in found.items():
        if key not in used:
            yield f"{first.path}: no {first.kind} of the same stem ({first.stem}) in --input"
        for other in more:
            yield f"{other.path}: same stem as {os.path.basename(first.path)}, which is used"
