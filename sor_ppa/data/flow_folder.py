"""A folder of flow pictures, made once so that training need not compute flow again and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from sor_ppa.data.dense.folders import dense_dicts
from sor_ppa.data.flow import flow_of
from sor_ppa.data.image_io import write_image
from sor_ppa.data.pairs import Folder, files_of_kind, pair_by_stem
from sor_ppa.data.problems import PathLike, local_path
from sor_ppa.data.videos import as_frames
from sor_ppa.errors import ConfigError, DataError, SaliencyError
from sor_ppa.workers import Backlog, no_worker_may_die, process_pool

__all__ = ["FlowReport", "flow_path", "frames_below", "write_flow_folder"]

_SUFFIXES = (".jpg", ".png")
_NEEDED = ("file_name", "image_id", "next_file_name", "previous_file_name")


@dataclass
class FlowReport:
    """What became of the frames.

    Attributes:
        written: flow pictures made now.
        kept: that were there already.
        problems: a line for each frame whose flow could not be made, with the file at fault.
    """

    written: int = 0
    kept: int = 0
    problems: list[str] = field(default_factory=list)


def frames_below(folder: PathLike, flow_folder: PathLike) -> list[dict[str, Any]]:
    """Dataset dicts of the frames of a folder: folders inside are videos, or it is one itself.

    Args:
        folder: of the frames.
        flow_folder: of their flow pictures, as far as there are any; may lie inside ``folder``.

    Raises:
        DataError: the folder is missing or holds no picture.
    """
    paths = {"image": local_path(folder), "flow": local_path(flow_folder)}
    if paths["image"] == paths["flow"]:
        raise DataError([f"{folder}: frames and flow pictures need folders of their own"])
    folders = {kind: Folder(path) for kind, path in paths.items()}
    dicts = dense_dicts(pair_by_stem(folders, optional=("flow",))[0])
    as_frames(dicts, files_of_kind(folders, "image"))
    return dicts


def write_flow_folder(
    frames: Sequence[Mapping[str, Any]],
    out: PathLike,
    *,
    suffix: str = ".jpg",
    workers: int = 1,
    update: Callable[[int], Any] | None = None,
) -> FlowReport:
    """Writes the flow of every frame as colours (see :func:`sor_ppa.data.flow.flow_image`).

    A picture that is there already is kept, so a run that was stopped goes on where it was; delete
    pictures whose frames have changed. A frame that cannot be read costs the flow of that frame
    and of its neighbour; the others are made.

    Args:
        frames: dataset dicts of a video set; those with a ``flow_file_name`` count as made.
        out: folder for ``<image_id><suffix>``; with a ``*``, that stands for the video's folder.
        suffix: ".jpg" (as the benchmarks have it) or ".png".
        workers: processes.
        update: called with a number of frames whenever so many more are done.

    Raises:
        ConfigError: another suffix, or no worker.
        SaliencyError: a worker process died.
    """
    if suffix not in _SUFFIXES or workers < 1:
        wanted = f"flow pictures are {' or '.join(_SUFFIXES)} files, made by at least 1 worker"
        raise ConfigError(f"{wanted}; got {suffix!r} and {workers}")
    there = files_of_kind({"flow": Folder(local_path(out))}, "flow")
    todo = [i for i in frames if i["image_id"] not in there and "flow_file_name" not in i]
    report = FlowReport(kept=len(frames) - len(todo))

    def receive(problem: str) -> None:
        if problem:
            report.problems.append(problem)
        else:
            report.written += 1
        if update:
            update(1)

    if update:
        update(report.kept)
    jobs = [
        (
            {key: item[key] for key in _NEEDED if key in item},
            flow_path(out, item["image_id"], suffix),
        )
        for item in todo
    ]
    _work_off(jobs, min(workers, len(jobs)), receive)
    return report


def flow_path(folder: PathLike, image_id: str, suffix: str = ".jpg") -> str:
    """File of a frame's flow; a ``*`` in the folder stands for the folder of the video."""
    folder = local_path(folder)
    video, _, frame = image_id.rpartition("/")
    inside = f"{folder.replace('*', video)}/{frame}" if "*" in folder else f"{folder}/{image_id}"
    return inside + suffix


def _work_off(
    jobs: Sequence[tuple[dict[str, Any], str]], workers: int, receive: Callable[[str], None]
) -> None:
    if workers <= 1:
        for job in jobs:
            receive(_write_one(*job))
        return
    pool = process_pool(workers, _start_worker)
    backlog = Backlog(pool, limit=4 * workers, receive=receive)
    try:
        with no_worker_may_die():
            for job in jobs:
                backlog.submit(_write_one, *job)
            backlog.finish()
    finally:
        backlog.cancel()


def _write_one(frame: dict[str, Any], path: str) -> str:
    """Makes one flow picture; what went wrong, or ""."""
    try:
        write_image(path, flow_of(frame)[:, :, ::-1])
    except SaliencyError as error:
        lines = error.problems if isinstance(error, DataError) else [str(error)]
        return f"{frame['image_id']}: {'; '.join(lines)}"
    return ""


def _start_worker() -> None:
    """One thread a process: the workers are the parallelism."""
    import cv2

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
