from __future__ import annotations

import pytest

from sor_ppa.canvas.placement import Placement, fitted_hw, place


@pytest.mark.parametrize(
    ("size", "target", "cover", "expected"),
    [
        ((1, 1), (240, 320), False, (240, 240)),
        ((240, 320), (240, 320), False, (240, 320)),
        ((333, 487), (240, 320), False, (219, 320)),
        ((101, 157), (240, 320), False, (206, 320)),
        ((400, 300), (240, 320), False, (240, 180)),
        ((240, 320), (333, 487), True, (365, 487)),
        ((240, 320), (101, 157), True, (118, 157)),
        ((240, 320), (400, 300), True, (400, 533)),
        ((1, 4000), (240, 320), False, (1, 320)),  # never without a row
        ((5, 5), (2, 10), False, (2, 2)),
        ((4, 2), (5, 9), False, (5, 2)),  # 2.5 goes to the even 2
    ],
)
def test_fitted_size(
    size: tuple[int, int], target: tuple[int, int], cover: bool, expected: tuple[int, int]
) -> None:
    assert fitted_hw(size, target, cover=cover) == expected


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((240, 320), Placement(240, 320, 0, 0)),
        ((333, 487), Placement(219, 320, 10, 0)),  # 21 rows are left: 10 above, 11 below
        ((400, 300), Placement(240, 180, 0, 70)),
    ],
)
def test_in_the_middle(size: tuple[int, int], expected: Placement) -> None:
    assert place(size, (240, 320)) == expected
