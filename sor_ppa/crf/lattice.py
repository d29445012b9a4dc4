"""Fast Gaussian filtering of points in a few dimensions on the permutohedral lattice.

Adams, Baek and Davis, *Fast High-Dimensional Filtering Using the Permutohedral Lattice*,
Eurographics 2010, in the variant of Krahenbuhl and Koltun's code (NIPS 2011). The lattice is an
approximation, and what a dense CRF decides depends on it: an exact Gaussian gives other labels.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sor_ppa.errors import SaliencyError

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[Any]  # int32, or int64 where these do not reach

_FARTHEST = 2**24  # cells; beyond it float32 has no fractions left to weigh corners by
_TOO_FINE = "too many for a lattice; use larger standard deviations, or fewer pixels"


@dataclasses.dataclass(frozen=True)
class Corners:
    """The d + 1 corners of the simplex in which each of N points lies.

    Attributes:
        weights: float32 (d + 1, N) barycentric weights; corner 0 is the one whose coordinates are
            multiples of d + 1.
        codes: (d + 1, N), equal for equal corners. Corner k's d first coordinates
            ``(d + 1) m_i + k`` (the last is implied) are packed as ``k + sum_i steps[i] m_i``.
        steps: (d + 1,) what one more of each m_i adds to a code; 0 for the implied coordinate.
    """

    weights: Floats
    codes: Codes
    steps: Codes


def corners(features: npt.NDArray[np.floating]) -> Corners:
    """Where points lie in the lattice.

    Args:
        features: (d, N) in units of the kernel's standard deviation.

    Raises:
        SaliencyError: the points are spread over more corners than can be numbered.
    """
    elevated = _elevated(np.asarray(features, np.float32))
    d = len(elevated) - 1
    rounded = np.rint(elevated / np.float32(d + 1))  # half to even
    if not np.abs(rounded).max() < _FARTHEST:  # nor if it is no number
        raise SaliencyError(f"a coordinate of {np.abs(features).max()}: {_TOO_FINE}")
    residue = elevated - np.float32(d + 1) * rounded
    cells = rounded.astype(np.int32)
    rank = _ranks(residue)
    rank += cells.sum(axis=0, dtype=np.int32)
    # The rounded point may lie off the lattice's plane: brought back by the shortest way.
    shift = (rank < 0).astype(np.int32) - (rank > d)
    rank += (d + 1) * shift
    cells += shift
    residue -= np.float32(d + 1) * shift
    place = d - rank  # a permutation of 0 ... d for each point
    steps, first = _packing(cells)
    return Corners(_barycentric(residue, place), _corner_codes(first, place, steps), steps)


def _elevated(features: Floats) -> Floats:
    """(d, N) -> (d + 1, N) in the plane where the coordinates sum to 0."""
    d = len(features)
    j = np.arange(d)
    scale = np.sqrt(2 / 3) * (d + 1) / np.sqrt((j + 1) * (j + 2))
    scaled = features * scale[:, None].astype(np.float32)
    elevated = np.empty((d + 1, features.shape[1]), np.float32)
    total = np.zeros(features.shape[1], np.float32)
    for row in range(d, 0, -1):
        elevated[row] = total - np.float32(row) * scaled[row - 1]
        total += scaled[row - 1]
    elevated[0] = total
    return elevated


def _ranks(residue: Floats) -> npt.NDArray[np.int32]:
    """How many coordinates are larger; of equal ones the earlier counts as larger."""
    rank = np.zeros(residue.shape, np.int32)
    for i in range(len(residue)):
        for j in range(i + 1, len(residue)):
            less = residue[i] < residue[j]
            rank[i] += less
            rank[j] += ~less
    return rank


def _barycentric(residue: Floats, place: npt.NDArray[np.int32]) -> Floats:
    """Weights of the corners: differences of the sorted residues."""
    ordered = np.empty_like(residue)
    np.put_along_axis(ordered, place, residue / np.float32(len(residue)), axis=0)
    weights = ordered.copy()
    weights[1:] -= ordered[:-1]
    weights[0] += 1 - ordered[-1]
    return weights


def _packing(cells: npt.NDArray[np.int32]) -> tuple[Codes, Codes]:
    """Steps of the code in each coordinate, and the code of each point's corner 0.

    Corners and their neighbours reach two cells below and one above those of corner 0.
    """
    d = len(cells) - 1
    low, high = cells[:d].min(axis=1) - 2, cells[:d].max(axis=1) + 1
    sizes = [int(size) for size in (high - low + 1)]
    products = [d + 1]
    for size in sizes:
        products.append(products[-1] * size)
    if products[-1] >= 2**63:
        raise SaliencyError(f"{' x '.join(map(str, sizes))} cells: {_TOO_FINE}")
    # Half the bytes sort in less than the time.
    kind: Any = np.int32 if products[-1] < 2**31 else np.int64
    steps = np.array([*products[:-1], 0], kind)
    first = np.zeros(cells.shape[1], kind)
    for step, row, least in zip(steps, cells[:d], low, strict=False):
        first += step * (row - least).astype(kind)
    return steps, first


def _corner_codes(first: Codes, place: npt.NDArray[np.int32], steps: Codes) -> Codes:
    """Codes (d + 1, N): corner k + 1 is corner k plus one, and one cell back where place is k."""
    back = np.empty(place.shape, steps.dtype)
    np.put_along_axis(back, place, np.broadcast_to(steps[:, None], place.shape), axis=0)
    codes = np.empty(place.shape, steps.dtype)
    codes[0] = first
    for k in range(len(codes) - 1):
        codes[k + 1] = codes[k] + 1 - back[k]
    return codes


class Lattice:
    """Filters values that sit at points, any number of times.

    Args:
        features: (d, N) coordinates in units of the kernel's standard deviation, N >= 1.

    Raises:
        SaliencyError: see :func:`corners`.
    """

    def __init__(self, features: npt.NDArray[np.floating]) -> None:
        found = corners(features)
        codes, vertices = _numbered(found.codes)
        size, points = len(found.codes), found.codes.shape[1]
        starts = np.arange(0, size * points + 1, size, dtype=np.int32)
        weights, vertices = found.weights.T.ravel(), vertices.T.ravel()
        shape = (points, len(codes))
        self._slice = sparse.csr_matrix((weights, vertices, starts), shape=shape)
        # Its own matrix: rows that are read in order are faster than columns.
        self._splat = self._slice.T.tocsr()
        self._blurs = [_blur(codes, axis, found.steps) for axis in range(size)]
        self._scale = np.float32(1 / (1 + 2.0 ** (1 - size)))

    @property
    def vertices(self) -> int:
        """How many corners the points touch."""
        return self._slice.shape[1]

    def filter(self, values: Floats) -> Floats:
        """The kernel's sum over all points, at each: float32 (N,) -> float32 (N,)."""
        spread = self._splat @ values
        for blur in self._blurs:
            spread = blur @ spread
        return (self._slice @ spread) * self._scale


