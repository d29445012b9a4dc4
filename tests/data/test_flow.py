"""Optical flow and its colours."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from torchvision.utils import flow_to_image  # the definition of the colours

from sor_ppa.data.flow import flow_image, flow_of, optical_flow
from sor_ppa.data.image_io import write_image
from sor_ppa.errors import DataError, ImageError, SaliencyError


def texture(height: int = 96, width: int = 128, seed: int = 0) -> np.ndarray:
    """Smooth random colours, uint8 (H, W, 3): something to follow at every pixel."""
    import cv2

    noise = np.random.default_rng(seed).random((height, width, 3))
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    return np.rint(255 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint8)


@pytest.mark.parametrize("shift", [(3, 0), (0, -4), (-2, 2)])
def test_a_moved_picture_has_the_motion_it_was_moved_by(shift: tuple[int, int]) -> None:
    x, y = shift
    whole = texture(120, 160)
    frame, following = whole[10:106, 10:138], whole[10 - y : 106 - y, 10 - x : 138 - x]
    flow = optical_flow(frame, following)
    assert (flow.shape, flow.dtype) == ((96, 128, 2), np.float32)
    inside = flow[16:-16, 16:-16]
    assert np.abs(np.median(inside, axis=(0, 1)) - shift).max() < 0.1
    assert (np.abs(inside - shift).max(axis=2) < 0.5).mean() > 0.95
    # What is at (x, y) is at (x + u, y + v) in the next frame.
    u, v = np.rint(flow[50, 60]).astype(int)
    assert (following[50 + v, 60 + u] == frame[50, 60]).all()


SIZES = [(1, 1), (1, 7), (9, 1), (2, 300), (8, 40), (12, 100), (16, 400), (33, 33)]


@pytest.mark.parametrize("size", SIZES)
def test_small_pictures(size: tuple[int, int]) -> None:
    frame, following = texture(64, 400)[: size[0], : size[1]], texture(64, 400, 1)
    flow = optical_flow(frame, following[: size[0], : size[1]])
    assert flow.shape == (*size, 2) and np.isfinite(flow).all()
    assert flow_image(flow).shape == (*size, 3)


def test_no_motion_at_all() -> None:
    frame = texture()
    assert not optical_flow(frame, frame.copy()).any()
    assert (flow_image(np.zeros((4, 5, 2), np.float32)) == 255).all()


def test_grey_frames_are_taken_as_they_are() -> None:
    first, second = texture(seed=1)[:, :, 0], texture(seed=2)[:, :, 0]
    grey = optical_flow(first, second)
    colour = optical_flow(np.dstack([first] * 3), np.dstack([second] * 3))
    assert grey.any() and np.array_equal(grey, colour)


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        (np.zeros((0, 4), np.uint8), np.zeros((0, 4), np.uint8), "frame_bgr must be"),
        (texture(), texture(96, 127), r"one size \(height, width\); got \(96, 128\) and then"),
        (texture().astype(float), texture(), "frame_bgr must be .* got float64"),
        (texture(), None, "next_bgr must be .* got a NoneType"),
    ],
)
def test_frames_that_cannot_be_compared(first: object, second: object, text: str) -> None:
    with pytest.raises(ImageError, match=text):
        optical_flow(first, second)


def test_colours_are_relative_to_the_longest_motion() -> None:
    import torch

    flow = np.random.default_rng(0).normal(size=(6, 7, 2)).astype(np.float32)
    planes = torch.from_numpy(flow.transpose(2, 0, 1).copy())
    colours = flow_image(flow)
    assert (colours.shape, colours.dtype) == ((6, 7, 3), np.uint8)
    assert np.array_equal(colours, flow_to_image(planes).numpy().transpose(1, 2, 0))
    # A power of two leaves no rounding: ten times the motion, the same colours.
    assert np.array_equal(colours, flow_image(flow * 8))
    flow[0, 0] = (80, 0)
    assert flow_image(flow)[1:].min() > 200  # all else has become pale


@pytest.mark.parametrize(
    "flow", [np.zeros((0, 3, 2)), np.zeros((3, 3)), np.full((2, 2, 2), np.nan)]
)
def test_faulty_flows(flow: np.ndarray) -> None:
    with pytest.raises(ImageError, match="a flow must"):
        flow_image(flow)


@pytest.fixture()
def video(tmp_path: Path) -> list[str]:
    """Three frames; what they show moves to the right."""
    whole = texture(60, 90)
    for number in range(3):
        write_image(tmp_path / f"{number}.png", whole[:, 20 - 3 * number : 80 - 3 * number])
    return [str(tmp_path / f"{number}.png") for number in range(3)]


def test_flow_of_records(video: list[str]) -> None:
    from sor_ppa.data.image_io import read_image

    frames = [read_image(path) for path in video]
    first = flow_image(optical_flow(frames[0], frames[1]))
    last = flow_image(optical_flow(frames[1], frames[2]))
    record = {"file_name": video[0], "next_file_name": video[1]}
    assert np.array_equal(flow_of(record), first)
    assert np.array_equal(flow_of(record, frame_rgb=frames[0][:, :, ::-1]), first)
    record = {"file_name": video[2], "previous_file_name": video[1]}
    assert np.array_equal(flow_of(record), last)
    assert not np.array_equal(first, last)
    still = flow_of({"file_name": video[0]})
    assert still.shape == (60, 60, 3) and (still == 255).all()


def test_flow_of_faulty_records(video: list[str], tmp_path: Path) -> None:
    write_image(tmp_path / "small.png", texture(10, 12))
    with pytest.raises(DataError, match=r"0.png has 60 x 60 pixels, .*small.png.* 12 x 10"):
        flow_of({"file_name": video[0], "next_file_name": str(tmp_path / "small.png")})
    with pytest.raises(ImageError, match="gone.png"):
        flow_of({"file_name": video[0], "next_file_name": str(tmp_path / "gone.png")})
    with pytest.raises(ImageError, match="pixels"):
        flow_of({"file_name": video[0]}, max_pixels=100)


def test_without_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(SaliencyError, match=r"sor_ppa\[opencv\]"):
        optical_flow(texture_without_opencv(), texture_without_opencv())


def texture_without_opencv() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
