"""Maps that others are compared with: of people's fixations, of a centre bias; and their sizes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter1d

__all__ = ["centre_bias", "empirical_map", "fourier_map", "matlab_resize"]

_CUT_OFF = 8.0  # cycles per image
_CUBIC_A = -0.5


def empirical_map(points: np.ndarray, size_hw: tuple[int, int], sigma: float) -> np.ndarray:
    """Histogram of fixations, repetitions and all, blurred by a Gaussian.

    Equal to ``scipy.ndimage.gaussian_filter`` (reflect, truncate 4) of the histogram, but every
    point only adds the product of two lines.

    Args:
        points: int (K, 2), x and y inside the image.
        size_hw: (height, width).
        sigma: in pixels.

    Returns:
        float64 (H, W).
    """
    down, across = (_blurred_lines(length, sigma) for length in size_hw)
    return down[:, points[:, 1]] @ across[:, points[:, 0]].T


def fourier_map(
    points: np.ndarray, size_hw: tuple[int, int], *, cut_off: float = _CUT_OFF
) -> np.ndarray:
    """The MIT benchmark's map of people's fixations: a Gaussian in the Fourier domain.

    Zero-padded to a square whose side is a power of two; the amplitude falls to one half at
    ``cut_off`` cycles per image. Every fixated pixel counts once, and adds a product of two lines.

    Args:
        points: int (K, 2), x and y inside the image.
        size_hw: (height, width).
        cut_off: cycles per (padded) image.

    Returns:
        float64 (H, W), not negative.
    """
    pixels = np.unique(points, axis=0)
    side = 1 << (max(size_hw) - 1).bit_length()
    line = _fourier_line(side, cut_off)
    down, across = (
        line[(np.arange(length)[:, None] - pixels[:, axis]) % side]
        for length, axis in zip(size_hw, (1, 0))
    )
    # Rounding leaves places just below 0, of which there is no logarithm.
    return (down @ across.T).clip(min=0)


@lru_cache(maxsize=4)
def centre_bias(size_hw: tuple[int, int]) -> np.ndarray:
    """A density that only knows where the centre is: float64 (H, W), sums to 1.

    A Gaussian with a quarter of the height and of the width as its spreads; nothing is fitted.
    """
    height, width = size_hw
    y = (np.arange(height) - (height - 1) / 2) / (height / 4)
    x = (np.arange(width) - (width - 1) / 2) / (width / 4)
    bump = np.exp(-(y**2) / 2)[:, None] * np.exp(-(x**2) / 2)[None]
    density = bump / bump.sum()
    density.flags.writeable = False  # it is kept for the next image
    return density


def matlab_resize(fixation: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Matlab's ``imresize`` (bicubic, antialiasing when it shrinks) of a map (H, W): float64."""
    if fixation.shape == tuple(size_hw):
        return fixation.astype(np.float64)
    rows = _matlab_matrix(fixation.shape[0], size_hw[0])
    columns = _matlab_matrix(fixation.shape[1], size_hw[1])
    return rows @ fixation.astype(np.float64) @ columns.T


@lru_cache(maxsize=32)
def _blurred_lines(length: int, sigma: float) -> np.ndarray:
    """(length, length): column i is the line with a 1 at i, blurred."""
    return gaussian_filter1d(np.eye(length), sigma, axis=0)


@lru_cache(maxsize=8)
def _fourier_line(side: int, cut_off: float) -> np.ndarray:
    """(side,): what a point becomes along one axis, around place 0."""
    frequency = np.fft.fftfreq(side) * side
    return np.fft.ifft(np.exp(-np.log(2) * (frequency / cut_off) ** 2)).real


@lru_cache(maxsize=32)
def _matlab_matrix(length: int, new_length: int) -> np.ndarray:
    """(new_length, length): weights of the old pixels for each new one."""
    scale = new_length / length
    shrink = min(scale, 1.0)
    centre = (np.arange(new_length) + 0.5) / scale - 0.5
    reach = int(np.ceil(4 / shrink)) + 2
    first = np.floor(centre - 2 / shrink).astype(int)
    places = first[:, None] + np.arange(reach)
    weights = shrink * _cubic(shrink * (centre[:, None] - places))
    weights /= weights.sum(axis=1, keepdims=True)
    # Beyond the border the picture is mirrored, the border pixel itself repeated.
    mirrored = np.concatenate([np.arange(length), np.arange(length)[::-1]])
    places = mirrored[places % (2 * length)]
    matrix = np.zeros((new_length, length))
    np.add.at(matrix, (np.arange(new_length)[:, None], places), weights)
    return matrix


def _cubic(x: np.ndarray) -> np.ndarray:
    x = np.abs(x)
    a = _CUBIC_A
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))
