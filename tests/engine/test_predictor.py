from __future__ import annotations

import itertools
import logging
import threading

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from sor_ppa.config import get_cfg
from sor_ppa.engine.predictor import Predictor
from sor_ppa.errors import CheckpointError, ConfigError, ImageError, SaliencyError
from tests.demo.fake_ranker import FakeRanker, fake_cfg


@pytest.fixture
def predictor() -> Predictor:
    return Predictor(fake_cfg())


def picture(height: int, width: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 40), (40, 1), (2, 2), (333, 500), (1200, 800), (127, 331), (16, 4000)]
)
def test_any_size_gives_masks_of_that_size(predictor: Predictor, size: tuple[int, int]) -> None:
    instances = predictor(picture(*size))["instances"]
    assert instances.image_size == size
    assert instances.pred_masks.shape == (3, *size)
    assert instances.pred_ranks.tolist() == [2, 1, 0]


def test_the_network_gets_the_resized_picture(predictor: Predictor) -> None:
    predictor(picture(300, 150))
    (seen,) = predictor.model.seen
    assert seen.shape == (3, 128, 64) and seen.dtype == torch.uint8


def test_input_format_rgb_turns_the_channels() -> None:
    blue = np.zeros((64, 64, 3), dtype=np.uint8)
    blue[:, :, 0] = 200  # blue first
    for name, channel in (("BGR", 0), ("RGB", 2)):
        cfg = fake_cfg()
        cfg.INPUT.FORMAT = name
        predictor = Predictor(cfg)
        predictor(blue)
        assert predictor.model.seen[0][channel].min() == 200
        assert predictor.model.seen[0].sum() == 200 * 64 * 64


def test_negative_strides_give_the_same(predictor: Predictor) -> None:
    image = picture(64, 64)
    flipped = image[::-1, ::-1, ::-1]
    predictor(flipped)
    predictor(np.ascontiguousarray(flipped))
    first, second = predictor.model.seen
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.zeros((0, 5, 3), np.uint8), r"\(0, 5, 3\)"),
        (np.zeros((5, 0, 3), np.uint8), r"\(5, 0, 3\)"),
        (np.zeros((5, 6), np.uint8), r"\(5, 6\)"),
        (np.zeros((3, 5, 6), np.uint8), "channels"),
        (np.zeros((5, 6, 4), np.uint8), r"\(5, 6, 4\)"),
        (np.zeros((2, 5, 6, 3), np.uint8), r"\(2, 5, 6, 3\)"),
        (np.full((5, 6, 3), np.nan), "float64"),
        (np.zeros((5, 6, 3), np.float32), "float32"),
        (np.zeros((5, 6, 3), np.uint16), "uint16"),
        (np.zeros((5, 6, 3), np.int64), "int64"),
        ([[1, 2]], "list"),
        (torch.zeros(5, 6, 3, dtype=torch.uint8), "Tensor"),
        (None, "NoneType"),
    ],
)
def test_what_is_no_picture_is_refused(predictor: Predictor, image: object, said: str) -> None:
    with pytest.raises(ImageError, match=said):
        predictor(image)
    assert predictor.model.seen == []


def test_limit_of_pixels() -> None:
    cfg = fake_cfg()
    cfg.INPUT.MAX_PIXELS = 99
    predictor = Predictor(cfg)
    predictor(picture(9, 11))
    with pytest.raises(ImageError, match="10 x 10 .* 99.*MAX_PIXELS"):
        predictor(picture(10, 10))


def test_batch_equals_one_by_one(predictor: Predictor) -> None:
    assert predictor.predict_batch([]) == []
    images = [picture(40, 60), picture(60, 40), picture(1, 1), picture(40, 60, seed=1)]
    together = predictor.predict_batch(images)
    assert predictor.model.batches == [4]
    for image, outputs in zip(images, together, strict=True):
        alone = predictor(image)["instances"]
        assert torch.equal(alone.pred_masks, outputs["instances"].pred_masks)
        assert torch.equal(alone.pred_boxes.tensor, outputs["instances"].pred_boxes.tensor)


def test_config_is_cloned() -> None:
    cfg = fake_cfg()
    before = cfg.dump()
    predictor = Predictor(cfg)
    assert cfg.dump() == before and not cfg.is_frozen()
    cfg.INPUT.MIN_SIZE_TEST = 7
    assert predictor.cfg.INPUT.MIN_SIZE_TEST == 64
    assert not predictor.model.training


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_without_cuda_it_runs_on_the_cpu(caplog: pytest.LogCaptureFixture) -> None:
    cfg = fake_cfg()
    cfg.MODEL.DEVICE = "cuda"
    assert Predictor(cfg).device == torch.device("cpu")
    assert Predictor(fake_cfg(), device="cuda:0")(picture(5, 5))["instances"].pred_ranks is not None


def test_bad_settings() -> None:
    cfg = fake_cfg()
    cfg.INPUT.FORMAT = "L"
    with pytest.raises(ConfigError, match="INPUT.FORMAT"):
        Predictor(cfg)
    with pytest.raises(ConfigError, match="tpu9"):
        Predictor(fake_cfg(), device="tpu9")


