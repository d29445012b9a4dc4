"""Scores folders of saved saliency maps, of one method or several, against masks."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from sor_ppa.data.files import all_by_stem, natural_key
from sor_ppa.data.image_io import read_grey
from sor_ppa.data.mask_io import read_grey_mask
from sor_ppa.data.writers import PathLike
from sor_ppa.errors import DataError, SaliencyError
from sor_ppa.evaluation.dense_report import DenseRun
from sor_ppa.evaluation.sod.subject import Array, Subject
from sor_ppa.evaluation.sod.tally import DenseTally, Plan
from sor_ppa.workers import no_worker_may_die, process_pool

MaskFiles = PathLike | Sequence[PathLike]

# Where several files share a stem the one with the first suffix counts: pictures beside their
# masks are JPEGs, and no JPEG is exact.
_SUFFIXES = (".png", ".bmp", ".tif", ".tiff", ".webp", ".jpg", ".jpeg")
_CHUNK = 16


@dataclasses.dataclass(frozen=True)
class FolderJob:
    """What is scored; goes to every worker process once.

    Attributes:
        names: of the pictures: stems below the folders, in natural order.
        masks: mask of each, a file or several that are one mask together.
        maps: by method, by name, the file of the saved map.
        plan: protocols and metrics.
        resize: bring maps of another size to that of their mask (Pillow, bicubic) under every
            protocol, not only where it does so itself.
    """

    names: tuple[str, ...]
    masks: tuple[MaskFiles, ...]
    maps: Mapping[str, Mapping[str, str]]
    plan: Plan
    resize: bool = False

    def missing(self) -> list[str]:
        """Maps that are not there, one line each."""
        return [
            f"{method}: no map for {name}"
            for method, files in self.maps.items()
            for name in self.names
            if name not in files
        ]

    def extra(self) -> list[str]:
        """Maps of no picture, one line each."""
        known = set(self.names)
        return [
            f"{method}: {name} has no mask"
            for method, files in self.maps.items()
            for name in files
            if name not in known
        ]


@dataclasses.dataclass(frozen=True)
class FolderScores:
    """What came out.

    Attributes:
        runs: one a method.
        missing: maps that are not there.
        extra: maps of no picture, not looked at.
        faults: maps and masks that could not be used, left out.
    """

    runs: list[DenseRun]
    missing: list[str]
    extra: list[str]
    faults: list[str]


def list_masks(folder: PathLike) -> dict[str, str]:
    """Mask or map files in and below a folder by stem, in natural order.

    Raises:
        DataError: there is no such folder, or no picture in it.
    """
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise DataError([f"{folder}: no such folder"], what="arguments")
    order = {suffix: place for place, suffix in enumerate(_SUFFIXES)}
    found = all_by_stem(str(path), _SUFFIXES)
    if not found:
        raise DataError([f"{folder}: holds no picture (.png, .bmp, .jpg ...)"], what="arguments")
    return {
        stem: min(found[stem], key=lambda name: order[Path(name).suffix.lower()])
        for stem in sorted(found, key=natural_key)
    }


def score_folders(
    job: FolderJob,
    *,
    allow_missing: bool = False,
    workers: int = 0,
    progress: Callable[[int], object] | None = None,
) -> FolderScores:
    """Scores every picture of every method; the result does not depend on ``workers``.

    Args:
        job: what is scored.
        allow_missing: leave out missing and unusable maps instead of raising.
        workers: processes; 0 = this one.
        progress: called with the number of pictures that were finished since the last call.

    Raises:
        DataError: lists missing or unusable maps, or nothing is left to score.
        SaliencyError: a worker process died.
    """
    missing = job.missing()
    hint = "allow missing ones (--allow-missing) to score the rest"
    if missing and not allow_missing:
        raise DataError(missing, what=f"predictions; {hint}")
    totals = {method: DenseTally(job.plan) for method in job.maps}
    faults: list[str] = []
    with no_worker_may_die(f"than {workers}"), _parts(job, workers) as parts:
        for number, tallies, wrong in parts:
            for method, tally in tallies.items():
                totals[method].merge(tally)
            faults += wrong
            if progress is not None:
                progress(number)
    if faults and not allow_missing:
        raise DataError(faults, what=f"predictions; {hint}")
    if not any(map(len, totals.values())):
        raise DataError([*missing, *faults], what="predictions: none is left to score")
    runs = [DenseRun(method, tally) for method, tally in totals.items()]
    return FolderScores(runs, missing, job.extra(), faults)


_Part = tuple[int, dict[str, DenseTally], list[str]]


@contextlib.contextmanager
def _parts(job: FolderJob, workers: int) -> Iterator[Iterable[_Part]]:
    """Scores of chunks of pictures, from this process or from several."""
    chunks = [
        range(start, min(start + _CHUNK, len(job.names)))
        for start in range(0, len(job.names), _CHUNK)
    ]
    if workers <= 1:
        yield (_score_chunk(job, chunk) for chunk in chunks)
        return
    with process_pool(workers, _start_worker, job) as pool:
        yield pool.map(_score_in_worker, chunks)


_worker_jobs: list[FolderJob] = []


def _start_worker(job: FolderJob) -> None:
    cv2.setNumThreads(1)
    _worker_jobs[:] = [job]


def _score_in_worker(chunk: range) -> _Part:
    return _score_chunk(_worker_jobs[0], chunk)


def _score_chunk(job: FolderJob, chunk: range) -> _Part:
    tallies = {method: DenseTally(job.plan) for method in job.maps}
    faults = [fault for index in chunk for fault in _score(job, index, tallies)]
    return len(chunk), tallies, faults


def _score(job: FolderJob, index: int, tallies: Mapping[str, DenseTally]) -> list[str]:
    """Scores a picture's maps; what cannot be used is a line of text, not an exception."""
    name = job.names[index]
    try:
        mask = read_grey_mask(job.masks[index])
    except SaliencyError as error:
        return [str(error)]
    faults = []
    for method, files in job.maps.items():
        if name not in files:
            continue
        try:
            prediction = load_map(files[name], mask, job)
            tallies[method].add(index, Subject(prediction, mask))
        except DataError as error:
            faults += error.problems
        except SaliencyError as error:
            faults.append(str(error))
    return faults


def load_map(path: str, mask: Array, job: FolderJob) -> Array:
    """Reads a saved map, at the size of its mask.

    Raises:
        ImageError: it cannot be read.
        DataError: it has another size and the job does not resize.
    """
    grey = read_grey(path)
    if grey.shape == mask.shape:
        return grey
    if not job.resize and not all(protocol.resize for protocol in job.plan.protocols):
        raise DataError(
            [
                f"{path}: is {grey.shape[0]} x {grey.shape[1]} (H x W), its mask {mask.shape[0]} "
                f"x {mask.shape[1]}; save maps at the size of their masks, or use --resize"
            ]
        )
    size = (mask.shape[1], mask.shape[0])
    return np.array(Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC))
