"""Ways of scoring the objects of a picture that nobody ranked, with the files they need.

The arithmetic is in :mod:`sor_ppa.data.derived.ranks`; here a rule is tied to its maps or points.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sor_ppa.data.derived.fixation_points import read_fixation_points
from sor_ppa.data.derived.ranks import fixation_scores, object_mass, prior_score
from sor_ppa.data.files import files_by_stem
from sor_ppa.data.image_io import read_grey, read_image
from sor_ppa.errors import DataError

Scorer = Callable[[str, Sequence[np.ndarray]], Sequence[float] | np.ndarray]
# A map is stretched to its picture's size if their aspect ratios agree within this share.
_ASPECT_TOLERANCE = 0.05


@dataclass(frozen=True)
class Rule:
    """How objects are scored: ``score(stem of the picture, masks)``, and the words for it."""

    text: str
    parameters: dict[str, Any]
    score: Scorer


def prior_rule(sigma: float) -> Rule:
    """Size-and-centre prior."""
    text = "sqrt(area share) * Gaussian of the centroid's distance from the picture's centre"

    def score(_: str, masks: Sequence[np.ndarray]) -> list[float]:
        return [prior_score(mask, sigma=sigma) for mask in masks]

    return Rule(text, {"sigma": sigma}, score)


def map_rule(folder: str, *, statistic: str) -> Rule:
    """Mean (saliency) or sum (fixation points) of a map inside each object."""
    files = files_by_stem(folder)
    if not files:
        raise DataError([f"{folder}: no maps found (.png, .jpg, ...)"], what=folder)

    def score(stem: str, masks: Sequence[np.ndarray]) -> list[float]:
        if stem not in files:
            raise DataError([f"{folder}: no map named {stem}.*"], what=folder)
        saliency = _fitted(read_grey(files[stem]), masks[0].shape, files[stem], statistic)
        return [object_mass(saliency, mask, statistic=statistic) for mask in masks]

    words = {
        "mean": "mean of a saliency map inside the object",
        "sum": "fixation points on the object, counted in a fixation map",
    }
    return Rule(words[statistic], {"statistic": statistic}, score)


def network_rule(
    paths: Mapping[str, str],
    predict: Callable[[np.ndarray], np.ndarray],
    *,
    statistic: str,
    name: str,
) -> Rule:
    """What a network's fixation map holds inside each object.

    Args:
        paths: picture of each stem.
        predict: picture uint8 (H, W, 3), blue first -> map (H, W).
        statistic: of :func:`~sor_ppa.data.derived.ranks.object_mass`.
        name: of the network.
    """

    def score(stem: str, masks: Sequence[np.ndarray]) -> list[float]:
        fixation = predict(read_image(paths[stem]))
        return [object_mass(fixation, mask, statistic=statistic) for mask in masks]

    text = f"{statistic} of a network's fixation map inside the object"
    return Rule(text, {"network": name, "statistic": statistic}, score)


def fixation_rule(path: str, *, zero_based: bool) -> Rule:
    """Order of first looks, averaged over observers."""
    points = read_fixation_points(path, zero_based=zero_based)

    def score(stem: str, masks: Sequence[np.ndarray]) -> np.ndarray:
        if stem not in points:
            raise DataError([f"{path}: no picture named {stem}.*"], what=path)
        return fixation_scores(points[stem], masks)

    text = "order in which observers first looked at the objects, descending scores, averaged"
    return Rule(text, {"file": Path(path).name}, score)


def _fitted(
    saliency: np.ndarray, size_hw: tuple[int, ...], name: str, statistic: str
) -> np.ndarray:
    """The map at its picture's size; points cannot be stretched, dense maps can."""
    height, width = size_hw
    if saliency.shape == (height, width):
        return (saliency > 127).astype(np.float64) if statistic == "sum" else saliency
    ratio = (saliency.shape[0] * width) / (saliency.shape[1] * height)
    if statistic == "sum" or abs(ratio - 1) > _ASPECT_TOLERANCE:
        found = f"{saliency.shape[0]} x {saliency.shape[1]}"
        raise DataError([f"{name}: map is {found}, picture {height} x {width}"], what=name)
    grown = Image.fromarray(saliency).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(grown)
