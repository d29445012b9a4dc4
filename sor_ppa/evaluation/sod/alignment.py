"""Enhanced-alignment measure (Fan et al., IJCAI 2018)."""

from __future__ import annotations

import numpy as np

from sor_ppa.evaluation.sod.levels import Floats
from sor_ppa.evaluation.sod.thresholds import Cuts


def e_measure(cuts: Cuts, *, eps: float) -> Floats:
    """E at every threshold.

    As published it divides by N - 1: a perfect map of N pixels scores N / (N - 1).

    Args:
        cuts: counts of the pair.
        eps: what keeps the protocol's denominators from being 0.
    """
    size, positives = cuts.size, cuts.positives
    selected = cuts.tp + cuts.fp
    if positives == 0:
        return (size - selected) / (size - 1 + eps)
    if positives == size:
        return selected / (size - 1 + eps)
    mean, truth = selected / size, positives / size
    # Four kinds of pixel: (selected or not, object or not), each with one value.
    phi = np.stack((1 - mean, -mean))[:, None]  # (2, 1, T)
    psi = np.array((1 - truth, -truth))[:, None]  # (2, 1)
    aligned = phi * (2 * psi)  # (2, 2, T)
    aligned /= phi * phi + psi * psi + eps
    aligned += 1
    aligned *= aligned
    aligned *= np.array(((cuts.tp, cuts.fp), (cuts.fn, cuts.tn)))
    return aligned.sum((0, 1)) / (4 * (size - 1 + eps))
