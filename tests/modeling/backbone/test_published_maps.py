"""Res2Net-50 and Swin-B with the golden weights: names, shapes and maps are the reference's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from detectron2.modeling import Backbone

from sor_ppa.modeling.backbone import Res2Net50, SwinTransformer
from tests.goldens.fill import image
from tests.modeling import golden, published
from tests.modeling.plain_inspyrenet import normalise
from tests.modeling.test_plain_inspyrenet import sample

BODIES = {"res2net50": Res2Net50, "swinb": SwinTransformer}
PARAMETERS = {"res2net50": 23_669_352, "swinb": 86_880_376}
# The largest case (hr) is there for the whole network only; of rect and odd there are x1 and x5.
CASES = {"sq": 5, "rect": 2, "odd": 2, "hr": 0}


@pytest.fixture(scope="module", params=published.NAMES)
def body(request: pytest.FixtureRequest) -> tuple[str, Backbone]:
    model = BODIES[request.param]().eval()
    model.load_state_dict(published.state(request.param, "backbone."))
    return request.param, model


@pytest.mark.parametrize("name", published.NAMES)
def test_names_and_shapes(name: str) -> None:
    with torch.device("meta"):
        model = BODIES[name]()
    found = {key: list(value.shape) for key, value in model.state_dict().items()}
    assert found == published.shapes(name, "backbone.")
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("channels_last", [False, True])
@torch.inference_mode()
def test_maps(body: tuple[str, Backbone], case: str, channels_last: bool) -> None:
    name, model = body
    arrays = golden.load(f"inspyrenet_{name}.npz")
    checked = [x for x in published.MAPS.values() if f"{case}.{x}.grid" in arrays]
    assert len(checked) == CASES[case]
    if not checked or (channels_last and case != "odd"):
        return
    layout = torch.channels_last if channels_last else torch.contiguous_format
    picture = normalise(image(*arrays[f"{case}.case"])).contiguous(memory_format=layout)
    maps = {published.MAPS[key]: value for key, value in model(picture).items()}
    assert list(maps) == list(published.MAPS.values())
    for x in checked:
        want = {key: arrays[f"{case}.{x}.{key}"] for key in ("shape", "mean", "std", "grid")}
        got = maps[x]
        bar = 2e-5 * max(1.0, float(got.abs().max()))
        assert list(got.shape) == list(want["shape"])
        assert float(got.double().mean()) == pytest.approx(float(want["mean"]), abs=bar)
        assert float(got.double().std(correction=0)) == pytest.approx(float(want["std"]), abs=bar)
        assert np.abs(sample(got, want["grid"].shape) - want["grid"]).max() < bar
        assert got.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("size", [(1, 1), (32, 64), (77, 131)])
@torch.inference_mode()
def test_shapes_at_any_size(body: tuple[str, Backbone], size: tuple[int, int]) -> None:
    _, model = body
    maps = model(torch.rand(1, 3, *size))
    for name, shape in model.output_shape().items():
        sides = [-(-side // shape.stride) for side in size]
        assert maps[name].shape == (1, shape.channels, *sides)
    assert [shape.stride for shape in model.output_shape().values()] == [4, 4, 8, 16, 32]
