"""Several results side by side in one picture; the colours of ranks are explained below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from sor_ppa.visualization.overlay import RankVisualizer

_MARGIN = 14
_TITLE = 22
_LEGEND = 44
_INK = (0.15, 0.15, 0.15)


@dataclass(frozen=True)
class Tile:
    """One column of a sheet: pictures of equal size (BGR or grey, uint8), one above the other."""

    title: str
    images: tuple[np.ndarray, ...]


def thumbnail(image: np.ndarray, height: int) -> np.ndarray:
    """A BGR picture (h, w, 3) of that height; very wide or narrow ones are limited to 4:1 boxes."""
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    rows, columns = image.shape[:2]
    scale = min(height / rows, 4 * height / columns)
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))  # (width, height)
    shrinks = scale < 1
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def contact_sheet(
    tiles: Sequence[Tile],
    *,
    tile_height: int = 260,
    width: int = 1900,
    num_ranks: int = 5,
    legend: bool = True,
) -> np.ndarray:
    """Lays the tiles out in rows, left to right, and adds a legend of the ranks.

    Args:
        tiles: at least one.
        tile_height: height of each picture in pixels.
        width: widest row in pixels; a row holds at least one tile.
        num_ranks: ranks in the legend.
        legend: explain the ranks' colours below.

    Returns:
        uint8 (H, W, 3), blue first, on white.

    Raises:
        ValueError: no tiles.
    """
    if not tiles:
        raise ValueError("a contact sheet needs at least one tile")
    columns = [_column(tile, tile_height) for tile in tiles]
    rows = _rows([column.shape[1] for column in columns], width - _MARGIN)
    sheet_width = max(_row_width([columns[i].shape[1] for i in row]) for row in rows)
    if legend:
        sheet_width = max(sheet_width, _MARGIN * 2 + _legend_width(num_ranks))
    tops = _tops(rows, columns)
    below = _LEGEND if legend else 0
    sheet = np.full((tops[-1] + below, sheet_width, 3), 255, np.uint8)
    places = []
    for row, top in zip(rows, tops, strict=False):
        left = _MARGIN
        for index in row:
            column = columns[index]
            rows_of_it = np.s_[top + _TITLE : top + _TITLE + column.shape[0]]
            sheet[rows_of_it, left : left + column.shape[1]] = column
            places.append((tiles[index].title, left, top + _TITLE // 2, column.shape[1]))
            left += column.shape[1] + _MARGIN
    return _with_text(sheet, places, num_ranks if legend else 0)


def contact_sheets(
    rows: Sequence[Sequence[Tile]], *, tile_height: int = 260, width: int = 2**31
) -> np.ndarray:
    """One row of tiles below the other: uint8 (H, W, 3).

    Args:
        rows: at least one.
        tile_height: height of each picture in pixels.
        width: a row that is wider is broken into as few lines as possible.

    Raises:
        ValueError: no rows.
    """
    if not rows:
        raise ValueError("a contact sheet needs at least one row")
    strips = [contact_sheet(r, tile_height=tile_height, width=width, legend=False) for r in rows]
    widest = max(strip.shape[1] for strip in strips)
    sheet = np.full((sum(len(strip) for strip in strips), widest, 3), 255, np.uint8)
    top = 0
    for strip in strips:
        sheet[top : top + len(strip), : strip.shape[1]] = strip
        top += len(strip)
    return sheet


def _column(tile: Tile, height: int) -> np.ndarray:
    pictures = [thumbnail(image, height) for image in tile.images]
    gap = np.full((4, pictures[0].shape[1], 3), 255, np.uint8)
    parts = [pictures[0]]
    for picture in pictures[1:]:
        parts += [gap, picture]
    return np.concatenate(parts)  # (h, w, 3)


def _rows(widths: Sequence[int], limit: int) -> list[list[int]]:
    """Indices of the tiles of each row, as even as the fewest rows allow."""
    total = sum(widths) + _MARGIN * len(widths)
    target = total / math.ceil(total / limit)
    rows: list[list[int]] = [[]]
    used = 0
    for index, tile_width in enumerate(widths):
        wanted = used + tile_width + _MARGIN
        # A tile goes to the row in which its middle lies, as long as the row holds it.
        if rows[-1] and (wanted > limit or used + tile_width / 2 > target):
            rows.append([])
            wanted = tile_width + _MARGIN
        rows[-1].append(index)
        used = wanted
    return rows


def _row_width(widths: Sequence[int]) -> int:
    return sum(widths) + _MARGIN * (len(widths) + 1)


def _tops(rows: list[list[int]], columns: list[np.ndarray]) -> list[int]:
    """The y of each row, and at last the y below all of them."""
    tops = [_MARGIN // 2]
    for row in rows:
        tops.append(tops[-1] + _TITLE + max(columns[i].shape[0] for i in row) + _MARGIN)
    return tops


def _legend_width(num_ranks: int) -> int:
    return 34 * num_ranks + 260


def _with_text(
    sheet: np.ndarray, places: Sequence[tuple[str, int, int, int]], num_ranks: int
) -> np.ndarray:
    canvas = RankVisualizer(sheet[:, :, ::-1], num_ranks=max(num_ranks, 1))
    for title, left, middle, width in places:
        shown = title if len(title) * 8 <= width else "..." + title[-max(1, width // 8 - 3) :]
        canvas.write(shown, left, middle, height=9, colour=_INK, align="left")
    if num_ranks:
        _write_legend(canvas, sheet.shape[0] - _LEGEND // 2 - 4, num_ranks)
    return np.ascontiguousarray(canvas.render()[:, :, ::-1])


def _write_legend(canvas: RankVisualizer, middle: int, num_ranks: int) -> None:
    canvas.write("most salient", _MARGIN, middle, height=10, colour=_INK, align="left")
    x = _MARGIN + 120
    for rank in range(1, num_ranks + 1):
        canvas.draw_badge(x, middle, rank, radius=12)
        x += 34
    canvas.write("less salient", x - 8, middle, height=10, colour=_INK, align="left")
