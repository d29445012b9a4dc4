"""Where a picture lies on a canvas that has another shape."""

from __future__ import annotations

from typing import NamedTuple


class Placement(NamedTuple):
    """A rectangle of a canvas, all in pixels.

    Attributes:
        height: of the rectangle.
        width: of the rectangle.
        top: rows above it.
        left: columns left of it.
    """

    height: int
    width: int
    top: int
    left: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, for indexing the canvas."""
        return (
            slice(self.top, self.top + self.height),
            slice(self.left, self.left + self.width),
        )


def fitted_hw(
    size_hw: tuple[int, int], target_hw: tuple[int, int], *, cover: bool = False
) -> tuple[int, int]:
    """A size of the same shape that just fits into another, or just covers it.

    Args:
        size_hw: (height, width) to scale.
        target_hw: (height, width) to fit into.
        cover: cover the target instead.

    Returns:
        (height, width), halves rounded to even, at least 1 x 1.
    """
    ratios = (target_hw[0] / size_hw[0], target_hw[1] / size_hw[1])
    ratio = max(ratios) if cover else min(ratios)
    height, width = (max(1, round(side * ratio)) for side in size_hw)
    return height, width


def place(size_hw: tuple[int, int], canvas_hw: tuple[int, int]) -> Placement:
    """A picture in the middle of a canvas, as large as it fits; an odd row goes to the bottom."""
    height, width = fitted_hw(size_hw, canvas_hw)
    return Placement(height, width, (canvas_hw[0] - height) // 2, (canvas_hw[1] - width) // 2)
