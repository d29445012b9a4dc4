"""What the predictor does with depth, flow or a thermal picture beside the picture."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sor_ppa import get_cfg
from sor_ppa.data.image_io import read_image
from sor_ppa.data.mappers import build_mapper
from sor_ppa.engine.predictor import Predictor
from sor_ppa.errors import ConfigError, DataError, ImageError
from tests.demo.fake_saliency import fake_cfg
from tests.demo.fake_two_inputs import two_cfg


@pytest.fixture
def predictor() -> Predictor:
    return Predictor(two_cfg())


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(
    ("modality", "kind", "said"),
    [
        (None, DataError, "depth.*--modality-input"),
        ({}, DataError, "depth.*--modality-input"),
        ({"thermal": noise(4, 5)}, DataError, "'thermal' is unknown.*depth"),
        (noise(4, 0, 3), ImageError, r"depth .*\(4, 0, 3\)"),
        (noise(4, 5, 4), ImageError, r"depth .*\(4, 5, 4\)"),
        (noise(3, 4, 5), ImageError, "channels"),
        (noise(4), ImageError, r"\(4,\)"),
        (np.zeros((4, 5), np.float32), ImageError, "float32"),
        (np.zeros((4, 5, 3), np.uint16), ImageError, "uint16"),
        ({"depth": [[1, 2]]}, ImageError, "list"),
    ],
)
def test_what_is_no_modality_is_refused(
    predictor: Predictor, modality: Any, kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=f"(?s){said}"):
        predictor(noise(6, 7, 3), modality)
    assert predictor.model.seen == []


def test_nothing_given(predictor: Predictor) -> None:
    assert predictor.predict_batch([]) == [] == predictor.predict_batch([], [])
    assert list(predictor.stream([])) == []


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (60, 80), (127, 331)])
def test_sizes_need_not_agree(predictor: Predictor, size: tuple[int, int]) -> None:
    outputs = predictor(noise(30, 20, 3), noise(*size, 3))
    assert outputs["saliency"].shape == (30, 20)
    (seen,) = predictor.model.seen
    assert seen["modality"].shape == seen["image"].shape == (3, 48, 64)
    assert seen["modality"].dtype == torch.uint8
    assert (seen["height"], seen["width"]) == (30, 20)


def test_blue_comes_first(predictor: Predictor) -> None:
    colours = np.zeros((9, 9, 3), np.uint8) + np.array([10, 20, 30], np.uint8)
    predictor(colours, colours)
    (seen,) = predictor.model.seen
    assert [int(plane.min()) for plane in seen["modality"]] == [30, 20, 10]
    assert torch.equal(seen["modality"], seen["image"])


def test_model_of_blue_first_pictures_still_sees_a_red_first_modality() -> None:
    cfg = two_cfg()
    cfg.INPUT.FORMAT = "BGR"
    predictor = Predictor(cfg)
    colours = np.zeros((9, 9, 3), np.uint8) + np.array([10, 20, 30], np.uint8)
    predictor(colours, colours)
    (seen,) = predictor.model.seen
    assert [int(plane.min()) for plane in seen["image"]] == [10, 20, 30]
    assert [int(plane.min()) for plane in seen["modality"]] == [30, 20, 10]


def test_ways_to_say_the_same(predictor: Predictor) -> None:
    image, grey = noise(30, 20, 3), noise(50, 70, seed=1)
    colour = np.repeat(grey[:, :, None], 3, axis=2)
    for modality in (grey, colour, {"depth": grey}, {"depth": colour}, colour[::-1][::-1]):
        predictor(image, modality)
    first, *others = (seen["modality"] for seen in predictor.model.seen)
    assert len(first.unique()) > 50
    assert all(torch.equal(first, other) for other in others)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_prediction_and_evaluation_see_the_same(tmp_path: Path, interpolation: str) -> None:
    Image.fromarray(noise(33, 44, 3)).save(tmp_path / "a.png")
    Image.fromarray(noise(90, 70, seed=2)).save(tmp_path / "d.png")
    cfg = two_cfg()
    cfg.INPUT.DENSE.INTERPOLATION = interpolation
    record = {"file_name": str(tmp_path / "a.png"), "depth_file_name": str(tmp_path / "d.png")}
    want = build_mapper(cfg, False)(record)
    image, depth = (read_image(path) for path in record.values())
    got = Predictor(cfg).prepare(image, depth)
    for key in ("image", "modality"):
        assert torch.equal(got[key], want[key])
    assert len(got["modality"].unique()) > 50


def test_a_network_that_does_not_use_it_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    for cfg in (fake_cfg(), two_cfg(used=False)):
        cfg.MODEL.META_ARCHITECTURE = "FakeSaliency"
        predictor = Predictor(cfg)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            predictor(noise(8, 9, 3))
        assert "not used" not in caplog.text
        images = [noise(8, 9, 3)] * 3
        with caplog.at_level(logging.WARNING):
            predictor.predict_batch(images, images)
            predictor(images[0], images[0])
        assert caplog.text.count("not used") == 1 and "FakeSaliency" in caplog.text
        assert "modality" not in predictor.prepare(images[0], images[0])


def test_batch(predictor: Predictor) -> None:
    images = [noise(40, 60, 3), noise(1, 1, 3), noise(60, 40, 3)]
    depths = [noise(7, 9, seed=3), noise(1, 1, seed=4), noise(90, 10, seed=5)]
    together = predictor.predict_batch(images, depths)
    for image, depth, outputs in zip(images, depths, together, strict=True):
        assert torch.equal(predictor(image, depth)["saliency"], outputs["saliency"])
    for others in (depths[:2], []):
        with pytest.raises(ImageError, match=f"3 pictures but {len(others)} modalities"):
            predictor.predict_batch(images, others)


@pytest.mark.parametrize("batch_size", [1, 2])
def test_stream_of_pairs(predictor: Predictor, batch_size: int) -> None:
    pairs = [(noise(8, 9 + k, 3), np.full((5, 5), 50 * k, np.uint8)) for k in range(5)]
    done = list(predictor.stream(pairs, batch_size=batch_size))
    assert all(one is two for one, (two, _) in zip(pairs, done, strict=True))
    levels = [float(outputs["saliency"].mean() * 255) for _, outputs in done]
    assert levels == pytest.approx([0, 50, 100, 150, 200], abs=0.3)
    with pytest.raises(DataError, match="depth"):
        list(predictor.stream([*pairs, noise(8, 9, 3)]))


def test_two_inputs_have_no_onnx_backend() -> None:
    with pytest.raises(ConfigError, match="FakeTwoInputs.*depth.*torch"):
        Predictor(two_cfg(), backend="onnx")


def test_the_real_network_looks_at_it() -> None:
    cfg = two_cfg("thermal")
    cfg.MODEL.META_ARCHITECTURE = "MIDNet"
    cfg.MODEL.BACKBONE.NAME = "build_mnv2_backbone"
    torch.manual_seed(0)
    predictor = Predictor(cfg)
    for parameter in predictor.model.decoder.parameters():
        parameter.data.mul_(2)  # fresh decoders hardly say anything
    images = [noise(50, 70, 3), noise(80, 40, 3, seed=1)]
    black, heat = np.zeros((20, 30), np.uint8), noise(20, 30, seed=2)
    alone = [predictor(image, heat)["saliency"] for image in images]
    together = predictor.predict_batch(images, [heat, heat])
    for image, one, outputs in zip(images, alone, together, strict=True):
        assert one.shape == image.shape[:2] and 0 <= one.min() <= one.max() <= 1
        torch.testing.assert_close(outputs["saliency"], one, rtol=0, atol=2e-6)
        assert (predictor(image, black)["saliency"] - one).abs().max() > 5e-5
    with pytest.raises(DataError, match="thermal"):
        predictor(images[0])
    assert get_cfg().INPUT.DENSE.TEST_MODALITIES is False
