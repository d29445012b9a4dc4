"""Dense (fully connected) conditional random fields with two labels.

One function, :func:`dense_crf`, and two backends with the same results: our own on NumPy and
scipy.sparse, and pydensecrf2 where it is installed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sor_ppa.crf.compiled import compiled_mean_field, is_installed
from sor_ppa.crf.kernels import BILATERAL, SPATIAL, Kernel
from sor_ppa.crf.mean_field import scipy_mean_field
from sor_ppa.errors import ConfigError, ImageError

__all__ = ["BACKENDS", "BILATERAL", "SPATIAL", "Kernel", "choose_backend", "dense_crf"]

BACKENDS = ("auto", "compiled", "scipy")


def dense_crf(
    image_rgb: npt.NDArray[np.uint8],
    label: npt.NDArray[np.bool_],
    *,
    backend: str = "auto",
    kernels: Sequence[Kernel] = (SPATIAL, BILATERAL),
    iterations: int = 10,
    certainty: float = 0.7,
) -> npt.NDArray[np.float32]:
    """Probability that a pixel is foreground, given a first guess and the picture.

    Krahenbuhl and Koltun, NIPS 2011; the defaults are those of the pseudo labels of A2S-v2 (CVPR
    2023). A pixel's own contribution is part of its messages, as in the published code.

    Args:
        image_rgb: uint8 (H, W, 3).
        label: bool (H, W), the guess.
        backend: "scipy" = ours, "compiled" = pydensecrf2, "auto" = that if it is installed.
        kernels: pairwise terms.
        iterations: of mean field, 0 or more.
        certainty: probability that the guess is right at a pixel, between 0 and 1.

    Returns:
        float32 (H, W) in 0 ... 1; above 0.5 is foreground.

    Raises:
        ImageError: picture and guess are no such arrays, or differ in size.
        ConfigError: unknown backend, one that is not installed, or a number out of range.
    """
    if not (isinstance(certainty, float) and 0 < certainty < 1) or iterations < 0:
        raise ConfigError(
            "certainty must lie between 0 and 1 and iterations be 0 or more; "
            f"got {certainty} and {iterations}"
        )
    _check(image_rgb, label)
    compiled = choose_backend(backend) == "compiled"
    function = compiled_mean_field if compiled else scipy_mean_field
    return function(image_rgb, label, kernels=kernels, iterations=iterations, certainty=certainty)


def choose_backend(name: str) -> str:
    """What a backend's name stands for here: "compiled" or "scipy".

    Raises:
        ConfigError: an unknown name.
    """
    if name not in BACKENDS:
        raise ConfigError(f"the dense CRF has the backends {', '.join(BACKENDS)}; got {name!r}")
    if name == "auto":
        return "compiled" if is_installed() else "scipy"
    return name


def _check(image_rgb: npt.NDArray[np.uint8], label: npt.NDArray[np.bool_]) -> None:
    good = image_rgb.dtype == np.uint8 and image_rgb.shape == (*label.shape, 3)
    if not (good and label.dtype == np.bool_ and label.size):
        raise ImageError(
            "the dense CRF takes a picture uint8 (H, W, 3) and a guess bool (H, W); got "
            f"{image_rgb.dtype} {image_rgb.shape} and {label.dtype} {label.shape}"
        )
