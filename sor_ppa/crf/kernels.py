"""The pairwise terms of a dense CRF."""

from __future__ import annotations

import dataclasses
import math

from sor_ppa.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Kernel:
    """A Gaussian of the distance of two pixels, in the plane alone or in plane and colour.

    Attributes:
        weight: how strongly pixels that are near want the same label (Potts).
        sxy: standard deviation in the plane, in pixels.
        srgb: standard deviation of colours, in grey levels; None = colours do not matter.

    Raises:
        ConfigError: a number that is not finite, or a standard deviation that is not positive.
    """

    weight: float
    sxy: float
    srgb: float | None = None

    def __post_init__(self) -> None:
        sizes = [self.sxy] if self.srgb is None else [self.sxy, self.srgb]
        positive = all(math.isfinite(size) and size > 0 for size in sizes)
        if not (positive and math.isfinite(self.weight)):
            raise ConfigError(f"{self}: the weight must be finite, sxy and srgb positive")


# As published for pseudo labels (A2S-v2).
SPATIAL = Kernel(weight=3, sxy=3)
BILATERAL = Kernel(weight=10, sxy=50, srgb=5)
