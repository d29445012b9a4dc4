"""The predictor with the real networks (random weights): any picture size, published file names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sor_ppa import engine, model_zoo
from sor_ppa.data.image_io import read_image
from sor_ppa.engine.predictor import Predictor
from sor_ppa.errors import CheckpointError
from sor_ppa.showing.inputs import sample_pictures

SIZES = ((333, 500), (1200, 800), (1, 300), (300, 1), (1, 1), (127, 331))


def photo(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)


def check(outputs: dict, size: tuple[int, int]) -> None:
    instances = outputs["instances"]
    assert instances.image_size == size
    assert instances.pred_ranks.dtype == torch.int64
    assert instances.pred_masks.shape == (len(instances), *size)
    assert instances.pred_masks.dtype == torch.bool
    given = [rank for rank in instances.pred_ranks.tolist() if rank]
    assert len(set(given)) == len(given) and all(1 <= rank <= 5 for rank in given)
    assert torch.isfinite(instances.pred_boxes.tensor).all()
    assert torch.isfinite(instances.rank_scores).all()


@pytest.fixture(scope="module")
def tiny() -> Predictor:
    cfg = model_zoo.get_config("sor/tiny.yaml")
    cfg.MODEL.WEIGHTS = ""
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.FCOS.INFERENCE_TH_TEST = 0.001
    cfg.MODEL.FCOS.POST_NMS_TOPK_TEST = 5
    torch.manual_seed(0)
    predictor = Predictor(cfg)
    for name, parameter in predictor.model.named_parameters():
        if name.endswith("bbox_pred.bias"):
            parameter.detach().fill_(3.0)  # boxes of some size instead of empty ones
    return predictor


@pytest.mark.parametrize("size", SIZES)
def test_tiny_at_any_size(tiny: Predictor, size: tuple[int, int]) -> None:
    check(tiny(photo(*size)), size)


@pytest.mark.parametrize("half", [False, True])
def test_tiny_finds_objects(tiny: Predictor, half: bool) -> None:
    outputs = Predictor(tiny.cfg, model=tiny.model, half=half)(photo(240, 320))
    check(outputs, (240, 320))
    assert len(outputs["instances"]) == 5


def test_fused_finds_the_same(tiny: Predictor) -> None:
    picture = photo(240, 320)
    plain = tiny(picture)["instances"]
    fused = Predictor(tiny.cfg, model=tiny.model, fused=True)(picture)["instances"]
    assert fused.pred_ranks.tolist() == plain.pred_ranks.tolist()
    assert torch.allclose(fused.pred_boxes.tensor, plain.pred_boxes.tensor, atol=0.05)


def test_tiny_batch_equals_single(tiny: Predictor) -> None:
    images = [photo(*size) for size in SIZES[:4]]
    for image, together in zip(images, tiny.predict_batch(images), strict=True):
        alone, found = tiny(image)["instances"], together["instances"]
        assert alone.pred_ranks.tolist() == found.pred_ranks.tolist()
        assert torch.allclose(alone.pred_boxes.tensor, found.pred_boxes.tensor, atol=1e-3)


def test_tiny_streams_the_samples(tiny: Predictor) -> None:
    pytest.importorskip("skimage")
    paths = sample_pictures()[:3]
    pairs = list(tiny.stream((read_image(path) for path in paths), batch_size=2))
    assert len(pairs) == 3
    for image, outputs in pairs:
        check(outputs, image.shape[:2])


def test_ppa_with_a_file_as_published(tmp_path: Path) -> None:
    """A bare state dict with the two constants that our network does not have."""
    torch.manual_seed(0)
    state = dict(model_zoo.get("sor/ppa.yaml", device="cpu").state_dict())
    state["pixel_mean"] = torch.tensor([103.53, 116.28, 123.675]).view(3, 1, 1)
    state["pixel_std"] = torch.ones(3, 1, 1)
    torch.save(state, tmp_path / "published.pth")

    cfg = model_zoo.get_config("sor/ppa.yaml")
    cfg.MODEL.WEIGHTS = str(tmp_path / "published.pth")
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.FCOS.INFERENCE_TH_TEST = 0.001
    cfg.MODEL.FCOS.POST_NMS_TOPK_TEST = 5
    predictor = engine.Predictor(cfg)
    name = "backbone.fpn_lateral3.weight"
    assert torch.equal(predictor.model.state_dict()[name], state[name])
    for size in ((333, 500), (1200, 800), (300, 1)):
        check(predictor(photo(*size)), size)


def test_weights_that_leave_a_part_of_the_network_random_are_refused(
    tiny: Predictor, tmp_path: Path
) -> None:
    state = {k: v for k, v in tiny.model.state_dict().items() if "sor_head" not in k}
    torch.save(state, tmp_path / "detector.pth")
    cfg = tiny.cfg.clone()
    cfg.defrost()
    cfg.MODEL.WEIGHTS = str(tmp_path / "detector.pth")
    with pytest.raises(CheckpointError, match="sor_head"):
        Predictor(cfg)
