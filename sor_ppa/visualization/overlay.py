"""Ranked objects drawn over their picture: outline, translucent fill, rank badge and score.

Drawn on detectron2's own ``Visualizer`` canvas; only what it lacks is added (badges, outlines
that follow holes, fills exact to the pixel), so its other ``draw_*`` methods mix freely with ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from detectron2.structures import Instances
from detectron2.utils.visualizer import Visualizer
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Circle, FancyBboxPatch, PathPatch
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from sor_ppa.errors import ImageError
from sor_ppa.visualization.placement import place_labels
from sor_ppa.visualization.rank_colours import is_light, rank_colour

_BOLD = FontProperties(family="DejaVu Sans", weight="bold")  # ships with matplotlib
# Below this shorter side (pixels) a picture gets fills and outlines only: no text is readable.
_SMALLEST_WITH_TEXT = 24


@dataclass(frozen=True)
class RankedObject:
    """One object to draw: ``mask`` bool (H, W), its rank (0 = none) and detection score."""

    mask: np.ndarray
    rank: int
    score: float | None


def draw_ranked_instances(
    bgr: np.ndarray,
    instances: Instances,
    *,
    show_unranked: bool = False,
    show_scores: bool = True,
    num_ranks: int | None = None,
) -> np.ndarray:
    """The picture with its ranked objects drawn over it.

    Args:
        bgr: uint8 (H, W, 3), blue first.
        instances: a model's output on any device: ``pred_masks`` bool (R, H, W), ``pred_ranks``
            int (R,), 1 = most salient, 0 = not ranked; ``scores`` (R,) if there are any.
        show_unranked: objects of rank 0 get a thin grey outline; otherwise they are left out.
        show_scores: write the score under the rank.
        num_ranks: the colours are spread over so many ranks; as many as the model knows when None.

    Returns:
        uint8 (H, W, 3), blue first; a new array, equal to ``bgr`` where nothing was drawn.

    Raises:
        ImageError: picture and instances differ in size.
    """
    if tuple(instances.image_size) != bgr.shape[:2]:
        height, width = instances.image_size
        raise ImageError(
            f"cannot draw objects of a {height} x {width} picture over one of "
            f"{bgr.shape[0]} x {bgr.shape[1]} pixels (height x width)"
        )
    objects = ranked_objects(instances, with_unranked=show_unranked)
    if not objects:
        return bgr.copy()
    ranks = num_ranks or _known_ranks(instances, objects)
    filled = fill_objects(bgr[:, :, ::-1], objects, num_ranks=ranks)
    visualizer = RankVisualizer(filled, num_ranks=ranks)
    visualizer.draw_marks(objects, show_scores=show_scores)
    return np.ascontiguousarray(visualizer.render()[:, :, ::-1])


def ranked_objects(instances: Instances, *, with_unranked: bool = False) -> list[RankedObject]:
    """The objects of an output, most salient first, unranked ones (if wanted) last.

    Objects with an empty mask are left out; in an output without ``pred_ranks`` none is ranked.
    """
    instances = instances.to("cpu")
    count = len(instances.pred_masks) if instances.has("pred_masks") else 0
    ranks = instances.pred_ranks.tolist() if instances.has("pred_ranks") else [0] * count
    scores = instances.scores.tolist() if instances.has("scores") else [None] * count
    masks = instances.pred_masks.numpy().astype(bool) if count else []  # (R, H, W)
    found = [RankedObject(m, int(r), s) for m, r, s in zip(masks, ranks, scores, strict=True)]
    kept = [i for i in found if (i.rank > 0 or with_unranked) and i.mask.any()]
    return sorted(kept, key=lambda item: item.rank if item.rank > 0 else math.inf)


def fill_objects(
    image: np.ndarray, objects: list[RankedObject], *, num_ranks: int = 5
) -> np.ndarray:
    """A copy of a picture (uint8 (H, W, 3), RGB) with its ranked objects tinted, large ones first.

    Blended here and not drawn as polygons: exact to the pixel, and an object of one pixel shows.
    """
    tinted = image.copy()
    for item in _large_first(objects):
        if item.rank == 0:
            continue
        alpha = 0.42 if item.rank == 1 else 0.36
        colour = np.array(rank_colour(item.rank, num_ranks=num_ranks), dtype=np.float32)
        pixels = tinted[item.mask].astype(np.float32)  # (P, 3)
        tinted[item.mask] = np.rint((1 - alpha) * pixels + alpha * colour).astype(np.uint8)
    return tinted


def _large_first(objects: list[RankedObject]) -> list[RankedObject]:
    return sorted(objects, key=lambda item: -int(item.mask.sum()))


def _known_ranks(instances: Instances, objects: list[RankedObject]) -> int:
    most = max(5, *(item.rank for item in objects))
    return instances.rank_scores.shape[1] if instances.has("rank_scores") else most


class RankVisualizer(Visualizer):
    """detectron2's ``Visualizer`` with the marks of a ranking added.

    Args:
        img_rgb: uint8 (H, W, 3), red first (as detectron2 wants it).
        num_ranks: the colours are spread over so many ranks.

    Sizes grow with the picture: ``unit`` is the radius of a badge in pixels, 1/33 of the
    picture's geometric mean side, within 7 ... 80 pixels and a third of the shorter side.
    """

    def __init__(self, img_rgb: np.ndarray, *, num_ranks: int = 5) -> None:
        super().__init__(img_rgb)
        self.num_ranks = num_ranks
        height, width = self.img.shape[:2]
        self.shorter_side = min(height, width)
        wanted = min(max(math.sqrt(height * width) / 33, 7.0), 80.0)
        self.unit = min(wanted, self.shorter_side / 3)

    def draw_marks(self, objects: list[RankedObject], *, show_scores: bool = True) -> None:
        """Outlines all objects (large ones first), and puts a badge on each that has a rank."""
        for item in _large_first(objects):
            self.draw_outline(item.mask, item.rank)
        if self.shorter_side >= _SMALLEST_WITH_TEXT:
            self._draw_badges([item for item in objects if item.rank > 0], show_scores=show_scores)

    def render(self) -> np.ndarray:
        """The picture with everything drawn on it, uint8 (H, W, 3), red first.

        The same as ``get_output().get_image()``, but only the marks go through matplotlib and are
        then laid over the picture: four times as fast on a large photo.
        """
        (picture,) = self.output.ax.images
        picture.set_visible(False)
        self.output.canvas.draw()
        picture.set_visible(True)
        marks = np.asarray(self.output.canvas.buffer_rgba())  # (H, W, 4), straight alpha
        drawn = marks[:, :, 3] > 0
        alpha = marks[drawn][:, 3:].astype(np.float32) / 255  # (P, 1)
        image = self.img.copy()
        blended = alpha * marks[drawn][:, :3] + (1 - alpha) * image[drawn]
        image[drawn] = np.rint(blended).astype(np.uint8)
        return image

    def colour(self, rank: int) -> tuple[float, float, float]:
        """The RGB colour of a rank in matplotlib's 0..1."""
        red, green, blue = rank_colour(rank, num_ranks=self.num_ranks)
        return red / 255, green / 255, blue / 255

    def draw_outline(self, mask: np.ndarray, rank: int) -> None:
        """Strokes the outline of a mask (bool (H, W)), its holes included, in the rank's colour."""
        path = _outline(mask)
        if path is None:
            return
        width = self.unit / 6 * (1.0 if rank > 0 else 0.5)
        # A dark casing under the colour keeps yellow readable on white and violet on black.
        self._add_path(path, edge=(0.0, 0.0, 0.0), width=width * 2.0, alpha=0.55)
        self._add_path(path, edge=self.colour(rank), width=width)

    def _draw_badges(self, objects: list[RankedObject], *, show_scores: bool) -> None:
        with_scores = show_scores and any(item.score is not None for item in objects)
        below = 2.25 if with_scores else 1.15  # radii from the badge's centre to the label's end
        places = place_labels([item.mask for item in objects], unit=self.unit, below=below)
        for item, (x, y, radius) in zip(objects, places, strict=True):
            self.draw_badge(x, y, item.rank, radius=radius)
            if show_scores and item.score is not None:
                self.draw_pill(f"{item.score:.2f}", x, y + radius * 1.65, height=radius * 1.05)

    def draw_badge(self, x: float, y: float, rank: int, *, radius: float) -> None:
        """A disc in the rank's colour with the rank written in it, centre (x, y), in pixels."""
        ring = max(radius / 8, 0.7)
        rgb = rank_colour(rank, num_ranks=self.num_ranks)
        ink = (0.05, 0.05, 0.05) if is_light(rgb) else (1.0, 1.0, 1.0)
        self.output.ax.add_artist(Circle((x, y), radius * 1.12, color=(0, 0, 0, 0.45), lw=0))
        self.output.ax.add_artist(
            Circle((x, y), radius, fc=self.colour(rank), ec="white", lw=self._points(ring))
        )
        self.write(str(rank), x, y, height=radius * (1.0 if rank < 10 else 0.8), colour=ink)

    def draw_pill(self, text: str, x: float, y: float, *, height: float) -> None:
        """White text on a dark rounded label of that height, centre (x, y), in pixels."""
        width = _text_path(text, height * 0.62).get_extents().width
        corner = (x - width / 2, y - height / 2)
        style = f"round,pad=0,rounding_size={height / 2}"
        label = FancyBboxPatch(
            (corner[0] - height * 0.3, corner[1]), width + height * 0.6, height,
            boxstyle=style, fc=(0, 0, 0, 0.65), lw=0,
        )  # fmt: skip
        self.output.ax.add_artist(label)
        self.write(text, x, y, height=height * 0.62, colour=(1.0, 1.0, 1.0))

    def write(
        self, text: str, x: float, y: float, *, height: float, colour: tuple[float, float, float],
        align: str = "centre",
    ) -> None:  # fmt: skip
        """Text whose digits are ``height`` pixels high; (x, y) is its centre (or left middle)."""
        path = _text_path(text, height)
        box = path.get_extents()
        left = x - (box.x0 + box.x1) / 2 if align == "centre" else x
        # Centred on the height of digits, so that letters with tails stay on the common line.
        path = Affine2D().translate(left, y + height / 2).transform_path(path)
        self.output.ax.add_artist(PathPatch(path, fc=colour, lw=0))

    def _points(self, pixels: float) -> float:
        return pixels * 72 / self.output.dpi

    def _add_path(
        self, path: Path, *, edge: tuple[float, float, float], width: float, alpha: float = 1.0
    ) -> None:
        patch = PathPatch(
            path, fill=False, edgecolor=(*edge, alpha), linewidth=self._points(width),
            joinstyle="round",
        )  # fmt: skip
        self.output.ax.add_artist(patch)


def _text_path(text: str, height: float) -> Path:
    # File names may hold "$", which would start a formula, and signs that the font lacks.
    text = "".join(c if ord(c) < 0x2C00 else "?" for c in text).replace("$", r"\$")
    # DejaVu's digits are 0.729 of the font size high; y grows downwards in a picture.
    path = TextPath((0, 0), text, height / 0.729, prop=_BOLD)
    return Affine2D().scale(1, -1).transform_path(path)


def _outline(mask: np.ndarray) -> Path | None:
    # The contour runs through pixel centres, hence + 0.5. Closed one by one: a hole is a part.
    contours = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)[-2]
    parts = [c.reshape(-1, 2) + 0.5 for c in contours if len(c) >= 3]
    if not parts:
        return None
    closed = [np.concatenate([p, p[:1]]) for p in parts]
    codes = [[Path.MOVETO] + [Path.LINETO] * (len(p) - 2) + [Path.CLOSEPOLY] for p in closed]
    return Path(np.concatenate(closed), np.concatenate(codes))
