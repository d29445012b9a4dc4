"""Every shipped config merges, builds, runs and trains."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances, PolygonMasks
from detectron2.utils.events import EventStorage

from sor_ppa.modeling.roi_heads.ranking_head import PUBLISHED_HEADS
from tests.modeling import golden

NAMES = sorted(
    path.stem
    for path in (golden.ROOT / "configs" / "sor").glob("*.yaml")
    if not path.stem.startswith("Base")
)
PUBLISHED = {
    "ppa", "baseline", "only_pos", "xywh", "pos_quant", "pos_quant2", "two_stage",
    "centermask-v57", "maskrcnn", "maskrcnn101",
}  # fmt: skip


def test_all_published_names_are_there() -> None:
    assert set(NAMES) >= PUBLISHED | {"tiny"}


@pytest.mark.parametrize("name", NAMES)
def test_header_comment(name: str) -> None:
    first = (golden.ROOT / "configs" / "sor" / f"{name}.yaml").read_text().splitlines()[0]
    assert first.startswith("# ")


@pytest.mark.parametrize("name", NAMES)
def test_recipe(name: str) -> None:
    cfg = golden.config(name)
    assert isinstance(cfg.SOLVER.BASE_LR, float)
    assert cfg.MODEL.SOR.NAME in PUBLISHED_HEADS
    if name in PUBLISHED:
        assert cfg.SOLVER.IMS_PER_BATCH == 16
        assert cfg.SOLVER.WEIGHT_DECAY == cfg.SOLVER.WEIGHT_DECAY_BIAS == 1e-4
        assert cfg.INPUT.MIN_SIZE_TEST == 480
        assert cfg.DATASETS.TRAIN == ("assr_train",)


def _shrunk(name: str) -> dict[str, object]:
    """Options that keep a config's design and make it small enough for a test."""
    options: dict[str, object] = {
        "MODEL.FPN.OUT_CHANNELS": 64,
        "MODEL.ROI_MASK_HEAD.CONV_DIM": 64,
        "MODEL.ROI_MASKIOU_HEAD.CONV_DIM": 16,
        "MODEL.ROI_MASKIOU_HEAD.DENSE_DIM": 16,
        "MODEL.ROI_BOX_HEAD.FC_DIM": 16,
        "MODEL.SOR.CONV_DIM": 16,
        "MODEL.SOR.DENSE_DIM": 16,
        "MODEL.SOR.OBJ_DIM": 28 if name == "xywh" else 32,
        "MODEL.SOR.TRANSFORMER.D_MODEL": 32,
    }
    return options


def _target() -> Instances:
    instances = Instances((96, 128))
    instances.gt_boxes = Boxes(torch.tensor([[10.0, 12, 60, 80], [50, 40, 120, 90]]))
    instances.gt_classes = torch.zeros(2, dtype=torch.int64)
    instances.gt_ranks = torch.tensor([2, 1])
    corners = [[10, 12, 60, 12, 60, 80, 10, 80], [50, 40, 120, 40, 85, 90]]
    instances.gt_masks = PolygonMasks([[np.array(c, dtype=float)] for c in corners])
    return instances


@pytest.mark.parametrize("name", NAMES)
def test_one_training_step_and_one_picture(name: str) -> None:
    torch.manual_seed(0)
    cfg = golden.config(name, **_shrunk(name))
    model = build_model(cfg).train()
    image = torch.randint(0, 255, (3, 96, 128), dtype=torch.uint8)
    with EventStorage():
        losses = model([{"image": image, "instances": _target()}])
    total = sum(losses.values())
    total.backward()
    assert torch.isfinite(total)
    assert "sor_loss" in losses
    without = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not without
    with torch.inference_mode():
        (output,) = model.eval()([{"image": image, "height": 48, "width": 64}])
    found = output["instances"]
    assert found.image_size == (48, 64)
    assert found.pred_ranks.dtype == torch.int64
    assert found.rank_logits.shape == (len(found), 5)
