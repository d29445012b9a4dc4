"""Metrics of fixation maps: pure functions on arrays.

    from sor_ppa.evaluation.fixation import score
    score(fixation, points)["NSS"]                 # map (H, W), fixations int (K, 2) of x and y
    score(fixation, points, flavour="mit")         # the old MIT benchmark's definitions

By default the definitions are those of the MIT/Tuebingen benchmark (pysaliency, Kuemmerer et al.).
Shuffled AUC needs the other images of a set: see :class:`PooledFixations` and :class:`Others`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sor_ppa.evaluation.gaze.areas import Negatives, auc, auc_borji, auc_judd, auc_judd_mit
from sor_ppa.evaluation.gaze.maps import (
    centre_bias,
    empirical_map,
    fourier_map,
    matlab_resize,
)
from sor_ppa.evaluation.gaze.pooled import PooledFixations
from sor_ppa.evaluation.gaze.scoring import (
    DEFAULT_SIGMA,
    FLAVOURS,
    METRICS,
    Others,
    Rules,
    choose,
    score_image,
)
from sor_ppa.evaluation.gaze.similarity import (
    as_distribution,
    correlation,
    divergence,
    information_gain,
    normalised_scanpath,
    similarity,
)

__all__ = [
    "DEFAULT_SIGMA",
    "FLAVOURS",
    "METRICS",
    "Negatives",
    "Others",
    "PooledFixations",
    "Rules",
    "as_distribution",
    "auc",
    "auc_borji",
    "auc_judd",
    "auc_judd_mit",
    "centre_bias",
    "choose",
    "correlation",
    "divergence",
    "empirical_map",
    "fourier_map",
    "information_gain",
    "matlab_resize",
    "normalised_scanpath",
    "score",
    "score_image",
    "similarity",
]


def score(
    fixation: np.ndarray,
    points: np.ndarray,
    *,
    flavour: str = "tuebingen",
    metrics: Sequence[str] = (),
    sigma: float = DEFAULT_SIGMA,
    seed: int = 0,
    **more: Any,
) -> dict[str, float]:
    """The metrics of one image.

    Args:
        fixation: (H, W), a map or a density.
        points: int (K, 2), x and y inside the image, repetitions and all.
        flavour: "tuebingen" or "mit".
        metrics: names out of :data:`METRICS`; () = all of the flavour.
        sigma: of people's map, in pixels.
        seed: of random negatives.
        more: further arguments of :func:`score_image`.

    Raises:
        ConfigError: unknown flavour or metric.
        ValueError: no fixation.
    """
    if len(points) == 0:
        raise ValueError("an image without fixations has no score: leave it out")
    rules = Rules(flavour, choose(flavour, metrics), sigma, seed)
    return score_image(fixation, np.asarray(points), rules, **more)
