"""The one colour of each rank, for everything that shows ranks in colour."""

from __future__ import annotations

import numpy as np

from sor_ppa.errors import ConfigError

# Points on "plasma" (van der Walt and Smith, 2015), bright to dark. The ramp falls steadily in
# lightness, so the order stays readable in grey print and with every kind of colour blindness.
_RAMP_RGB = (
    (246, 231, 38),
    (252, 166, 54),
    (225, 100, 98),
    (177, 42, 144),
    (92, 2, 165),
)
UNRANKED_RGB = (190, 190, 190)


def rank_colour(rank: int, *, num_ranks: int = 5) -> tuple[int, int, int]:
    """The RGB colour (0..255 each) of a rank: 1 brightest ... ``num_ranks`` darkest, 0 grey.

    Raises:
        ConfigError: the rank lies outside 0 ... ``num_ranks``.
    """
    if not 0 <= rank <= num_ranks:
        raise ConfigError(f"rank {rank} is outside 0 ... {num_ranks}; raise num_ranks to show it")
    if rank == 0:
        return UNRANKED_RGB
    position = (rank - 1) / max(num_ranks - 1, 1) * (len(_RAMP_RGB) - 1)
    channels = np.array(_RAMP_RGB, dtype=float).T  # (3, points)
    red, green, blue = (np.interp(position, range(len(_RAMP_RGB)), c) for c in channels)
    return round(float(red)), round(float(green)), round(float(blue))


def is_light(rgb: tuple[int, int, int]) -> bool:
    """True where black text reads better on this colour than white (ITU-R BT.601 luma > 140)."""
    red, green, blue = rgb
    return 0.299 * red + 0.587 * green + 0.114 * blue > 140