def _numbered(codes: Codes) -> tuple[Codes, npt.NDArray[np.int32]]:
    """Sorted distinct codes (M,), and the number among them of each of (d + 1, N)."""
    distinct, numbers = np.unique(codes, return_inverse=True)
    return distinct, numbers.reshape(codes.shape).astype(np.int32)


def _blur(codes: Codes, axis: int, steps: Codes) -> sparse.csr_matrix:
    """The matrix of V'[key] = V[key] + (V[key + a] + V[key - a]) / 2; a missing corner counts 0.

    The neighbour key + a is one further in all coordinates but ``axis``, where it is d back.
    """
    d, count = len(steps) - 1, len(codes)
    onward, last = 1 - steps[axis], steps.sum() - steps[axis] - d
    wanted = codes + np.where(codes % (d + 1) < d, onward, last).astype(codes.dtype)
    above = np.searchsorted(codes, wanted).astype(np.int32)
    above[above == count] = 0
    there = codes[above] == wanted
    here = np.arange(count, dtype=np.int32)
    # Three entries a row; a neighbour that is missing is the corner itself, with weight 0.
    columns = np.repeat(here[:, None], 3, axis=1)
    weights = np.zeros((count, 3), np.float32)
    weights[:, 1] = 1
    columns[there, 2], weights[there, 2] = above[there], 0.5
    columns[above[there], 0], weights[above[there], 0] = here[there], 0.5
    starts = np.arange(0, 3 * count + 1, 3, dtype=np.int32)
    return sparse.csr_matrix((weights.ravel(), columns.ravel(), starts), shape=(count, count))