def test_weights_are_loaded(tmp_path, caplog: pytest.LogCaptureFixture) -> None:  # noqa: ANN001
    save_file({"weight": torch.tensor([7.0])}, str(tmp_path / "w.safetensors"))
    cfg = fake_cfg()
    cfg.MODEL.WEIGHTS = str(tmp_path / "w.safetensors")
    assert Predictor(cfg).model.weight.item() == 7.0
    cfg.MODEL.WEIGHTS = str(tmp_path / "missing.safetensors")
    with pytest.raises(CheckpointError, match="missing.safetensors"):
        Predictor(cfg)
    cfg.MODEL.WEIGHTS = ""
    with caplog.at_level(logging.WARNING):
        Predictor(cfg)
    assert "random weights" in caplog.text


def test_a_given_model_is_used() -> None:
    model = FakeRanker(get_cfg()).train()
    predictor = Predictor(fake_cfg(), model=model)
    assert predictor.model is model and not model.training


class Precision(FakeRanker):
    """Notes the type that a matrix product has inside the network."""

    def forward(self, batched_inputs: list[dict]) -> list[dict]:
        self.dtype = (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
        return super().forward(batched_inputs)


@pytest.mark.parametrize(("half", "dtype"), [(False, torch.float32), (True, torch.bfloat16)])
def test_half(half: bool, dtype: torch.dtype) -> None:
    model = Precision(get_cfg())
    Predictor(fake_cfg(), model=model, half=half)(picture(5, 5))
    assert model.dtype == dtype


class Small(FakeRanker):
    """Runs out of GPU memory on more than one picture, or on a large one."""

    def forward(self, batched_inputs: list[dict]) -> list[dict]:
        if len(batched_inputs) > 1 or batched_inputs[0]["height"] > 100:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return super().forward(batched_inputs)


def test_out_of_memory_goes_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    predictor = Predictor(fake_cfg(), model=Small(get_cfg()))
    images = [picture(8, 9), picture(9, 8)]
    sizes = [out["instances"].image_size for out in predictor.predict_batch(images)]
    assert sizes == [(8, 9), (9, 8)]
    with pytest.raises(SaliencyError, match="memory.*MIN_SIZE_TEST"):
        predictor.predict_batch([picture(8, 9), picture(200, 9)])


@pytest.mark.parametrize(
    ("resize", "key"), [("static", "INPUT.DENSE.TEST_SIZE"), ("dynamic", "DENSE.DYNAMIC_LIMIT")]
)
def test_out_of_memory_names_the_keys_of_the_task(
    monkeypatch: pytest.MonkeyPatch, resize: str, key: str
) -> None:
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    cfg = fake_cfg()
    cfg.INPUT.DATASET_MAPPER_NAME = "dense"
    cfg.INPUT.DENSE.TEST_RESIZE = resize
    with pytest.raises(SaliencyError, match=f"memory.*{key}"):
        Predictor(cfg, model=Small(get_cfg()))(picture(200, 9))


class Looks(nn.Module):
    """Hands back what it gets."""

    def forward(self, batched_inputs: list[dict]) -> list[dict]:
        return batched_inputs


def test_a_dense_model_gets_both_looks_on_its_device() -> None:
    cfg = fake_cfg()
    cfg.INPUT.DATASET_MAPPER_NAME = "dense"
    cfg.INPUT.DENSE.BLEND_ABOVE, cfg.INPUT.DENSE.LR_SIZE = 64, (32, 48)
    predictor = Predictor(cfg, model=Looks(), device="meta")
    large, small = predictor.predict_batch([picture(100, 200), picture(64, 200)])
    assert {name: tuple(large[name].shape) for name in ("image", "image_lr")} == {
        "image": (3, 96, 192),
        "image_lr": (3, 32, 48),
    }
    assert large["image"].device.type == large["image_lr"].device.type == "meta"
    assert small["image"].shape == (3, 32, 48) and "image_lr" not in small
    assert (large["height"], large["width"]) == (100, 200)
    ((_, streamed),) = predictor.stream([picture(100, 200)])
    assert "image_lr" in streamed


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_stream_keeps_the_order(predictor: Predictor, batch_size: int) -> None:
    assert list(predictor.stream([])) == []
    images = [picture(10 + index, 20) for index in range(5)]
    pairs = list(predictor.stream(images, batch_size=batch_size))
    assert all(a is b for a, (b, _) in zip(images, pairs, strict=True))
    assert [out["instances"].image_size[0] for _, out in pairs] == [10, 11, 12, 13, 14]
    assert sum(predictor.model.batches) == 5
    assert len(predictor.model.batches) == -(-5 // batch_size)


def test_stream_runs_only_a_little_ahead(predictor: Predictor) -> None:
    made = itertools.count()
    frames = (picture(8, 8, seed=next(made)) for _ in range(1000))
    stream = predictor.stream(frames, ahead=2)
    for _ in range(3):
        next(stream)
    stream.close()
    assert next(made) <= 3 + 2 + 2
    assert not [t for t in threading.enumerate() if t.name == "prefetch"]


def test_stream_hands_on_errors(predictor: Predictor) -> None:
    seen = []
    with pytest.raises(ImageError, match=r"\(4, 4\)"):
        for image, _ in predictor.stream([picture(4, 4), np.zeros((4, 4), np.uint8)]):
            seen.append(image)
    assert len(seen) == 1


def test_gradients_are_off() -> None:
    class Linear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 1)

        def forward(self, batched_inputs: list[dict]) -> list[dict]:
            return [
                {"saliency": self.layer(x["image"].float().mean((1, 2)))} for x in batched_inputs
            ]

    out = Predictor(fake_cfg(), model=Linear())(picture(4, 4))
    assert not out["saliency"].requires_grad
