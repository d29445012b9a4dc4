"""The slow, obvious network gives the reference's numbers: the yardstick is itself measured.

Bars: the reference in float32 is within 4e-5 of its own float64 logits, so 2e-4 on logits and
2e-5 on the prediction; blending masks exact.
"""

from __future__ import annotations

import zlib

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.goldens.fill import image
from tests.modeling import golden
from tests.modeling.plain_inspyrenet import normalise, resize
from tests.modeling.plain_networks import NETWORKS, filled
from tests.modeling.plain_pyramid import (
    deconstruct,
    ellipse,
    expand,
    gaussian,
    reconstruct,
    reduce,
    transition,
)


def check(maps: dict[str, torch.Tensor], goldens: dict[str, np.ndarray], case: str) -> None:
    """Compares every tensor of a case that the goldens have a sample of."""
    prefix = f"{case}."
    names = {k[len(prefix) : -len(".mean")] for k in goldens if k.startswith(prefix)} & set(maps)
    assert {"d3", "d0", "p0", "pred"} <= names
    for name in sorted(names):
        want = {k: goldens.get(f"{prefix}{name}.{k}") for k in ("shape", "mean", "std", "grid")}
        got = maps[name]
        assert list(got.shape) == list(want["shape"]), name
        bar = 2e-4 if name[-2] in "dp" else 2e-4 * max(1.0, float(got.abs().max()))
        assert float(got.double().mean()) == pytest.approx(float(want["mean"]), abs=bar), name
        if want["std"] is not None:
            assert float(got.double().std(correction=0)) == pytest.approx(
                float(want["std"]), abs=bar
            ), name
        if want["grid"] is not None:
            assert np.abs(sample(got, want["grid"].shape) - want["grid"]).max() < bar, name
    area = F.adaptive_avg_pool2d(maps["pred"], 96)[0, 0].numpy()
    assert np.abs(area - goldens[f"{prefix}pred96"]).max() < 2e-5


def sample(x: torch.Tensor, shape: tuple[int, ...]) -> np.ndarray:
    """What the goldens keep of a map: a regular grid of four of its channels."""
    channels, h, w = x.shape[1:]
    keep = [0, 1, channels // 2, channels - 1] if channels > 4 else list(range(channels))
    rows, cols = (torch.arange(n) * size // n for n, size in zip(shape[1:], (h, w), strict=True))
    return x[0, keep][:, rows][:, :, cols].numpy()


@pytest.mark.parametrize("n", range(3))
def test_pyramid(n: int) -> None:
    goldens = golden.load("inspyrenet_ops.npz")

    def get(name: str) -> torch.Tensor:
        return torch.from_numpy(goldens[f"{n}.{name}"])[None, None]

    x = get("x")
    low, laplacian = deconstruct(x)
    results = {
        "reduce": reduce(x),
        "expand": expand(x),
        "deconstruct_low": low,
        "deconstruct_lap": laplacian,
        "reconstruct_2x": reconstruct(x, get("lap_2x")),
        "reconstruct_odd": reconstruct(x, get("lap_odd")),
    }
    for name, got in results.items():
        torch.testing.assert_close(got, get(name), rtol=0, atol=2e-6, msg=name)


def test_kernel_and_ellipses() -> None:
    goldens = golden.load("inspyrenet_ops.npz")
    assert np.array_equal(gaussian().numpy(), goldens["gauss"])
    for size in (5, 9, 17):
        assert np.array_equal(ellipse(size).numpy(), goldens[f"ellipse{size}"] > 0)


@pytest.mark.parametrize("size", [5, 9, 17])
@pytest.mark.parametrize("n", range(3))
def test_transition(n: int, size: int) -> None:
    goldens = golden.load("inspyrenet_ops.npz")
    logits = torch.from_numpy(goldens[f"{n}.logits"])[:, None]
    want = goldens[f"{n}.transition{size}"]
    assert 0 < want.mean() < 1
    assert np.array_equal(transition(logits, size)[:, 0].numpy(), want)


CASES = [
    pytest.param(name, case, marks=() if (name, case) == ("res2net50", "odd") else pytest.mark.slow)
    for name in NETWORKS
    for case in ("sq", "rect", "odd")
]


@pytest.mark.parametrize(("name", "case"), CASES)
@torch.inference_mode()
def test_one_pass(name: str, case: str) -> None:
    goldens = golden.load(f"inspyrenet_{name}.npz")
    picture = image(*goldens[f"{case}.case"])
    check(filled(name)(normalise(picture)), goldens, case)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
@torch.inference_mode()
def test_blending(name: str) -> None:
    goldens = golden.load(f"inspyrenet_{name}.npz")
    picture = image(*goldens["hr.case"])
    small = resize(picture, (384, 384))
    assert zlib.crc32(small.tobytes()) == int(goldens["hr.lr_crc32"])
    maps = filled(name).blend(normalise(small), normalise(picture))
    for source in ("lr", "hr"):
        for level in ("d3", "d2", "d1", "d0", "p2", "p1", "p0"):
            got, want = maps[f"{source}.{level}"], goldens[f"hr.{source}.{level}.grid"]
            assert np.abs(sample(got, want.shape) - want).max() < 2e-4, (source, level)
    blended = {k.replace("hr.blend.", "hr."): v for k, v in goldens.items()}
    check(maps, blended, "hr")
    for i in range(3):
        mask = F.adaptive_avg_pool2d(maps[f"t{i}"], 96)[0, 0] * 255
        assert np.array_equal(mask.round().to(torch.uint8).numpy(), goldens[f"hr.t{i}.area96"])
