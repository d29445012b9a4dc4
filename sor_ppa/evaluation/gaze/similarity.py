"""How alike a map and people's map are, and how much it says of each fixation."""

from __future__ import annotations

import math

import numpy as np

__all__ = [
    "MATLAB_EPSILON",
    "TUEBINGEN_EPSILON",
    "as_distribution",
    "correlation",
    "divergence",
    "information_gain",
    "normalised_scanpath",
    "similarity",
]

#: Kept to five digits, as published: on maps with zeros the machine's own differs by 1.5e-6.
TUEBINGEN_EPSILON = 2.2204e-16
MATLAB_EPSILON = 2.0**-52


def normalised_scanpath(fixation: np.ndarray, values: np.ndarray, *, ddof: int = 0) -> np.ndarray:
    """NSS of each fixation: (S - mean S) / std S (Peters et al., Vision Research 2005).

    Args:
        fixation: (H, W) the map S.
        values: (K,) of it, at the fixations.
        ddof: 0 = deviation of a population, 1 = of a sample (MIT).

    Returns:
        (K,); zeros for a constant map.
    """
    centred = values - fixation.mean()
    if fixation.min() == fixation.max():
        return np.zeros_like(centred)
    return centred / fixation.std(ddof=ddof)


def correlation(fixation: np.ndarray, empirical: np.ndarray) -> float:
    """CC: Pearson's correlation of two maps (H, W).

    0 if only the prediction is constant, NaN if people's map is.
    """
    if empirical.min() == empirical.max():
        return float("nan")
    if fixation.min() == fixation.max():
        return 0.0
    first, second = (np.ravel(each - each.mean()) for each in (fixation, empirical))
    # Not by BLAS, whose last bits depend on the number of threads.
    both, one, other = (
        float(np.einsum("i,i", *pair))
        for pair in ((first, second), (first, first), (second, second))
    )
    return both / math.sqrt(one * other)


def as_distribution(fixation: np.ndarray) -> np.ndarray:
    """A map (H, W) that sums to 1: less its minimum if that is negative; of zeros: uniform."""
    low = fixation.min()
    raised = fixation - low if low < 0 else fixation
    total = raised.sum()
    return raised / total if total > 0 else np.full(fixation.shape, 1 / fixation.size)


def similarity(first: np.ndarray, second: np.ndarray) -> float:
    """SIM: what two distributions (H, W) have in common, the sum of their minima."""
    return float(np.minimum(first, second).sum())


def divergence(
    prediction: np.ndarray, empirical: np.ndarray, *, epsilon: float = TUEBINGEN_EPSILON
) -> float:
    """KLD: sum of E ln(e + E / (S + e)) of two distributions (H, W), in nats."""
    return float((empirical * np.log(epsilon + empirical / (prediction + epsilon))).sum())


def information_gain(log_density: np.ndarray, log_baseline: np.ndarray) -> np.ndarray:
    """IG of each fixation in bits: (ln p - ln b) / ln 2 (Kuemmerer et al., PNAS 2015).

    Args:
        log_density: (K,) natural logarithm of the model's density at the fixations.
        log_baseline: (K,) of the baseline's.
    """
    return (log_density - log_baseline) / np.log(2)
