from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sor_ppa.data.flow import flow_of
from sor_ppa.data.image_io import write_image
from sor_ppa.errors import ImageError
from sor_ppa.showing import beside
from sor_ppa.showing.beside import (
    PictureReader,
    motion_ahead,
    motion_behind,
    seen_frames,
    side_by_side,
)
from sor_ppa.showing.inputs import Beside, Source, expand_inputs
from sor_ppa.showing.pairing import with_own_motion
from sor_ppa.showing.video import VideoReader
from tests.showing.clips import clip_with_sound

LIMIT = 10**6


def moving(count: int) -> list[np.ndarray]:
    """Frames of a blob that goes to the right, ever faster, over a still ground."""
    ground = np.random.default_rng(0).integers(60, 120, (48, 64, 3)).astype(np.uint8)
    frames = []
    for k in range(count):
        frame = ground.copy()
        left = 4 + k * (k + 3) // 2
        frame[16:32, left : left + 14] = ground[16:32, 4:18] + 100
        frames.append(frame)
    return frames


def frame_folder(folder: Path, count: int) -> list[dict[str, str]]:
    """Writes the frames; gives back the records that a data set of them has."""
    paths = [folder / f"{k}.png" for k in range(count)]
    for path, frame in zip(paths, moving(count), strict=True):
        write_image(path, frame)
    records = [{"file_name": str(path)} for path in paths]
    for record, after in itertools.pairwise(records):
        record["next_file_name"] = after["file_name"]
    if count > 1:
        records[-1]["previous_file_name"] = records[-2]["file_name"]
    return records


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_motion_ahead_is_that_of_the_data_sets(tmp_path: Path, count: int) -> None:
    """What the mapper computes for each frame from its neighbour, red first."""
    records = frame_folder(tmp_path, count)
    pairs = list(motion_ahead(iter(moving(count))))
    assert len(pairs) == count
    for (frame, motion), original, record in zip(pairs, moving(count), records, strict=True):
        assert np.array_equal(frame, original)
        assert np.array_equal(motion[:, :, ::-1], flow_of(record))
    different = {motion.tobytes() for _, motion in pairs}
    assert len(different) == (count - 1 if count > 1 else count)
    if count == 1:
        assert (pairs[0][1] == 255).all()  # nothing moves


@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_motion_behind(count: int) -> None:
    frames = moving(count)
    pairs = list(motion_behind(frames))
    assert [frame is original for (frame, _), original in zip(pairs, frames, strict=True)] == [
        True
    ] * count
    for (_, motion), (_, ahead) in zip(pairs[1:], motion_ahead(frames)):
        assert np.array_equal(motion, ahead)
    assert all((motion == 255).all() for _, motion in pairs[:1])


@pytest.mark.parametrize(("pairs_of", "ahead"), [(motion_ahead, 1), (motion_behind, 0)])
def test_how_many_frames_are_taken(pairs_of: Callable, ahead: int) -> None:
    """A video is looked ahead at by one frame; a camera does not wait for the next one."""
    taken = []

    def frames() -> Iterator[np.ndarray]:
        for k, frame in enumerate(moving(6)):
            taken.append(k)
            yield frame

    pairs = pairs_of(frames())
    for k in range(4):
        next(pairs)
        assert taken == list(range(k + 1 + ahead))


