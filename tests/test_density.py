from __future__ import annotations

import numpy as np
import pytest
import torch

from sor_ppa.density import to_density


@pytest.mark.parametrize(
    ("fixation", "expected"),
    [
        ([[0.0]], [[1.0]]),
        ([[3.0, 3.0]], [[0.5, 0.5]]),
        ([[0.0, 0.0], [0.0, 0.0]], [[0.25, 0.25], [0.25, 0.25]]),
        ([[0.0, 1.0]], [[1e-6 / (1 + 2e-6), (1 + 1e-6) / (1 + 2e-6)]]),
        ([[-1.0, 0.0]], [[1e-6 / (1 + 2e-6), (1 + 1e-6) / (1 + 2e-6)]]),
    ],
)
def test_small_maps(fixation: list[list[float]], expected: list[list[float]]) -> None:
    found = to_density(np.array(fixation))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_tensors_agree_with_arrays() -> None:
    fixation = torch.rand(30, 40, generator=torch.Generator().manual_seed(0))
    found = to_density(fixation)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, to_density(fixation.numpy()), rtol=1e-6)
    assert float(found.double().sum()) == pytest.approx(1, abs=1e-6)


def test_whole_numbers_are_taken_too() -> None:
    np.testing.assert_allclose(to_density(np.array([[0, 255]], np.uint8)).sum(), 1)
