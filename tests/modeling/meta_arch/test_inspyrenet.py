"""InSPyReNet on a light backbone: inputs, outputs, blending; a published training step."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from detectron2.config import CfgNode
from detectron2.modeling import build_model
from torch import Tensor, nn

import sor_ppa.modeling  # noqa: F401  registers the networks
from sor_ppa import get_cfg
from sor_ppa.errors import DataError
from sor_ppa.modeling.pyramid import blend
from tests.goldens.fill import fill, image
from tests.modeling import golden


def _config(**options: Any) -> CfgNode:
    cfg = get_cfg()
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.META_ARCHITECTURE = "InSPyReNet"
    cfg.MODEL.BACKBONE.NAME = "build_mnv2_backbone"
    cfg.MODEL.INSPYRENET.DEPTHS = (8, 8, 16, 16)
    cfg.MODEL.INSPYRENET.CONTEXT_KERNELS = ((), (), (3,), (3,), (3,))
    cfg.MODEL.INSPYRENET.BASE_SIZE = (64, 64)
    cfg.merge_from_list([item for pair in options.items() for item in pair])
    return cfg


def _build(**options: Any) -> nn.Module:
    """A random network whose norms have seen two pictures, so that its maps are not saturated."""
    torch.manual_seed(0)
    model = build_model(_config(**options)).train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model.pyramid(model.preprocess([_input(64, 64, i)["image"] for i in range(2)]))
    return model.eval()


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return _build()


def _input(height: int, width: int, seed: int = 0, **more: Any) -> dict[str, Any]:
    picture = torch.from_numpy(image(seed, height, width).transpose(2, 0, 1).copy())
    return {"image": picture, "height": height, "width": width, **more}


@torch.inference_mode()
def test_no_pictures(model: nn.Module) -> None:
    assert model([]) == []


@pytest.mark.parametrize("size", [(32, 32), (64, 96), (36, 60), (127, 61)])
@torch.inference_mode()
def test_map_has_the_pictures_size(model: nn.Module, size: tuple[int, int]) -> None:
    for item in (_input(*size), _input(*size) | {"height": 331, "width": 17}):
        saliency = model([item])[0]["saliency"]
        assert saliency.shape == (item["height"], item["width"])
        assert saliency.dtype == torch.float32
        assert saliency.min() >= 0
        assert saliency.max() <= 1


@torch.inference_mode()
def test_company_does_not_matter(model: nn.Module) -> None:
    items = [_input(64, 64), _input(96, 64, 1), _input(64, 64, 2), _input(96, 64, 3)]
    together = [output["saliency"] for output in model(items)]
    for item, found in zip(items, together, strict=True):
        torch.testing.assert_close(found, model([item])[0]["saliency"], atol=2e-4, rtol=0)


@torch.inference_mode()
def test_blending_takes_edges_from_the_large_pass() -> None:
    model = _build(**{"MODEL.INSPYRENET.RETURN_PYRAMID": True})
    item = _input(128, 192)
    low = _input(64, 64)["image"]
    output = model([item | {"image_lr": low}])[0]
    high = model.pyramid(model.preprocess([item["image"]]))
    coarse = model.pyramid(model.preprocess([low])).saliency[-1]
    saliency, masked = blend(coarse, (16, 24), high.laplacian)
    for name, expected in zip(("d3", "d2", "d1", "d0"), saliency, strict=True):
        torch.testing.assert_close(output["pyramid"][name], expected[0, 0])
    for name, expected in zip(("p2", "p1", "p0"), masked, strict=True):
        torch.testing.assert_close(output["pyramid"][name], expected[0, 0])


@torch.inference_mode()
def test_stretching_is_optional() -> None:
    model = _build(**{"MODEL.INSPYRENET.NORMALIZE": False})
    stretched = _build()
    plain = model([_input(64, 64)])[0]["saliency"]
    low, high = plain.min(), plain.max()
    assert high < 1
    expected = (plain - low) / (high - low + 1e-8)
    torch.testing.assert_close(stretched([_input(64, 64)])[0]["saliency"], expected)


@pytest.mark.parametrize("value", [0, 128, 255])
@torch.inference_mode()
def test_constant_picture_gives_a_finite_map(model: nn.Module, value: int) -> None:
    item = {"image": torch.full((3, 64, 64), value, dtype=torch.uint8)}
    assert model([item])[0]["saliency"].isfinite().all()


def test_levels_are_rounded_as_published() -> None:
    model = _build(**{"MODEL.PIXEL_MEAN": [123.675, 116.28, 103.53],
                      "MODEL.PIXEL_STD": [58.395, 57.12, 57.375]})  # fmt: skip
    picture = image(3, 40, 48)
    expected = picture.astype(np.float32)
    expected /= 255
    for channel, (mean, std) in enumerate(((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))):
        # One rounding a step: float32 memory, double constants.
        band = (expected[..., channel].astype(np.float64) - mean).astype(np.float32)
        expected[..., channel] = (band.astype(np.float64) / std).astype(np.float32)
    chw = torch.from_numpy(picture.transpose(2, 0, 1).copy())
    found = model.preprocess([chw])[0]
    np.testing.assert_array_equal(found.permute(1, 2, 0), expected)
    as_floats = model.preprocess([chw.float()])[0]
    torch.testing.assert_close(as_floats, found, atol=1e-5, rtol=1e-5)


def test_training_without_masks(model: nn.Module) -> None:
    with pytest.raises(DataError, match="mask"):
        model.losses([_input(64, 64)])


def test_weights_of_the_losses() -> None:
    weights = {"MODEL.INSPYRENET.LOSS_WEIGHT": 2.0, "MODEL.INSPYRENET.CONSISTENCY_WEIGHT": 0.5}
    items = [_input(64, 64, saliency=torch.ones(1, 64, 64))]
    plain, weighted = (_build(**options).losses(items) for options in ({}, weights))
    for name, value in plain.items():
        factor = 0.5 / 1e-4 if name == "loss_consistency" else 2.0
        torch.testing.assert_close(weighted[name], value * factor)


def test_channels_last_changes_nothing_else() -> None:
    plain, last = _build(), _build(**{"MODEL.CHANNELS_LAST": True})
    with torch.inference_mode():
        found = [net([_input(64, 96)])[0]["saliency"] for net in (plain, last)]
    torch.testing.assert_close(*found, atol=2e-4, rtol=0)


# ---- a published training step


@pytest.fixture(scope="module")
def step() -> dict[str, np.ndarray]:
    return golden.load("inspyrenet_loss.npz")


def _published(step: dict[str, np.ndarray]) -> tuple[nn.Module, list[dict[str, Any]]]:
    seed, height, width, batch = step["train.case"].tolist()
    cfg = get_cfg()
    cfg.merge_from_file(str(golden.ROOT / "configs" / "inspyrenet" / "res2net50.yaml"))
    cfg.MODEL.DEVICE, cfg.MODEL.WEIGHTS = "cpu", ""
    cfg.MODEL.INSPYRENET.BASE_SIZE = (height, width)
    model = build_model(cfg)
    adjust = json.loads(str(golden.load("inspyrenet_res2net50.npz")["adjust"]))
    state = model.state_dict()
    for key, value in state.items():
        filled = torch.from_numpy(fill(key, value.shape))
        if "threshold" in key:
            filled = filled + 0.5
        if "query_conv.bn" in key or "decoder.conv5.conv.weight" in key:
            factor, offset = adjust.get(key, (1, 0))
            filled = filled * factor + offset
        state[key] = filled.to(value.dtype)
    model.load_state_dict(state)
    shape = step["train.gt_shape"].tolist()
    bits = np.unpackbits(step["train.gt"])[: int(np.prod(shape))]
    masks = torch.from_numpy(bits.reshape(shape).astype(np.float32))[:, None]
    items = [_input(height, width, seed + i, saliency=masks[i]) for i in range(batch)]
    return model.train(), items


def test_published_training_step(step: dict[str, np.ndarray]) -> None:
    model, items = _published(step)
    total = sum(model(items).values())
    total.backward()
    assert total.item() == pytest.approx(float(step["train.loss"]), rel=2e-3)
    gradients = {name: p.grad for name, p in model.named_parameters()}
    _check_norms(gradients, step["train.grad_names"], step["train.grad_norms"], 2e-2)
    buffers = dict(model.named_buffers())
    for kind in ("running_mean", "running_var"):
        names = [f"{name}.{kind}" for name in step["train.bn_names"]]
        _check_norms(buffers, np.array(names), step[f"train.bn_{kind}_norm"], 1e-4)


@pytest.mark.slow
def test_published_training_step_in_double_precision(step: dict[str, np.ndarray]) -> None:
    model, items = _published(step)
    pictures = model.preprocess([item["image"] for item in items])
    model = model.double()
    model.preprocess = lambda images: pictures.double()
    levels = {}
    original = model.pyramid

    def keep(images: Tensor) -> Any:
        found = original(images)
        levels.update(zip(("d3", "d2", "d1", "d0"), found.saliency, strict=True))
        return found

    model.pyramid = keep
    for item in items:
        item["saliency"] = item["saliency"].double()
    total = sum(model(items).values())
    total.backward()
    assert total.item() == pytest.approx(float(step["train.loss64"]), rel=1e-8)
    gradients = {name: p.grad for name, p in model.named_parameters()}
    _check_norms(gradients, step["train.grad_names"], step["train.grad_norms64"], 1e-8)
    for name, value in levels.items():
        expected = step[f"train64.{name}"]
        height, width = expected.shape
        np.testing.assert_allclose(
            value[0, 0, :height, :width].detach(), expected, rtol=1e-6, atol=1e-8
        )


def _check_norms(
    found: dict[str, Tensor | None], names: np.ndarray, norms: np.ndarray, rtol: float
) -> None:
    for name, norm in zip(names.tolist(), norms.tolist(), strict=True):
        value = found[name]
        assert value is not None, name
        assert float(value.norm()) == pytest.approx(norm, rel=rtol), name
