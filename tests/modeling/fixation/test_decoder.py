from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sor_ppa.modeling.fixation.decoder import Decoder, stretched, upsampled_twice

GOLDENS = np.load(Path(__file__).parents[2] / "goldens" / "msinet.npz")


def test_enlargement_as_in_tensorflow() -> None:
    x, y = (
        torch.from_numpy(GOLDENS[f"ops/bilinear/{k}"]).permute(2, 0, 1)[None] for k in ("x", "y")
    )
    torch.testing.assert_close(upsampled_twice(x), y, atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (4, 3)])
def test_enlargement_by_neighbours(size: tuple[int, int]) -> None:
    x = torch.rand(2, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(upsampled_twice(x), slow_twice(slow_twice(x, 2), 3))


def slow_twice(x: torch.Tensor, dim: int) -> torch.Tensor:
    length = x.shape[dim]
    after = x.index_select(dim, torch.tensor([min(i + 1, length - 1) for i in range(length)]))
    pairs = torch.stack([x, (x + after) / 2], dim + 1)
    return pairs.flatten(dim, dim + 1)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([[5.0]], [[0.0]]), ([[-1.0, 1.0]], [[0.0, 1.0]]), ([[2.0, 2.0]], [[0.0, 0.0]])],
)
def test_stretching(values: list[list[float]], expected: list[list[float]]) -> None:
    found = stretched(torch.tensor(values)[None, None])
    torch.testing.assert_close(found[0, 0], torch.tensor(expected), atol=1e-6, rtol=0)


def test_each_map_is_stretched_by_itself() -> None:
    maps = torch.rand(3, 1, 5, 6, generator=torch.Generator().manual_seed(0))
    for index in range(3):
        torch.testing.assert_close(stretched(maps)[index], stretched(maps[index : index + 1])[0])


def test_decoder_enlarges_eight_times_and_starts_without_bias() -> None:
    decoder = Decoder(6, (5, 4, 3))
    assert decoder(torch.rand(2, 6, 3, 4)).shape == (2, 1, 24, 32)
    assert not any(p.any() for name, p in decoder.named_parameters() if name.endswith("bias"))
    limit = (6 / ((6 + 5) * 9)) ** 0.5
    weight = decoder.get_parameter("conv1.weight")
    assert 0.9 * limit < weight.abs().max() <= limit
