from __future__ import annotations

import numpy as np
import pytest

from sor_ppa.errors import ConfigError
from sor_ppa.visualization.fixation_types import (
    FIXATION_TYPES,
    draw_fixation,
    parse_fixation_type,
)

MAP = np.linspace(0, 1, 35, dtype=np.float32).reshape(5, 7)
IMAGE = np.full((5, 7, 3), 99, np.uint8)


@pytest.mark.parametrize("name", FIXATION_TYPES)
def test_every_type(name: str) -> None:
    drawn = draw_fixation(parse_fixation_type(name).kind, IMAGE, MAP)
    assert drawn.shape == ((5, 7) if name in ("map", "density") else (5, 7, 3))
    assert drawn.dtype == (np.float32 if name == "density" else np.uint8)


def test_sixteen_bits() -> None:
    assert draw_fixation("map", IMAGE, MAP, bits=16).dtype == np.uint16


@pytest.mark.parametrize("name", ["", "rgba", "Heat"])
def test_unknown(name: str) -> None:
    with pytest.raises(ConfigError, match="choose overlay, heat"):
        parse_fixation_type(name)
    with pytest.raises(ConfigError):
        draw_fixation(name, IMAGE, MAP)
