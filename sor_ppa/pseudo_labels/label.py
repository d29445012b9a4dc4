"""From a predicted saliency map to the mask that the next network learns from.

Zhou et al., *Texture-guided Saliency Distilling for Unsupervised Salient Object Detection*, CVPR
2023: Otsu's threshold, a dense CRF, a median filter. Each step gives the published bits.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np
import numpy.typing as npt

from sor_ppa.crf import choose_backend, dense_crf
from sor_ppa.errors import ConfigError, ImageError

Grey = npt.NDArray[np.uint8]

_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)
_MEDIAN = 7  # pixels


def pseudo_label(
    probability: npt.NDArray[np.float32],
    image_rgb: Grey,
    size_hw: tuple[int, int],
    crf: str = "auto",
) -> Grey:
    """The label of a picture, 0 or 255.

    Args:
        probability: float32 (h, w) in 0 ... 1, at the network's own input size.
        image_rgb: uint8 (h, w, 3), the network's input.
        size_hw: (H, W) of the label: those of the picture before it was resized for the network.
        crf: backend of :func:`~sor_ppa.crf.dense_crf`, or "none": the thresholded map is smoothed
            by the median only.

    Returns:
        uint8 (H, W).

    Raises:
        ImageError: the map is no such array, holds NaN or infinity, or differs from the picture
            in size.
        ConfigError: an unknown backend, or one that is not installed.
    """
    label = otsu(to_levels(probability))
    if choose_crf(crf) != "none":
        label = dense_crf(lowered_rgb(image_rgb), label, backend=crf) > 0.5
    return 255 * resized_label(median(label), size_hw)


def choose_crf(name: str) -> str:
    """What PSEUDO_LABELS.CRF stands for here: "compiled", "scipy" or "none".

    Raises:
        ConfigError: an unknown name.
    """
    try:
        return name if name == "none" else choose_backend(name)
    except ConfigError as error:
        raise ConfigError(f"PSEUDO_LABELS.CRF: {error}; or none") from error


def to_levels(probability: npt.NDArray[np.float32]) -> Grey:
    """A map in 0 ... 1 as grey levels, floor(255 p): uint8 (h, w).

    Raises:
        ImageError: not such a map.
    """
    if probability.ndim != 2 or not probability.size:
        raise ImageError(f"a saliency map is an array (h, w), got {probability.shape}")
    scaled = probability * np.float32(255)
    if not ((scaled >= 0) & (scaled <= 255)).all():  # nor if it is no number
        low, high = probability.min(), probability.max()
        raise ImageError(f"a saliency map must lie in 0 ... 1, got {low} ... {high}")
    return scaled.astype(np.uint8)


def otsu(levels: Grey) -> npt.NDArray[np.bool_]:
    """What lies above Otsu's threshold: bool (h, w); all where there is one level only, but 0."""
    threshold, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return levels > threshold


def lowered_rgb(image_rgb: Grey) -> Grey:
    """A picture after normalising for the network and back, as published: truncated.

    Rounding makes about 5 % of the values of a usual picture one lower. On hard pictures the CRF
    moves a great deal with one level of grey, so this is part of the labels.

    Args:
        image_rgb: uint8 (h, w, 3).
    """
    return _lowered_levels()[image_rgb, np.arange(3)]


@functools.cache
def _lowered_levels() -> Grey:
    """What becomes of each grey level in each channel: uint8 (256, 3)."""
    mean, std = np.array(_MEAN), np.array(_STD)
    unit = np.arange(256, dtype=np.float32)[:, None] / np.float32(255)
    # The network's input is float32, made out of float64; back it goes in float64.
    normalised = ((unit.astype(np.float64) - mean) / std).astype(np.float32)
    back = (normalised.astype(np.float64) * std + mean) * 255
    return np.maximum(back, 0).astype(np.uint8)  # 0 becomes a little less


def median(label: npt.NDArray[np.bool_]) -> Grey:
    """The majority in 7 x 7 pixels, the border repeated: bool (h, w) -> uint8 0 / 1 (h, w)."""
    return np.asarray(cv2.medianBlur(label.astype(np.uint8), _MEDIAN), np.uint8)


def resized_label(label: Grey, size_hw: tuple[int, int]) -> Grey:
    """A label at another size: uint8 0 / 1 (h, w) -> 0 / 1 (H, W), bilinear and rounded."""
    height, width = size_hw
    resized = cv2.resize(label, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, np.uint8)
