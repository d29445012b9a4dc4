"""Dense CRF with two labels by pydensecrf2, where it is installed (`sor_ppa[crf]`)."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

import numpy as np
import numpy.typing as npt

from sor_ppa.crf.kernels import Kernel
from sor_ppa.errors import ConfigError


@functools.cache
def is_installed() -> bool:
    """Whether the compiled library can be imported."""
    try:
        _library()
    except ConfigError:
        return False
    return True


def compiled_mean_field(
    image_rgb: npt.NDArray[np.uint8],
    label: npt.NDArray[np.bool_],
    *,
    kernels: Sequence[Kernel],
    iterations: int,
    certainty: float,
) -> npt.NDArray[np.float32]:
    """The same as :func:`~sor_ppa.crf.mean_field.scipy_mean_field`, from the compiled library.

    Raises:
        ConfigError: pydensecrf2 is not installed, or does not work here.
    """
    height, width = label.shape
    model = _library().DenseCRF2D(width, height, 2)
    model.setUnaryEnergy(_energies(label, certainty))
    image = np.ascontiguousarray(image_rgb)
    for kernel in kernels:
        if kernel.srgb is None:
            model.addPairwiseGaussian(sxy=kernel.sxy, compat=kernel.weight)
        else:
            model.addPairwiseBilateral(
                sxy=kernel.sxy, srgb=kernel.srgb, rgbim=image, compat=kernel.weight
            )
    marginals = np.array(model.inference(iterations))  # (2, N)
    return marginals[1].reshape(height, width)


def _energies(label: npt.NDArray[np.bool_], certainty: float) -> npt.NDArray[np.float32]:
    """-ln of the probability of background and foreground: (2, N)."""
    given, other = -math.log(certainty), -math.log(1 - certainty)
    foreground = np.where(label.ravel(), given, other)
    background = np.where(label.ravel(), other, given)
    return np.stack([background, foreground]).astype(np.float32)


def _library() -> ModuleType:
    try:
        return import_module("pydensecrf.densecrf")
    # Built against another NumPy it fails in other ways than by not being there.
    except (ImportError, ValueError) as error:
        raise ConfigError(
            f"the compiled dense CRF cannot be used ({error}): pip install 'sor_ppa[crf]' (needs a "
            "C++ compiler), or choose the crf backend 'scipy'"
        ) from error
