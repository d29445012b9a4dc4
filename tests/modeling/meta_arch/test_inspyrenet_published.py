"""Published files through the shipped configs and the Predictor: the reference's maps come out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from detectron2.config import CfgNode

from sor_ppa import model_zoo
from sor_ppa.engine import Predictor
from sor_ppa.modeling.pyramid import resize, transition
from tests.goldens.fill import image
from tests.modeling import golden, published
from tests.modeling.test_plain_inspyrenet import sample

LEVELS = ("d3", "d2", "d1", "d0", "p2", "p1", "p0")


@pytest.fixture(scope="module", params=published.NAMES)
def predictor(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Predictor]:
    """The network of a config with the weights of a published-format file (read through it)."""
    path = tmp_path_factory.mktemp(request.param) / "published.pth"
    torch.save(published.state(request.param), path)
    cfg = _config(request.param)
    cfg.MODEL.WEIGHTS = str(path)
    built = Predictor(cfg)
    path.unlink()
    return request.param, built


def _config(name: str) -> CfgNode:
    cfg = model_zoo.get_config(f"inspyrenet/{name}.yaml")
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.INSPYRENET.RETURN_PYRAMID = True
    return cfg


def _check(output: dict, arrays: dict[str, np.ndarray], case: str, pyramid: str = "") -> None:
    for level in LEVELS:
        want = arrays[f"{pyramid or case}.{level}.grid"]
        got = output["pyramid"][level][None, None]
        assert list(got.shape) == list(arrays[f"{pyramid or case}.{level}.shape"])
        assert np.abs(sample(got, want.shape) - want).max() < 2e-4, level
    saliency = output["saliency"][None, None]
    assert list(saliency.shape) == list(arrays[f"{case}.pred.shape"])
    assert np.abs(_area(saliency) - arrays[f"{case}.pred96"]).max() < 2e-5


def test_one_look_as_configured(predictor: tuple[str, Predictor]) -> None:
    name, predict = predictor
    arrays = golden.load(f"inspyrenet_{name}.npz")
    bgr = np.ascontiguousarray(image(*arrays["sq.case"])[:, :, ::-1])
    _check(predict(bgr), arrays, "sq")


@pytest.mark.parametrize("case", ["odd", pytest.param("rect", marks=pytest.mark.slow)])
@torch.inference_mode()
def test_direct_pass_at_its_own_size(predictor: tuple[str, Predictor], case: str) -> None:
    name, predict = predictor
    arrays = golden.load(f"inspyrenet_{name}.npz")
    picture = torch.from_numpy(image(*arrays[f"{case}.case"]).transpose(2, 0, 1).copy())
    size = arrays[f"{case}.pred.shape"][-2:].tolist()  # the reference's own, before any resizing
    item = {"image": picture, "height": size[0], "width": size[1]}
    _check(predict.model([item])[0], arrays, case)


@pytest.mark.slow
def test_blending(predictor: tuple[str, Predictor]) -> None:
    name, predict = predictor
    arrays = golden.load(f"inspyrenet_{name}.npz")
    picture = image(*arrays["hr.case"])
    cfg = _config(name)
    cfg.INPUT.DENSE.TEST_RESIZE, cfg.INPUT.DENSE.BLEND_ABOVE = "dynamic", 512  # Swin-B's rule
    blending = Predictor(cfg, model=predict.model)
    low = blending.prepare(np.ascontiguousarray(picture[:, :, ::-1]))["image_lr"]
    assert np.array_equal(low.permute(1, 2, 0)[::16, ::16].numpy(), arrays["hr.lr_grid"])
    output = blending(np.ascontiguousarray(picture[:, :, ::-1]))
    _check(output, arrays, "hr", pyramid="hr.blend")
    for mask, coarse, fine, size in (
        ("t2", "d3", "p2", 5),
        ("t1", "d2", "p1", 9),
        ("t0", "d1", "p0", 17),
    ):
        found = transition(output["pyramid"][coarse][None, None], size)
        found = resize(found, output["pyramid"][fine].shape)
        np.testing.assert_array_equal(_area(found * 255).round(), arrays[f"hr.{mask}.area96"])
    prepared = blending.prepare(np.ascontiguousarray(picture[:, :, ::-1]))
    with torch.inference_mode():
        direct = predict.model([{"image": prepared["image"]}])[0]["pyramid"]["d0"]
    change = _area(direct.sigmoid()) - _area(output["pyramid"]["d0"].sigmoid())
    assert np.abs(change).mean() == pytest.approx(
        float(arrays["hr.noblend_pred96_absdiff"]), abs=1e-5
    )


def _area(x: torch.Tensor) -> np.ndarray:
    """(96, 96) means of a map."""
    return F.adaptive_avg_pool2d(x.reshape(1, 1, *x.shape[-2:]), 96)[0, 0].numpy()
