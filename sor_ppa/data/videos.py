"""Frames of videos: which video they belong to, and which frame comes next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["as_frames"]


def as_frames(dicts: Sequence[dict[str, Any]], pictures: Mapping[str, str | list[str]]) -> None:
    """Makes pictures of a set frames of videos: a folder is a video.

    Adds to every dict ``video_id`` (the folders in its ``image_id``; "" where pictures lie in no
    folder, which then are one video) and ``frame_index`` (0, 1 ... its place among the frames of
    this video in the set). Where there is no ``flow_file_name``, also the frame from which the
    flow is computed: ``next_file_name``, or ``previous_file_name`` for the last frame; nothing for
    the only one.

    Args:
        dicts: in the order of the frames; changed.
        pictures: **all** frames by ``image_id``, in order, also those that are not in the set:
            where every twentieth frame has a mask, the motion is still that to the very next one.
    """
    following, preceding = _neighbours(pictures)
    frames: dict[str, int] = {}
    for item in dicts:
        video = item["video_id"] = _video(item["image_id"])
        item["frame_index"] = frames.get(video, 0)
        frames[video] = item["frame_index"] + 1
        if "flow_file_name" in item:
            continue
        if item["image_id"] in following:
            item["next_file_name"] = following[item["image_id"]]
        elif item["image_id"] in preceding:
            item["previous_file_name"] = preceding[item["image_id"]]


def _neighbours(
    pictures: Mapping[str, str | list[str]],
) -> tuple[dict[str, str], dict[str, str]]:
    """Path of the next and of the previous frame of every frame that has one."""
    videos: dict[str, list[str]] = {}
    for stem in pictures:
        videos.setdefault(_video(stem), []).append(stem)
    following: dict[str, str] = {}
    preceding: dict[str, str] = {}
    for stems in videos.values():
        for first, second in zip(stems, stems[1:], strict=False):
            following[first], preceding[second] = _path(pictures[second]), _path(pictures[first])
    return following, preceding


def _video(stem: str) -> str:
    return stem.rpartition("/")[0]


def _path(files: str | list[str]) -> str:
    return files if isinstance(files, str) else files[0]
