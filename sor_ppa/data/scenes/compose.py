"""Scenes composed from the objects of other pictures.

A background keeps its own small object, or loses it to inpainting; objects cut out of other
pictures are pasted over it, later ones before earlier ones. Everything random comes from the
generator that is handed in, so a scene depends on its seed alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from sor_ppa.data.scenes.cutouts import Cutout, cut_out, match_light, paste, remove_region
from sor_ppa.data.scenes.regions import salient_regions
from sor_ppa.errors import DataError

__all__ = ["Scene", "SceneSettings", "compose_scene", "fit_long_side", "plain_scene"]

# index of a source -> its picture (H, W, 3) uint8 BGR and its grey mask (H, W) uint8, or None
Loader = Callable[[int], "tuple[np.ndarray, np.ndarray] | None"]


@dataclass(frozen=True)
class SceneSettings:
    """What composed scenes look like. Fractions of areas are of the scene's or picture's area.

    Attributes:
        size: long side of a scene in pixels.
        pasted: least and most objects pasted into one scene.
        most_objects: most objects of one scene, those of the background included.
        side_range: square root of an object's area fraction, drawn log-uniformly.
        min_fraction: objects with less visible area are not kept.
        min_visible: an object of which later ones would leave less is not covered any further.
        max_overlap: most of a new object that may lie over others, as a fraction of its area.
        apart_chance: how often a place clear of the others is looked for first.
        keep_limit: a background's own objects stay when they cover at most this fraction.
        remove_limit: they can be painted over when they cover at most this fraction.
        keep_chance: how often they stay where both are possible.
        max_upscale: objects are enlarged at most by this factor.
        light: least and most strength of the match of light (see :func:`match_light`).
        tries: pictures or places that are tried before giving up.
    """

    size: int = 480
    pasted: tuple[int, int] = (1, 4)
    most_objects: int = 5
    side_range: tuple[float, float] = (0.12, 0.5)
    min_fraction: float = 0.004
    min_visible: float = 0.6
    max_overlap: float = 0.4
    apart_chance: float = 0.7
    keep_limit: float = 0.3
    remove_limit: float = 0.08
    keep_chance: float = 0.5
    max_upscale: float = 1.6
    light: tuple[float, float] = (0.1, 0.4)
    tries: int = 40


@dataclass
class Scene:
    """A composed picture.

    Attributes:
        image: (H, W, 3) uint8 BGR.
        masks: bool (H, W) each, the visible parts of its objects; disjoint.
        whole: area in pixels of each object before others covered it.
        sources: indices of the pictures it was made of, the background first.
        removed: (x, y) in fractions of the sides, where an object was painted over; else None.
    """

    image: np.ndarray
    masks: list[np.ndarray] = field(default_factory=list)
    whole: list[int] = field(default_factory=list)
    sources: list[int] = field(default_factory=list)
    removed: tuple[float, float] | None = None


def fit_long_side(size: int, height: int, width: int) -> tuple[int, int]:
    """(height, width) scaled so that the longer one is ``size``; at least one pixel each."""
    scale = size / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def plain_scene(picture: np.ndarray, grey: np.ndarray, settings: SceneSettings) -> Scene:
    """A picture (H, W, 3) as its own scene: the regions of its mask (H, W) are the objects.

    It is shrunk to ``settings.size`` where it is larger, never enlarged.
    """
    height, width = grey.shape
    if max(height, width) > settings.size:
        height, width = fit_long_side(settings.size, height, width)
        picture, grey = _resize(picture, height, width), _resize(grey, height, width)
    regions = salient_regions(grey, min_fraction=settings.min_fraction)
    return Scene(picture, regions, [int(region.sum()) for region in regions])


def compose_scene(
    load: Loader, count: int, rng: np.random.Generator, settings: SceneSettings
) -> Scene:
    """Makes one scene from ``count`` source pictures.

    Args:
        load: gives a source's picture and mask, or None for one that cannot be read.
        count: number of sources.
        rng: the only source of chance.
        settings: see :class:`SceneSettings`.

    Raises:
        DataError: no background or no object was found within the tries allowed.
    """
    for _ in range(4):
        scene = _draw_background(load, count, rng, settings)
        room = settings.most_objects - len(scene.masks)
        wanted = int(rng.integers(settings.pasted[0], settings.pasted[1] + 1))
        before = len(scene.masks)
        for _ in range(min(wanted, room)):
            _paste_one(scene, load, count, rng, settings)
        if len(scene.masks) - before >= min(settings.pasted[0], room):
            return scene
    raise DataError(
        [
            f"none of {4 * settings.tries} draws out of {count} picture(s) gave an object that fits"
            "; give more pictures, or pictures whose objects are whole (not cut by the borders)"
        ],
        what="composed scene",
    )


def _draw_background(
    load: Loader, count: int, rng: np.random.Generator, settings: SceneSettings
) -> Scene:
    """A scene of the scene's size with the background's own objects, or none."""
    for _ in range(settings.tries):
        index = int(rng.integers(count))
        loaded = load(index)
        if loaded is None:
            continue
        height, width = fit_long_side(settings.size, *loaded[1].shape)
        picture = _resize(loaded[0], height, width)
        grey = _resize(loaded[1], height, width)
        regions = salient_regions(grey, min_fraction=settings.min_fraction)
        # The area of the whole mask: what is too small for an object has to go or stay as well.
        covered = float((grey > 127).mean())
        stays = covered <= settings.keep_limit and len(regions) < settings.most_objects
        goes = covered <= settings.remove_limit
        if stays and (not goes or rng.random() < settings.keep_chance):
            return Scene(picture, regions, [int(region.sum()) for region in regions], [index])
        if goes:
            centre = _centre(grey > 127)
            return Scene(remove_region(picture, grey > 40), [], [], [index], centre)
    raise DataError(
        [
            f"none of {settings.tries} draws out of {count} picture(s) gave a background whose"
            f" objects cover at most {settings.keep_limit:.0%} of it; give more pictures"
        ],
        what="composed scene",
    )


def _centre(mask: np.ndarray) -> tuple[float, float] | None:
    """Centroid (x, y) of a mask in fractions of the sides; None for an empty one."""
    ys, xs = np.nonzero(mask)
    if not len(ys):
        return None
    return (float(xs.mean()) + 0.5) / mask.shape[1], (float(ys.mean()) + 0.5) / mask.shape[0]


def _resize(array: np.ndarray, height: int, width: int) -> np.ndarray:
    """Picture or grey mask resized without aliasing."""
    how = cv2.INTER_AREA if height < array.shape[0] else cv2.INTER_CUBIC
    return cv2.resize(array, (width, height), interpolation=how)


def _paste_one(
    scene: Scene, load: Loader, count: int, rng: np.random.Generator, settings: SceneSettings
) -> None:
    """Adds one object to the scene, or none when nothing fits within the tries allowed."""
    for _ in range(settings.tries):
        index = int(rng.integers(count))
        if index in scene.sources:
            continue
        loaded = load(index)
        cutout = None if loaded is None else _draw_cutout(*loaded, rng)
        if cutout is None:
            continue
        cutout = _rescale(cutout, scene.image.shape, rng, settings)
        if cutout is not None and _place(scene, cutout, rng, settings):
            scene.sources.append(index)
            return


def _draw_cutout(picture: np.ndarray, grey: np.ndarray, rng: np.random.Generator) -> Cutout | None:
    """One whole enough object of a picture, mirrored half of the time; None when it has none."""
    regions = salient_regions(grey, min_fraction=0.01)
    if not regions:
        return None
    cutout = cut_out(picture, grey, regions[int(rng.integers(len(regions)))])
    # Cut off on opposite sides it would have to fill the scene from side to side.
    if {"l", "r"} <= set(cutout.sides) or {"t", "b"} <= set(cutout.sides) or len(cutout.sides) > 2:
        return None
    if cutout.area < 400:
        return None
    return cutout.flipped() if rng.random() < 0.5 else cutout


def _rescale(
    cutout: Cutout, shape: tuple[int, ...], rng: np.random.Generator, settings: SceneSettings
) -> Cutout | None:
    """The object at a random size that suits the scene; None when it cannot be made to fit."""
    height, width = shape[:2]
    low, high = np.log(settings.side_range)
    side = float(np.exp(rng.uniform(low, high)))
    scale = side * float(np.sqrt(height * width / cutout.area))
    h, w = cutout.alpha.shape
    scale = min(scale, settings.max_upscale, 0.9 * height / h, 0.9 * width / w)
    if cutout.area * scale**2 < settings.min_fraction * height * width:
        return None
    return cutout.scaled(scale)


def _place(scene: Scene, cutout: Cutout, rng: np.random.Generator, settings: SceneSettings) -> bool:
    """Pastes the object where it covers no other one too much; False when there is no such place.

    Places where it hardly touches the others are looked for first, most of the time.
    """
    strength = float(rng.uniform(*settings.light))
    apart = 8 if rng.random() < settings.apart_chance else 0
    for attempt in range(16):
        left, top = _draw_place(scene, cutout, rng)
        mask = cutout.footprint(scene.image.shape, left=left, top=top)
        overlap = 0.06 if attempt < apart else settings.max_overlap
        if not _fits(scene, mask, overlap, settings):
            continue
        paste(scene.image, match_light(cutout, scene.image, strength=strength), left=left, top=top)
        scene.masks = [earlier & ~mask for earlier in scene.masks] + [mask]
        scene.whole.append(int(mask.sum()))
        return True
    return False


def _fits(scene: Scene, mask: np.ndarray, overlap: float, settings: SceneSettings) -> bool:
    """Whether a new object overlaps the others little, and leaves each of them visible enough."""
    smallest = settings.min_fraction * mask.size
    area = int(mask.sum())
    rests = [int((earlier & ~mask).sum()) for earlier in scene.masks]
    hidden = sum(int(earlier.sum()) - rest for earlier, rest in zip(scene.masks, rests))
    if area < smallest or hidden > overlap * area:
        return False
    least = max(settings.min_visible, 1.0 - overlap) if overlap < 0.1 else settings.min_visible
    return all(rest >= max(smallest, least * whole) for rest, whole in zip(rests, scene.whole))


def _draw_place(scene: Scene, cutout: Cutout, rng: np.random.Generator) -> tuple[int, int]:
    """(left, top) for an object: cut sides at the scene's sides, height much as in its picture.

    The first object goes near the place of one that was painted over, if there was one.
    """
    height, width = scene.image.shape[:2]
    h, w = cutout.alpha.shape
    left = int(rng.integers(0, max(1, width - w + 1)))
    top = int(rng.integers(0, max(1, height - h + 1)))
    if rng.random() < 0.7:
        wanted = cutout.centre[1] + rng.normal(0.0, 0.12)
        top = int(np.clip(round(wanted * height - h / 2), 0, max(0, height - h)))
    if scene.removed is not None and not scene.masks:
        x, y = scene.removed[0] + rng.normal(0.0, 0.04), scene.removed[1] + rng.normal(0.0, 0.04)
        left = int(np.clip(round(x * width - w / 2), 0, max(0, width - w)))
        top = int(np.clip(round(y * height - h / 2), 0, max(0, height - h)))
    borders = {"l": 0, "r": width - w}
    left = next((borders[side] for side in cutout.sides if side in borders), left)
    borders = {"t": 0, "b": height - h}
    top = next((borders[side] for side in cutout.sides if side in borders), top)
    return left, top
