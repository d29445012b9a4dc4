from __future__ import annotations

import numpy as np
import pytest

from sor_ppa.errors import SaliencyError
from sor_ppa.visualization.pyramid_sheet import pyramid_sheet


def pyramid() -> dict[str, np.ndarray]:
    maps = {f"d{k}": np.full((64 >> k, 96 >> k), v) for k, v in enumerate([900.0, 0, -900, -1])}
    return maps | {f"p{k}": np.full((64 >> k, 96 >> k), -2.0 * k) for k in range(3)}


@pytest.mark.parametrize("missing", [[], ["d0"], ["p2", "d3"], [f"d{k}" for k in range(4)]])
def test_all_maps_or_none(missing: list[str]) -> None:
    maps = {name: value for name, value in pyramid().items() if name not in missing}
    if not missing:
        assert pyramid_sheet(maps).dtype == np.uint8
        return
    with pytest.raises(SaliencyError, match=sorted(missing)[0]):
        pyramid_sheet(maps)
    with pytest.raises(SaliencyError, match="RETURN_PYRAMID"):
        pyramid_sheet({})


def test_every_map_is_on_it() -> None:
    sheet = pyramid_sheet(pyramid(), tile_height=100)
    area = 100 * 150
    grey = sheet[(sheet[:, :, 0] == sheet[:, :, 1]) & (sheet[:, :, 1] == sheet[:, :, 2])][:, 0]
    counts = np.bincount(grey, minlength=256)
    # d0 saturates white (as the paper around), d1 is 0.5, d2 black, d3 sigmoid(-1) = 0.269;
    # p1 and p2 are at their own negative extreme (black), p0 is zero (middle grey).
    assert counts[68] > 0.9 * area
    assert counts[127] > 1.8 * area
    assert counts[0] > 2.7 * area
