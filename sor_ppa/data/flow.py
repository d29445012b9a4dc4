"""Optical flow: how far every pixel of a frame moves to the next one, as numbers and as colours.

The flow comes from OpenCV (dense inverse search; Kroeger et al., ECCV 2016), without any learning.
Networks of the A2S family see it as a colour picture (:func:`flow_image`), as the benchmarks of
video saliency store it in their folders ``optical``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from sor_ppa.data.image_io import MAX_PIXELS, check_image_array, read_image
from sor_ppa.errors import DataError, ImageError, SaliencyError

__all__ = ["flow_image", "flow_of", "optical_flow"]

# OpenCV's dense inverse search crashes (not: raises) on pictures that are narrower than 16 pixels
# and gives NaN up to a few more; smaller pictures are widened to this by repeating their border.
_SMALLEST = 32


def optical_flow(frame_bgr: np.ndarray, next_bgr: np.ndarray) -> np.ndarray:
    """Motion from a frame to the next one (dense inverse search, OpenCV's "medium" preset).

    It works on grey levels. The numbers do not depend on the number of threads.

    Args:
        frame_bgr: uint8 (H, W, 3) BGR, or (H, W) grey; any size from one pixel.
        next_bgr: the same size.

    Returns:
        float32 (H, W, 2): x and y in pixels, so that what is at (x, y) in the frame is at
        (x + flow[y, x, 0], y + flow[y, x, 1]) in the next one. Equal frames give zeros.

    Raises:
        ImageError: another type or shape, or the frames differ in size.
        SaliencyError: OpenCV is not installed.
    """
    first, second = _grey(frame_bgr, "frame_bgr"), _grey(next_bgr, "next_bgr")
    if first.shape != second.shape:
        raise ImageError(
            f"frames of a video must have one size (height, width); got {first.shape} and then "
            f"{second.shape}"
        )
    height, width = first.shape
    if np.array_equal(first, second):
        return np.zeros((height, width, 2), np.float32)
    cv2 = _opencv()
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = search.calc(_widened(first), _widened(second), None)  # (max(H, 32), max(W, 32), 2)
    return np.ascontiguousarray(flow[:height, :width])


def flow_image(flow: np.ndarray) -> np.ndarray:
    """A flow as colours: the hue is the direction, the saturation the length; no motion is white.

    It is torchvision's ``flow_to_image`` (the colour wheel of Baker et al., IJCV 2011). Lengths
    are divided by the longest motion **of this very picture**: the same motion has other colours
    in another picture, and where nothing moves but the noise of the camera, the noise is coloured.

    Args:
        flow: float32 (H, W, 2), x and y.

    Returns:
        uint8 (H, W, 3) RGB.

    Raises:
        ImageError: another shape, or a value that is not finite.
    """
    from torchvision.utils import flow_to_image  # slow to import, and few need it

    if flow.ndim != 3 or flow.shape[2] != 2 or 0 in flow.shape:
        raise ImageError(f"a flow must have the shape (height, width, 2), got {flow.shape}")
    if not np.isfinite(flow).all():
        raise ImageError("a flow must be finite, got NaN or infinity")
    planes = np.ascontiguousarray(flow.transpose(2, 0, 1), dtype=np.float32)  # (2, H, W)
    colours = flow_to_image(torch.from_numpy(planes))
    return np.ascontiguousarray(colours.numpy().transpose(1, 2, 0))


def flow_of(
    record: Mapping[str, Any],
    *,
    frame_rgb: np.ndarray | None = None,
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """The flow of a frame of a video as colours, computed from the frame and its neighbour.

    Args:
        record: a dataset dict; ``next_file_name`` gives the motion to the next frame,
            ``previous_file_name`` (of the last frame of a video) that from the one before. With
            neither the picture is a video of its own and nothing moves.
        frame_rgb: ``record["file_name"]``, uint8 (H, W, 3) RGB, where it has been read already.
        max_pixels: larger pictures are refused.

    Returns:
        uint8 (H, W, 3) RGB, of the frame's size.

    Raises:
        ImageError: a frame cannot be read.
        DataError: the two frames differ in size; names both.
        SaliencyError: OpenCV is not installed.
    """
    name = record["file_name"]
    neighbour = record.get("next_file_name") or record.get("previous_file_name")
    if frame_rgb is None:
        frame_rgb = read_image(name, format="RGB", max_pixels=max_pixels)
    if not neighbour:
        return flow_image(np.zeros((*frame_rgb.shape[:2], 2), np.float32))
    frame = np.ascontiguousarray(frame_rgb[:, :, ::-1])
    other = read_image(neighbour, max_pixels=max_pixels)
    if frame.shape != other.shape:
        sizes = [f"{image.shape[1]} x {image.shape[0]}" for image in (frame, other)]
        raise DataError(
            [
                f"{name} has {sizes[0]} pixels, {neighbour}, which is beside it in the video, "
                f"{sizes[1]}: resize the frames to one size, or give each video its own folder"
            ],
            what="a video",
        )
    pair = (frame, other) if record.get("next_file_name") else (other, frame)
    return flow_image(optical_flow(*pair))


def _grey(frame: np.ndarray, name: str) -> np.ndarray:
    """uint8 (H, W) of a frame."""
    if isinstance(frame, np.ndarray) and frame.ndim == 2:
        frame = np.repeat(frame[:, :, None], 3, axis=2)
    frame = check_image_array(frame, name=name)
    cv2 = _opencv()
    return cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)


def _widened(grey: np.ndarray) -> np.ndarray:
    """The picture with its right and lower borders repeated where it is too small."""
    height, width = grey.shape
    more = (max(0, _SMALLEST - height), max(0, _SMALLEST - width))
    return np.pad(grey, ((0, more[0]), (0, more[1])), mode="edge") if any(more) else grey


def _opencv() -> Any:  # noqa: ANN401 - a module
    try:
        import cv2
    except ImportError as error:
        raise SaliencyError(
            "optical flow is computed by OpenCV, which is missing: "
            "pip install 'sor_ppa[opencv]', or give a folder of flow pictures"
        ) from error
    return cv2
