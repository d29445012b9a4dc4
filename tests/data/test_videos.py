"""Frames of videos."""

from __future__ import annotations

import random

import pytest

from sor_ppa.data.videos import as_frames


def test_no_frames() -> None:
    dicts: list[dict[str, object]] = []
    as_frames(dicts, {})
    as_frames(dicts, {"1": "1.jpg"})
    assert dicts == []


def test_frames_of_several_videos_one_after_the_other() -> None:
    stems = ["a/1", "a/2", "b/1", "3"]
    dicts = [{"image_id": stem} for stem in stems]
    as_frames(dicts, {stem: f"{stem}.jpg" for stem in stems})
    assert dicts == [
        {"image_id": "a/1", "video_id": "a", "frame_index": 0, "next_file_name": "a/2.jpg"},
        {"image_id": "a/2", "video_id": "a", "frame_index": 1, "previous_file_name": "a/1.jpg"},
        {"image_id": "b/1", "video_id": "b", "frame_index": 0},
        {"image_id": "3", "video_id": "", "frame_index": 0},
    ]


def test_a_file_of_flow_makes_neighbours_superfluous() -> None:
    dicts = [{"image_id": "1", "flow_file_name": "f/1.jpg"}, {"image_id": "2"}]
    as_frames(dicts, {"1": "1.jpg", "2": ["2.jpg", "2.png"]})
    assert "next_file_name" not in dicts[0]
    assert dicts[1]["previous_file_name"] == "1.jpg"


@pytest.mark.parametrize("seed", range(5))
def test_against_the_obvious(seed: int) -> None:
    rng = random.Random(seed)
    everything = [f"{video}/{n:02d}" for video in "abc" for n in range(rng.randrange(1, 9))]
    pictures: dict[str, str | list[str]] = {stem: f"{stem}.png" for stem in everything}
    chosen = sorted(rng.sample(everything, len(everything) // 2))
    dicts = [{"image_id": stem} for stem in chosen]
    as_frames(dicts, pictures)
    for item in dicts:
        video, number = str(item["image_id"]).split("/")
        following, before = (f"{video}/{int(number) + step:02d}.png" for step in (1, -1))
        there = following in pictures.values()
        assert item.get("next_file_name") == (following if there else None)
        alone = there or before not in pictures.values()
        assert item.get("previous_file_name") == (None if alone else before)
        earlier = [stem for stem in chosen if stem.startswith(video) and stem < item["image_id"]]
        assert item["frame_index"] == len(earlier)
