"""Dense CRF with two labels by mean field, on our own lattice.

Krahenbuhl and Koltun, *Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials*,
NIPS 2011. With two labels the two marginals of a pixel are one number, D = Q_1 - Q_0, so one
vector is filtered instead of two.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from sor_ppa.crf.kernels import Kernel
from sor_ppa.crf.lattice import Floats, Lattice

# Of large pictures a lattice takes hundreds of megabytes.
_SIZES_KEPT = 2


class Pairwise:
    """A kernel over the pixels of a picture, normalised on both sides: n K (n z).

    Args:
        features: (d, N) of the pixels, in units of the kernel's standard deviations.
    """

    def __init__(self, features: npt.NDArray[np.floating]) -> None:
        self._lattice = Lattice(features)
        sums = self._lattice.filter(np.ones(features.shape[1], np.float32))
        self._norm = 1 / np.sqrt(sums + np.float32(1e-20))

    def __call__(self, values: Floats) -> Floats:
        """Float32 (N,) -> float32 (N,)."""
        return self._norm * self._lattice.filter(self._norm * values)


def scipy_mean_field(
    image_rgb: npt.NDArray[np.uint8],
    label: npt.NDArray[np.bool_],
    *,
    kernels: Sequence[Kernel],
    iterations: int,
    certainty: float,
) -> Floats:
    """Foreground marginal after some iterations of mean field.

    With u = +-ln(certainty / (1 - certainty)) for foreground and background: D = tanh(u / 2), then
    repeatedly e = u + sum_k weight_k K_k D, D = tanh(e / 2); the marginal is sigmoid(e).

    Args:
        image_rgb: uint8 (H, W, 3).
        label: bool (H, W), what is believed at first.
        kernels: of the pairwise terms.
        iterations: 0 gives the certainty back.
        certainty: probability that a label is right, between 0 and 1.

    Returns:
        float32 (H, W) in 0 ... 1.

    Raises:
        SaliencyError: a kernel is too fine for the picture.
    """
    odds = np.float32(math.log(certainty / (1 - certainty)))
    unary = np.where(label.ravel(), odds, -odds)  # (N,)
    terms = [(np.float32(k.weight), _pairwise(image_rgb, k)) for k in kernels]
    energy = unary
    for _ in range(iterations):
        belief = np.tanh(energy / 2)
        energy = sum((weight * term(belief) for weight, term in terms), start=unary)
    return expit(energy).reshape(label.shape)


def _pairwise(image_rgb: npt.NDArray[np.uint8], kernel: Kernel) -> Pairwise:
    height, width = image_rgb.shape[:2]
    if kernel.srgb is None:
        return _spatial(height, width, kernel.sxy)
    colours = image_rgb.reshape(-1, 3).T / np.float32(kernel.srgb)
    return Pairwise(np.concatenate([_positions(height, width, kernel.sxy), colours]))


@functools.lru_cache(maxsize=_SIZES_KEPT)
def _spatial(height: int, width: int, sxy: float) -> Pairwise:
    """Depends on the size only, and most pictures have the same."""
    return Pairwise(_positions(height, width, sxy))


def _positions(height: int, width: int, sxy: float) -> Floats:
    """(2, N): column and row of each pixel, row by row."""
    y, x = np.indices((height, width), np.float32)
    places: Floats = np.stack([x.ravel(), y.ravel()])
    return places / np.float32(sxy)
