"""Boxes of pixels: where an object is, and how much around it matters."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy.typing as npt

# uint8, 0 and 1; OpenCV's stubs know its results less exactly.
Mask = npt.NDArray[Any]


class Window(NamedTuple):
    """Rows ``top <= y < bottom`` and columns ``left <= x < right``."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def pixels(self) -> int:
        """How many pixels are in it."""
        return (self.bottom - self.top) * (self.right - self.left)

    def of(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """That part of an array (H, W); a view."""
        return array[self.top : self.bottom, self.left : self.right]

    def grown(self, pixels: int, size_hw: tuple[int, int]) -> Window:
        """The window with a margin, as far as the picture goes."""
        return Window(
            max(self.top - pixels, 0),
            min(self.bottom + pixels, size_hw[0]),
            max(self.left - pixels, 0),
            min(self.right + pixels, size_hw[1]),
        )

    def joined(self, other: Window) -> Window:
        """The smallest window around both."""
        return Window(
            min(self.top, other.top),
            max(self.bottom, other.bottom),
            min(self.left, other.left),
            max(self.right, other.right),
        )

    def common(self, other: Window) -> Window | None:
        """What lies in both; None = nothing."""
        both = Window(
            max(self.top, other.top),
            min(self.bottom, other.bottom),
            max(self.left, other.left),
            min(self.right, other.right),
        )
        return both if both.top < both.bottom and both.left < both.right else None


def box_of(mask: Mask) -> Window | None:
    """The smallest window around the non-zero pixels of a uint8 mask; None = there are none."""
    left, top, width, height = cv2.boundingRect(mask)
    return Window(top, top + height, left, left + width) if width else None
