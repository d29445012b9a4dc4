"""All metrics of one image, by the definitions of one family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from sor_ppa.density import to_density
from sor_ppa.errors import ConfigError
from sor_ppa.evaluation.gaze import areas, similarity
from sor_ppa.evaluation.gaze.maps import (
    centre_bias,
    empirical_map,
    fourier_map,
)

__all__ = ["DEFAULT_SIGMA", "FLAVOURS", "METRICS", "Others", "Rules", "choose", "score_image"]

#: Definitions: of the Tuebingen benchmark (pysaliency), and of the old MIT benchmark (Matlab).
FLAVOURS = ("tuebingen", "mit")
#: In the order of tables. IG is against the centre bias, IG-uniform against nothing known.
METRICS = (
    *("NSS", "AUC", "AUC-Judd", "AUC-Borji", "sAUC"),
    *("CC", "SIM", "KLD", "IG", "IG-uniform", "LL"),
)
# What MIT's definitions lack: there is one AUC less, and no density.
_ONLY_TUEBINGEN = ("AUC", "IG-uniform", "LL")
#: Of people's map, in pixels: about one degree of visual angle (MIT300, MIT1003).
DEFAULT_SIGMA = 24.0
_SPLITS = 100
#: Whose fixations MIT's shuffled AUC draws from.
OTHER_IMAGES = 10


@dataclass(frozen=True)
class Rules:
    """What is computed, and how.

    Attributes:
        flavour: one of :data:`FLAVOURS`.
        metrics: names out of :data:`METRICS`.
        sigma: spread in pixels of people's map; MIT's is cut off at 8 cycles per image instead.
        seed: of the random negatives (AUC-Borji; MIT's shuffled AUC), together with the image's
            place in its set.
    """

    flavour: str = "tuebingen"
    metrics: tuple[str, ...] = field(default=METRICS)
    sigma: float = DEFAULT_SIGMA
    seed: int = 0


class Others(NamedTuple):
    """What one image's shuffled AUC knows of the other images.

    Attributes:
        counts: int (H, W), their fixations (Tuebingen).
        places: (M,) flat indices of pixels of some of them (MIT).
    """

    counts: np.ndarray | None = None
    places: np.ndarray | None = None


def choose(flavour: str, metrics: Sequence[str] = ()) -> tuple[str, ...]:
    """The metrics of a flavour, or those asked for, in the order of tables.

    Raises:
        ConfigError: an unknown flavour or metric, or one that the flavour lacks.
    """
    if flavour not in FLAVOURS:
        raise ConfigError(f"fixation metrics: flavour {flavour!r}; use {' or '.join(FLAVOURS)}")
    known = [m for m in METRICS if flavour != "mit" or m not in _ONLY_TUEBINGEN]
    if unknown := sorted(set(metrics) - set(known)):
        raise ConfigError(
            f"fixation metrics ({flavour}): {', '.join(unknown)} unknown; use {', '.join(known)}"
        )
    return tuple(m for m in known if not metrics or m in metrics)


def score_image(
    fixation: np.ndarray,
    points: np.ndarray,
    rules: Rules,
    *,
    others: Others | None = None,
    place: int = 0,
    baseline: np.ndarray | None = None,
    density: np.ndarray | None = None,
) -> dict[str, float]:
    """The metrics of one map; of those a fixation, the mean over the image's fixations.

    Args:
        fixation: (H, W) any finite numbers, at the size of the image.
        points: int (K, 2), x and y, K >= 1.
        rules: what is computed.
        others: for "sAUC".
        place: of the image in its set; the random negatives depend on it.
        baseline: density (H, W) for "IG"; None = the centre bias.
        density: (H, W) of the model; None = :func:`~sor_ppa.density.to_density` of the map.

    Returns:
        number by name; NaN where a definition gives none.
    """
    fixation = np.asarray(fixation, dtype=np.float64)
    if rules.flavour == "mit":
        return _Mit(fixation, points, rules, others, place, baseline).scores()
    return _Tuebingen(fixation, points, rules, others, place, baseline, density).scores()


class _Scorer:
    """Computes each metric by the method of its name, those that share work together."""

    def __init__(
        self,
        fixation: np.ndarray,
        points: np.ndarray,
        rules: Rules,
        others: Others | None,
        place: int,
        baseline: np.ndarray | None,
        density: np.ndarray | None = None,
    ) -> None:
        self.map, self.points, self.rules = fixation, points, rules
        self.size_hw = (fixation.shape[0], fixation.shape[1])
        self.others = others or Others()
        self.rng = np.random.default_rng([rules.seed, place])
        self.baseline, self.density = baseline, density
        self.pixels_once = np.unique(points, axis=0)
        self.wanted = set(rules.metrics)

    def scores(self) -> dict[str, float]:
        """By name, in the order of the rules."""
        found = {**self._areas(), **self._likeness()}
        return {name: found[name] for name in self.rules.metrics}

    def _areas(self) -> dict[str, float]:
        raise NotImplementedError

    def _likeness(self) -> dict[str, float]:
        raise NotImplementedError

    def _borji(self, scaled: np.ndarray, splits: int = _SPLITS) -> float:
        count = len(self.pixels_once)
        drawn = areas.drawn_negatives(scaled.size, count, splits, self.rng)
        return areas.auc_borji(areas.fixated(scaled, self.pixels_once), scaled.ravel()[drawn])

    def _base(self) -> np.ndarray:
        return centre_bias(self.size_hw) if self.baseline is None else self.baseline


class _Tuebingen(_Scorer):
    """Every fixation counts, and so does every pixel."""

    def _areas(self) -> dict[str, float]:
        values = areas.fixated(self.map, self.points)
        found = {"NSS": float(similarity.normalised_scanpath(self.map, values).mean())}
        if self.wanted & {"AUC", "AUC-Judd"}:
            pixels = areas.Negatives(self.map.ravel())
            own = areas.fixated(self.map, self.pixels_once)
            found["AUC"] = float(areas.auc(values, pixels).mean())
            found["AUC-Judd"] = areas.auc_judd(values, pixels, own)
        if "AUC-Borji" in self.wanted:
            found["AUC-Borji"] = self._borji(areas.min_max(self.map))
        if "sAUC" in self.wanted:
            found["sAUC"] = self._shuffled(values)
        return found

    def _shuffled(self, values: np.ndarray) -> float:
        if self.others.counts is None:
            return float("nan")
        at = np.nonzero(self.others.counts)
        weights = self.others.counts[at].astype(np.float64)
        return float(areas.auc(values, areas.Negatives(self.map[at], weights)).mean())

    def _likeness(self) -> dict[str, float]:
        found = {}
        if self.wanted & {"CC", "SIM", "KLD"}:
            people = empirical_map(self.points, self.size_hw, self.rules.sigma)
            ours, theirs = map(similarity.as_distribution, (self.map, people))
            found["CC"] = similarity.correlation(self.map, people)
            found["SIM"] = similarity.similarity(ours, theirs)
            found["KLD"] = similarity.divergence(ours, theirs)
        if self.wanted & {"IG", "IG-uniform", "LL"}:
            density = to_density(self.map) if self.density is None else self.density
            log_p = np.log(areas.fixated(density, self.points))
            log_b = np.log(areas.fixated(self._base(), self.points))
            uniform = np.full(log_p.shape, -np.log(self.map.size))
            found["LL"] = float(log_p.mean())
            found["IG"] = float(similarity.information_gain(log_p, log_b).mean())
            found["IG-uniform"] = float(similarity.information_gain(log_p, uniform).mean())
        return found


class _Mit(_Scorer):
    """Repetitions count once; the map is brought to 0 ... 1 for what compares values."""

    def _areas(self) -> dict[str, float]:
        scaled = areas.min_max(self.map)
        values = areas.fixated(self.map, self.pixels_once)
        found = {"NSS": float(similarity.normalised_scanpath(self.map, values, ddof=1).mean())}
        if "AUC-Judd" in self.wanted:
            pixels = areas.Negatives(scaled.ravel())
            own = areas.fixated(scaled, self.pixels_once)
            found["AUC-Judd"] = areas.auc_judd_mit(own, pixels)
        if "AUC-Borji" in self.wanted:
            found["AUC-Borji"] = self._borji(scaled)
        if "sAUC" in self.wanted:
            found["sAUC"] = self._shuffled(scaled)
        return found

    def _shuffled(self, scaled: np.ndarray) -> float:
        if self.others.places is None:
            return float("nan")
        count = len(self.pixels_once)
        drawn = areas.first_of_permutations(self.others.places, count, _SPLITS, self.rng)
        return areas.auc_borji(areas.fixated(scaled, self.pixels_once), scaled.ravel()[drawn])

    def _likeness(self) -> dict[str, float]:
        found: dict[str, float] = {}
        if self.wanted & {"CC", "SIM", "KLD"}:
            people = fourier_map(self.points, self.size_hw)
            found |= mit_likeness(self.map, people)
        if "IG" in self.wanted:
            found["IG"] = mit_information_gain(self.map, self._base(), self.pixels_once)
        return found


def mit_likeness(fixation: np.ndarray, people: np.ndarray) -> dict[str, float]:
    """CC, SIM and KLD of the MIT benchmark, of a map and people's map (H, W)."""
    ours, theirs = (_share(areas.min_max(each)) for each in (fixation, people))
    return {
        "CC": similarity.correlation(fixation, people),
        "SIM": similarity.similarity(ours, theirs),
        "KLD": similarity.divergence(
            _share(fixation), _share(people), epsilon=similarity.MATLAB_EPSILON
        ),
    }


def mit_information_gain(fixation: np.ndarray, baseline: np.ndarray, pixels: np.ndarray) -> float:
    """IG of the MIT benchmark in bits: both maps scaled to 0 ... 1 and divided by their sums."""
    at_map, at_base = (
        areas.fixated(_share(areas.min_max(each)), pixels) for each in (fixation, baseline)
    )
    epsilon = similarity.MATLAB_EPSILON
    return float((np.log2(epsilon + at_map) - np.log2(epsilon + at_base)).mean())


def _share(values: np.ndarray) -> np.ndarray:
    """Divided by the sum; what lies below 0, which no picture does, is lifted first."""
    return similarity.as_distribution(values)
