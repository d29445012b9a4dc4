"""Objects cut out of pictures, pasted into others: soft edges, light, removal by inpainting.

Pure functions on arrays. Pictures are uint8 (H, W, 3) BGR, grey masks uint8 (H, W), regions bool
(H, W), alphas float32 (h, w) in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

__all__ = ["Cutout", "cut_out", "match_light", "paste", "remove_region", "touched_sides"]


@dataclass(frozen=True)
class Cutout:
    """An object without its surroundings.

    Attributes:
        pixels: (h, w, 3) uint8 BGR, the crop around the object.
        alpha: (h, w) float32, how much of each pixel is the object's.
        sides: letters of the picture's sides that cut the object off, out of "lrtb".
        centre: (x, y) of the object's centroid in its picture, in fractions of the sides.
    """

    pixels: np.ndarray
    alpha: np.ndarray
    sides: str
    centre: tuple[float, float]

    @property
    def area(self) -> float:
        """Area in pixels."""
        return float(self.alpha.sum())

    def flipped(self) -> Cutout:
        """The mirror image, left and right exchanged."""
        sides = self.sides.translate(str.maketrans("lr", "rl"))
        centre = (1.0 - self.centre[0], self.centre[1])
        pixels, alpha = self.pixels[:, ::-1].copy(), self.alpha[:, ::-1].copy()
        return Cutout(pixels, alpha, sides, centre)

    def scaled(self, scale: float) -> Cutout:
        """Resized by ``scale``, at least one pixel on each side."""
        height, width = self.alpha.shape
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        alpha = np.clip(cv2.resize(self.alpha, size, interpolation=how), 0.0, 1.0)
        return replace(self, pixels=cv2.resize(self.pixels, size, interpolation=how), alpha=alpha)

    def footprint(self, shape: tuple[int, ...], *, left: int, top: int) -> np.ndarray:
        """Bool mask (H, W) of the object in a picture: where more than half of a pixel is its own.

        Args:
            shape: (H, W, ...) of the picture.
            left: see :func:`paste`.
            top: see :func:`paste`.
        """
        mask = np.zeros(shape[:2], bool)
        there, here = _overlap(shape, self.alpha.shape, left, top)
        mask[there] = self.alpha[here] > 0.5
        return mask


def touched_sides(region: np.ndarray, *, min_length: float = 0.02) -> str:
    """Sides of the picture that cut a region off, out of "lrtb".

    Args:
        region: (H, W) bool.
        min_length: a side counts when the region covers more than this fraction of it.
    """
    # Two pixels deep: many annotators stop just short of the border.
    edges = {
        "l": region[:, :2].any(axis=1),
        "r": region[:, -2:].any(axis=1),
        "t": region[:2].any(axis=0),
        "b": region[-2:].any(axis=0),
    }
    return "".join(side for side, edge in edges.items() if edge.mean() > min_length)


def cut_out(picture: np.ndarray, grey: np.ndarray, region: np.ndarray) -> Cutout:
    """Cuts one region out of a picture, its edge softened and drawn in by about a pixel.

    Args:
        picture: (H, W, 3) uint8 BGR.
        grey: (H, W) uint8 saliency mask whose grey edges become soft edges.
        region: (H, W) bool, the object within the mask; not empty.
    """
    height, width = region.shape
    ys, xs = np.nonzero(region)
    top, bottom = max(0, int(ys.min()) - 3), min(height, int(ys.max()) + 4)
    left, right = max(0, int(xs.min()) - 3), min(width, int(xs.max()) + 4)
    window = (slice(top, bottom), slice(left, right))
    alpha = _soft_alpha(grey[window], region[window])
    pixels = _spread_inner_colours(picture[window], alpha)
    centre = ((float(xs.mean()) + 0.5) / width, (float(ys.mean()) + 0.5) / height)
    return Cutout(pixels, alpha, touched_sides(region), centre)


def _soft_alpha(grey: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Soft matte (h, w) of a region, its half-way line about a pixel inside the region's edge."""
    near = cv2.dilate(region.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    matte = np.where(near, grey, 0).astype(np.float32) / np.float32(255)
    # Replicated borders: where the picture's side cuts the object there is no edge to soften.
    smooth = cv2.GaussianBlur(matte, (0, 0), 0.9, borderType=cv2.BORDER_REPLICATE)
    return np.clip((smooth - 0.45) / 0.5, 0.0, 1.0)


def _spread_inner_colours(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Repaints the soft edge with the colours just inside it: no halo of the old background."""
    inner = (alpha > 0.98).astype(np.float32)
    weight = cv2.GaussianBlur(inner, (0, 0), 1.5)[..., None]
    colours = cv2.GaussianBlur(pixels.astype(np.float32) * inner[..., None], (0, 0), 1.5)
    spread = colours / np.maximum(weight, 1e-3)
    keep = (inner[..., None] > 0) | (weight < 1e-2)
    return np.where(keep, pixels, np.clip(np.rint(spread), 0, 255)).astype(np.uint8)


def match_light(cutout: Cutout, scene: np.ndarray, *, strength: float) -> Cutout:
    """Moves an object's brightness, contrast and tint a part of the way to a scene's.

    Mean and deviation in CIE Lab, after Reinhard et al., "Color transfer between images" (2001).

    Args:
        cutout: the object.
        scene: (H, W, 3) uint8 BGR, where it is going to stand.
        strength: 0 = unchanged ... 1 = the scene's mean brightness (bounded by +-30 of 255).
    """
    inside = cutout.alpha > 0.5
    if not inside.any():
        return cutout
    lab = cv2.cvtColor(cutout.pixels, cv2.COLOR_BGR2LAB).astype(np.float32)
    goal = cv2.cvtColor(scene, cv2.COLOR_BGR2LAB).reshape(-1, 3).astype(np.float32)
    mean, spread = lab[inside].mean(axis=0), lab[inside].std(axis=0)
    shift = np.clip(strength * (goal.mean(axis=0) - mean), -30.0, 30.0)
    shift[1:] = 0.5 * np.clip(shift[1:], -12.0, 12.0)  # tint moves less than light
    gain = np.ones(3, np.float32)
    gain[0] = np.clip((goal[:, 0].std() / max(1.0, spread[0])) ** (0.5 * strength), 0.8, 1.25)
    moved = np.clip(np.rint((lab - mean) * gain + mean + shift), 0, 255).astype(np.uint8)
    return replace(cutout, pixels=cv2.cvtColor(moved, cv2.COLOR_LAB2BGR))


def paste(canvas: np.ndarray, cutout: Cutout, *, left: int, top: int) -> None:
    """Blends an object into a picture, in place; parts beyond the borders are lost.

    Args:
        canvas: (H, W, 3) uint8 BGR, changed.
        cutout: the object.
        left: column of the canvas where the cut-out's first column goes; may be negative.
        top: row of the canvas where the cut-out's first row goes; may be negative.
    """
    there, here = _overlap(canvas.shape, cutout.alpha.shape, left, top)
    alpha = cutout.alpha[here][..., None]
    mixed = alpha * cutout.pixels[here] + (1.0 - alpha) * canvas[there]
    canvas[there] = np.rint(mixed).astype(np.uint8)


def _overlap(
    canvas: tuple[int, ...], crop: tuple[int, ...], left: int, top: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Windows (rows, columns) of the canvas and of the crop that fall on each other."""
    starts = (max(0, top), max(0, left))
    stops = (min(canvas[0], top + crop[0]), min(canvas[1], left + crop[1]))
    stops = (max(starts[0], stops[0]), max(starts[1], stops[1]))
    there = (slice(starts[0], stops[0]), slice(starts[1], stops[1]))
    here = (
        slice(starts[0] - top, stops[0] - top),
        slice(starts[1] - left, stops[1] - left),
    )
    return there, here


def remove_region(picture: np.ndarray, region: np.ndarray, *, side: int = 128) -> np.ndarray:
    """Paints a region over from its surroundings (Telea's inpainting on a small copy).

    The small copy keeps it quick and free of long streaks; the grain that it lacks is taken from
    the picture's mirror image.

    Args:
        picture: (H, W, 3) uint8 BGR.
        region: (H, W) bool, what has to go.
        side: long side of the small copy in pixels.
    """
    height, width = region.shape
    radius = max(2, round(0.012 * max(height, width)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    hole = cv2.dilate(region.astype(np.uint8), kernel)
    scale = min(1.0, side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    small_hole = cv2.dilate(cv2.resize(hole, size, interpolation=cv2.INTER_AREA), np.ones((3, 3)))
    filled = cv2.inpaint(small, small_hole, 3, cv2.INPAINT_TELEA)
    filled = cv2.resize(filled, (width, height), interpolation=cv2.INTER_CUBIC)
    filled = filled.astype(np.float32) + _grain(picture, hole > 0)
    soft = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), max(1.0, radius / 2))[..., None]
    soft = np.maximum(soft, region[..., None].astype(np.float32))
    return np.clip(np.rint(soft * filled + (1.0 - soft) * picture), 0, 255).astype(np.uint8)


def _grain(picture: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Fine texture (H, W, 3) of the mirrored picture, nothing where the mirror shows the hole."""
    fine = picture.astype(np.float32) - cv2.GaussianBlur(picture, (0, 0), 2.0)
    fine[cv2.dilate(hole.astype(np.uint8), np.ones((9, 9))) > 0] = 0.0
    return np.clip(fine[:, ::-1], -20.0, 20.0)