@pytest.mark.parametrize(
    ("first", "second", "count", "said"),
    [
        (0, 0, 0, ""),
        (3, 3, 3, ""),
        (5, 3, 3, "b.mp4 has only 3 frames, a.mp4 has more"),
        (3, 5, 3, "a.mp4 has only 3 frames, b.mp4 has more"),
        (0, 2, 0, "a.mp4 has only 0 frames"),
        (2, 0, 0, "b.mp4 has only 0 frames"),
    ],
)
def test_side_by_side(
    first: int, second: int, count: int, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    frames, others = moving(first), moving(second)
    with caplog.at_level(logging.WARNING):
        pairs = list(side_by_side(frames, others, ("a.mp4", "b.mp4")))
    assert len(pairs) == count
    for (frame, other), k in zip(pairs, range(count), strict=True):
        assert frame is frames[k] and other is others[k]
    assert said in caplog.text and bool(said) == bool(caplog.text)


def test_a_real_video(tmp_path: Path) -> None:
    clip = clip_with_sound(tmp_path / "clip.mp4", seconds=0.6)
    frames = list(VideoReader(str(clip)))
    source = Source("video", str(clip), beside=Beside("flow"))
    with ExitStack() as stack:
        pairs = list(seen_frames(VideoReader(str(clip)), source, stack))
    assert len(pairs) == len(frames) == 6
    for (frame, motion), one in zip(pairs, frames, strict=True):
        assert np.array_equal(frame, one) and motion.shape == one.shape
    assert np.array_equal(pairs[2][1], beside.motion_picture(frames[2], frames[3]))
    assert np.array_equal(pairs[5][1], beside.motion_picture(frames[4], frames[5]))


@pytest.mark.parametrize(
    ("seen", "said"),
    [(Beside("depth", missing="clip.mp4: no depth"), "no depth"),
     (Beside("depth", ("gone.mp4",)), "gone.mp4: no such video")],
)  # fmt: skip
def test_a_video_without_its_partner(tmp_path: Path, seen: Beside, said: str) -> None:
    clip = clip_with_sound(tmp_path / "clip.mp4", seconds=0.2)
    source = Source("video", str(clip), beside=seen)
    with pytest.raises(ImageError, match=said), ExitStack() as stack:
        seen_frames(VideoReader(str(clip)), source, stack)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_frames_of_a_folder(tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    records = frame_folder(tmp_path, count)
    reads: Counter[str] = Counter()
    read_image = beside.read_image

    def counted(path: str, **options: object) -> np.ndarray:
        reads[path] += 1
        return read_image(path, **options)

    monkeypatch.setattr(beside, "read_image", counted)
    reader = PictureReader(LIMIT)
    for source, record in zip(
        with_own_motion(expand_inputs([str(tmp_path)])), records, strict=True
    ):
        image, motion = reader(source)
        assert np.array_equal(image, read_image(source.path))
        assert np.array_equal(motion[:, :, ::-1], flow_of(record))
    assert set(reads.values()) == {1} and len(reads) == count


def test_a_damaged_frame_ends_only_its_pairs(tmp_path: Path) -> None:
    frame_folder(tmp_path, 5)
    (tmp_path / "2.png").write_bytes(b"\x89PNG")
    (tmp_path / "4.png").unlink()
    write_image(tmp_path / "4.png", moving(1)[0][:40])
    reader = PictureReader(LIMIT)
    said = []
    for source in with_own_motion(expand_inputs([str(tmp_path)])):
        try:
            said.append(reader(source)[1].shape == (48, 64, 3))
        except ImageError as error:
            said.append(str(error))
    assert said[0] is True and "2.png" in said[1] and "2.png" in said[2]
    assert all("3.png is 48 x 64" in text and "4.png is 40 x 64" in text for text in said[3:])


def with_orientation(path: Path, shape: tuple[int, ...], turn: int) -> str:
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, np.uint8)).save(
        path, exif=exif
    )
    return str(path)


@pytest.mark.parametrize(
    ("picture", "turn", "depth", "depth_turn", "ok"),
    [
        ((40, 60), 1, (40, 60), 1, True),
        ((40, 60), 6, (60, 40), 1, True),  # the depth map was made of the upright picture
        ((40, 60), 6, (40, 60), 6, True),
        ((40, 60), 6, (40, 60), 1, False),  # and here of what the sensor gave
        ((40, 60), 8, (20, 30), 1, False),
        ((40, 60), 3, (40, 60), 1, True),
        ((50, 52), 6, (50, 52), 1, True),  # nearly square: cannot be told
        ((40, 60), 1, (30, 30), 1, True),
        ((40, 60), 6, (10, 90), 1, True),  # simply another shape
    ],
)
def test_pictures_that_were_turned(
    tmp_path: Path, picture: tuple, turn: int, depth: tuple, depth_turn: int, ok: bool
) -> None:
    path = with_orientation(tmp_path / "p.jpg", (*picture, 3), turn)
    other = with_orientation(tmp_path / "d.png", depth, depth_turn)
    source = Source("picture", path, beside=Beside("depth", (other,)))
    if not ok:
        with pytest.raises(ImageError, match=r"d\.png is .*p\.jpg is 60 x 40.*lies on its side"):
            PictureReader(LIMIT)(source)
        return
    image, seen = PictureReader(LIMIT)(source)
    assert image.shape[:2] == (picture[::-1] if turn > 4 else picture)
    assert seen.shape == (*(depth[::-1] if depth_turn > 4 else depth), 3)


def test_reading_what_is_not_there(tmp_path: Path) -> None:
    write_image(tmp_path / "p.png", moving(1)[0])
    reader, path = PictureReader(LIMIT), str(tmp_path / "p.png")
    assert reader(Source("picture", path))[1] is None
    with pytest.raises(ImageError, match="because"):
        reader(Source("picture", path, beside=Beside("depth", missing="because")))
    with pytest.raises(ImageError, match="gone.png"):
        reader(Source("picture", path, beside=Beside("depth", (str(tmp_path / "gone.png"),))))
