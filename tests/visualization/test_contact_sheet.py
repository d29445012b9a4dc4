from __future__ import annotations

import numpy as np
import pytest

from sor_ppa.visualization.contact_sheet import (
    Tile,
    _rows,
    contact_sheet,
    contact_sheets,
    thumbnail,
)


def plain(height: int, width: int, level: int = 80) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def test_needs_a_tile() -> None:
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([])


@pytest.mark.parametrize(
    ("size", "expected"),
    [((100, 200), (50, 100)), ((10, 10), (50, 50)), ((1, 1), (50, 50)), ((900, 1), (50, 1)),
     ((1, 900), (1, 200)), ((10, 4000), (1, 200))],
)  # fmt: skip
def test_thumbnail(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert thumbnail(plain(*size), 50).shape == (*expected, 3)
    assert thumbnail(plain(*size)[:, :, 0], 50).shape == (*expected, 3)


@pytest.mark.parametrize("count", [1, 2, 5, 12])
def test_every_picture_is_on_it(count: int) -> None:
    tiles = [
        Tile(
            f"{k}.jpg",
            (plain(40 + k, 70 - k, 10 * k + 5), np.full((40 + k, 70 - k), 128, np.uint8)),
        )
        for k in range(count)
    ]
    sheet = contact_sheet(tiles, tile_height=60, width=500)
    assert sheet.dtype == np.uint8 and sheet.shape[1] <= 500
    for k in range(count):
        assert (sheet == 10 * k + 5).all(axis=2).sum() > 0.8 * 60 * 60
    assert (sheet == 128).all(axis=2).sum() > 0.8 * 60 * 60 * count


def test_extreme_pictures() -> None:
    sizes = [(1, 1), (1, 500), (500, 1), (3000, 2)]
    sheet = contact_sheet([Tile("a" * 300, (plain(*size),)) for size in sizes])
    assert sheet.ndim == 3


@pytest.mark.parametrize(
    ("widths", "limit", "rows"),
    [
        ([100], 50, [[0]]),
        ([100, 100, 100], 400, [[0, 1, 2]]),
        ([100] * 4, 386, [[0, 1], [2, 3]]),  # three would fit, but 3 + 1 looks torn
        ([500, 10, 10], 200, [[0], [1, 2]]),
        ([10, 10, 500], 200, [[0, 1], [2]]),
    ],
)
def test_rows_are_even(widths: list[int], limit: int, rows: list[list[int]]) -> None:
    assert _rows(widths, limit) == rows


def test_without_legend_only_pictures_and_titles() -> None:
    tiles = [Tile("a", (plain(60, 60),))]
    with_legend = contact_sheet(tiles, tile_height=60)
    without = contact_sheet(tiles, tile_height=60, legend=False)
    assert without.shape[0] < with_legend.shape[0] and without.shape[1] < with_legend.shape[1]
    assert (without == 80).all(axis=2).sum() == 60 * 60


@pytest.mark.parametrize("counts", [[1], [3, 1], [20, 20, 20]])
def test_one_row_a_picture(counts: list[int]) -> None:
    rows = [
        [Tile(f"{r}.{k}", (plain(50, 70, 5 * r + 3),)) for k in range(n)]
        for r, n in enumerate(counts)
    ]
    sheet = contact_sheets(rows, tile_height=50)
    for r, n in enumerate(counts):
        places = np.flatnonzero((sheet == 5 * r + 3).all(axis=2).any(axis=1))
        assert places[-1] - places[0] + 1 == 50  # all of a row at one height
        assert (sheet == 5 * r + 3).all(axis=2).sum() == n * 50 * 70


def test_no_rows() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        contact_sheets([])


@pytest.mark.parametrize(("width", "lines"), [(10_000, 1), (700, 2), (10, 6)])
def test_wide_rows_are_broken(width: int, lines: int) -> None:
    tiles = [Tile("t", (np.zeros((50, 100, 3), np.uint8),))] * 6
    one = contact_sheets([tiles[:1]], tile_height=100)
    sheet = contact_sheets([tiles], tile_height=100, width=width)
    assert len(sheet) == pytest.approx(lines * len(one), abs=10 * lines)
    assert sheet.shape[1] <= max(width, one.shape[1])
