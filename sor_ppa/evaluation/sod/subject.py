"""A prediction and its mask: checked, and prepared as a protocol wants them."""

from __future__ import annotations

import functools
import logging
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from sor_ppa.data.mask_io import mask_values
from sor_ppa.evaluation.sod.levels import FLOAT32_GREYS, stretched, stretched_integers
from sor_ppa.evaluation.sod.pair import Pair
from sor_ppa.evaluation.sod.protocols import DenseProtocol
from sor_ppa.evaluation.sod.thresholds import Cuts
from sor_ppa.evaluation.sod.weighted import WeightedErrors, weighted_errors
from sor_ppa.evaluation.sod.windows import Mask

logger = logging.getLogger(__name__)

Array = npt.NDArray[Any]

_MASK_THRESHOLD = 128


class Subject:
    """A prediction and a mask as they came; prepares them for each protocol, and once only."""

    def __init__(
        self,
        prediction: Array,
        mask: Array,
        *,
        normalize: bool = True,
        rounded: Array | None = None,
    ) -> None:
        """Checks what it is given.

        Args:
            prediction: uint8 (H, W); without ``normalize`` floating point (H, W) in [0, 1].
            mask: uint8 (H, W); without ``normalize`` bool (H, W).
            normalize: threshold the mask and stretch the prediction as the protocol does.
            rounded: the prediction comes straight from a network, and this is it rounded to 8 bits,
                uint8 (H, W), for the protocols that score such maps without stretching them.

        Raises:
            ValueError: not of that form, of different shapes, or without a pixel.
            TypeError: without ``normalize``: the mask is not bool.
        """
        _check_shapes(prediction, mask)
        (_check_integers if normalize else _check_floats)(prediction, mask)
        if rounded is not None:
            _check_shapes(rounded, mask)
            _check_integers(rounded, mask)
        self._prediction, self._mask, self._normalize = prediction, mask, normalize
        self._rounded = rounded
        self._pairs: dict[tuple[bool, ...], PreparedPair] = {}
        if mask.size < 4:
            logger.warning(
                "a map of %d pixels: the E-measure divides by that number less 1", mask.size
            )

    def prepared(self, protocol: DenseProtocol) -> PreparedPair:
        """Mask and prediction as the protocol sees them."""
        key = (protocol.own_half, protocol.integer_stretch, self._is_plain(protocol))
        if key not in self._pairs:
            self._pairs[key] = PreparedPair(self._pair(protocol))
        return self._pairs[key]

    @functools.cached_property
    def binary(self) -> tuple[Mask, Mask]:
        """(prediction, mask) above 128, neither of them stretched; uint8 (H, W), 0 and 1."""
        if self._normalize:
            return _above(self._prediction), _above(self._mask)
        grey = (self._prediction.astype(np.float64) * 255).astype(np.uint8)
        return _above(grey), self._mask.astype(np.uint8)

    def _is_plain(self, protocol: DenseProtocol) -> bool:
        return protocol.plain_in_loop and self._rounded is not None

    def _pair(self, protocol: DenseProtocol) -> Pair:
        if self._is_plain(protocol):
            mask = (mask_values(self._mask, "minmax") > 0.5).view(np.uint8)
            return Pair(np.ascontiguousarray(self._rounded), mask, FLOAT32_GREYS)
        if not self._normalize:
            values, codes = np.unique(self._prediction, return_inverse=True)
            codes = codes.reshape(self._prediction.shape)
            return Pair(codes, self._mask.astype(np.uint8), values.astype(np.float64))
        table = stretched_integers if protocol.integer_stretch else stretched
        mask = _above_half(self._mask) if protocol.own_half else _above(self._mask)
        return Pair(np.ascontiguousarray(self._prediction), mask, table)


class PreparedPair:
    """A pair with what several metrics share, computed when first asked for."""

    def __init__(self, pair: Pair) -> None:
        """Wraps a pair."""
        self.pair = pair
        self._cuts: dict[int, Cuts] = {}

    def cuts(self, levels: int) -> Cuts:
        """Counts at every threshold."""
        if levels not in self._cuts:
            self._cuts[levels] = Cuts(self.pair, levels)
        return self._cuts[levels]

    @functools.cached_property
    def weighted(self) -> WeightedErrors:
        """Sums of the weighted F-measure."""
        return weighted_errors(self.pair)


def _check_shapes(prediction: Array, mask: Array) -> None:
    if prediction.ndim != 2 or prediction.shape != mask.shape or not prediction.size:
        raise ValueError(
            "prediction and mask must be of one shape (H, W), not empty; got "
            f"{prediction.shape} and {mask.shape}. Resize the prediction before it becomes 8-bit"
        )


def _check_integers(prediction: Array, mask: Array) -> None:
    if prediction.dtype != np.uint8 or mask.dtype != np.uint8:
        raise ValueError(
            f"prediction and mask must be uint8, got {prediction.dtype} and {mask.dtype}; "
            "maps in [0, 1] with a bool mask need normalize=False"
        )


def _check_floats(prediction: Array, mask: Array) -> None:
    if mask.dtype != np.bool_:
        raise TypeError(f"with normalize=False the mask must be bool, got {mask.dtype}")
    if not np.issubdtype(prediction.dtype, np.floating):
        raise ValueError(
            f"with normalize=False the prediction must be floating point, got {prediction.dtype}"
        )
    lowest, highest = prediction.min(), prediction.max()
    if not (lowest >= 0 and highest <= 1):  # also refuses NaN
        raise ValueError(
            f"with normalize=False the prediction must lie in [0, 1], got {lowest} ... {highest}"
        )


def _above(grey: Array) -> Mask:
    return cv2.threshold(grey, _MASK_THRESHOLD, 1, cv2.THRESH_BINARY)[1]


def _above_half(grey: Array) -> Mask:
    return (grey / (float(grey.max()) + 1e-8) > 0.5).view(np.uint8)
