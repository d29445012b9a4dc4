"""The whole published ranker against golden cases a, b and c."""

from __future__ import annotations

import json
import zlib

import cv2
import numpy as np
import pytest
import torch
from detectron2.structures import Boxes, Instances, PolygonMasks
from detectron2.utils.events import EventStorage
from PIL import Image
from torch import nn

from tests.goldens.fill import image
from tests.modeling import golden

GOLDEN = golden.load("sor_ppa_full.npz")


@pytest.fixture(scope="module")
def model() -> nn.Module:
    """ppa.yaml filled by the golden rule."""
    return golden.fill_weights(golden.build(golden.config("ppa")))


def _case(model: nn.Module, case: str) -> nn.Module:
    rule = json.loads(str(GOLDEN[f"{case}_override"]))
    cfg = golden.config("ppa", **rule["cfg"])
    fresh = golden.build(cfg)
    fresh.load_state_dict(model.state_dict())
    golden.override(fresh, rule["weights"])
    return fresh


def _input() -> dict:
    height, width = GOLDEN["a_image_hw"].tolist()
    bgr = np.ascontiguousarray(image(int(GOLDEN["a_image_seed"]), height, width)[..., ::-1])
    assert zlib.crc32(bgr.tobytes()) == int(GOLDEN["a_bgr_crc32"])
    new_h, new_w = GOLDEN["a_resized_hw"].tolist()
    resized = np.asarray(Image.fromarray(bgr).resize((new_w, new_h), Image.BILINEAR))
    assert zlib.crc32(resized.tobytes()) == int(GOLDEN["a_resized_bgr_crc32"])
    chw = torch.from_numpy(np.ascontiguousarray(resized.transpose(2, 0, 1)))
    return {"image": chw, "height": height, "width": width}


def _close(actual: torch.Tensor, expected: np.ndarray, rtol: float = 1e-4) -> None:
    scale = max(float(np.abs(expected).max(initial=0.0)), 1e-9)
    np.testing.assert_allclose(actual.detach().numpy(), expected, atol=rtol * scale, rtol=0)


def test_state_dict_has_exactly_the_published_keys(model: nn.Module) -> None:
    keys = {k: list(v.shape) for k, v in model.state_dict().items()}
    assert keys == golden.published_keys()
    trainable = sum(p.numel() for p in model.parameters())
    assert trainable == 118_983_178


@pytest.mark.parametrize("case", ["a", "b"])
def test_inference(model: nn.Module, case: str) -> None:
    network = _case(model, case)
    item = _input()
    with torch.inference_mode():
        images = network.preprocess_image([item])
        features = network.backbone(images.tensor)
        if case == "a":
            _check_levels(features)
        _check_raw_maps(network, features, case)
        proposals, _ = network.proposal_generator(images, features, None)
        boxes = [p.pred_boxes for p in proposals]
        _check_proposals(proposals[0], case)
        pooled = network.roi_heads._pool(features, boxes, proposals)
        _close(pooled.features[:4, :4, :5, :5], GOLDEN[f"{case}_roi_features_slice"])
        _close(pooled.pos[:6], GOLDEN[f"{case}_roi_pos"])
        logits = network.roi_heads.mask_head.layers(pooled.features)
        _close(logits[:6, 0], GOLDEN[f"{case}_mask_logits"])
        quality = network.roi_heads.maskiou_head(pooled.features, logits.sigmoid())
        _close(quality, GOLDEN[f"{case}_maskiou"])
        (output,) = network([item])
    _check_output(output["instances"], case)


def _check_levels(features: dict) -> None:
    for name in ("p3", "p4", "p5", "p6", "p7"):
        _close(features[name][0, :8, :4, :4], GOLDEN[f"a_{name}_slice"])
        expected = GOLDEN[f"a_{name}_stats"]
        np.testing.assert_allclose(golden.stats(features[name]), expected, rtol=1e-3, atol=0.02)


def _check_raw_maps(network: nn.Module, features: dict, case: str) -> None:
    head = network.proposal_generator
    maps = head.fcos_head([features[n] for n in head.in_features])
    for name, level in zip(head.in_features, maps):
        for kind, value in zip(("logits", "reg", "ctr"), level):
            key = f"{case}_fcos_{name}_{kind}"
            np.testing.assert_allclose(
                golden.stats(value), GOLDEN[f"{key}_stats"], rtol=1e-3, atol=1e-4
            )
            if key in GOLDEN:
                h, w = GOLDEN[key].shape[1:]
                _close(value[0, :, :h, :w], GOLDEN[key])


def _check_proposals(proposals: Instances, case: str) -> None:
    np.testing.assert_allclose(proposals.pred_boxes.tensor, GOLDEN[f"{case}_prop_boxes"], atol=0.02)
    np.testing.assert_allclose(proposals.scores, GOLDEN[f"{case}_prop_scores"], atol=1e-5)
    np.testing.assert_array_equal(proposals.locations, GOLDEN[f"{case}_prop_locations"])


def _check_output(instances: Instances, case: str) -> None:
    np.testing.assert_allclose(instances.pred_boxes.tensor, GOLDEN[f"{case}_out_boxes"], atol=0.02)
    np.testing.assert_allclose(instances.scores, GOLDEN[f"{case}_out_scores"], atol=1e-5)
    _close(instances.mask_scores, GOLDEN[f"{case}_out_mask_scores"])
    assert instances.pred_classes.tolist() == GOLDEN[f"{case}_out_classes"].tolist()
    level = GOLDEN[f"{case}_out_ranks"]
    assert instances.pred_ranks.dtype == torch.int64
    assert instances.pred_ranks.tolist() == np.where(level < 0, 0, 5 - level).tolist()
    areas = instances.pred_masks.flatten(1).sum(1)
    np.testing.assert_allclose(areas, GOLDEN[f"{case}_out_mask_areas"], rtol=2e-3, atol=2)
    if case == "b":
        np.testing.assert_allclose(instances.rank_logits, GOLDEN["b_sor_logits"], atol=1e-3)
        np.testing.assert_allclose(instances.rank_scores, GOLDEN["b_sor_softmax_dim0"], atol=1e-4)
        ranked = instances.pred_ranks.nonzero()[:, 0]
        assert ranked.tolist() == GOLDEN["b_ranked_index"].tolist()
        packed = np.packbits(instances.pred_masks[ranked].flatten(1).numpy(), axis=1)
        differing = np.unpackbits(packed ^ GOLDEN["b_ranked_masks_packed"], axis=1).mean()
        assert differing < 1e-3


def _targets() -> list[Instances]:
    targets = []
    for target in json.loads(str(GOLDEN["c_loss_targets"])):
        instances = Instances((480, 640))
        instances.gt_boxes = Boxes(torch.tensor(target["boxes"]))
        instances.gt_classes = torch.zeros(len(target["boxes"]), dtype=torch.int64)
        instances.gt_masks = PolygonMasks([[np.array(p)] for p in target["polygons"]])
        instances.gt_ranks = 5 - torch.tensor(target["gt_ranks"])
        targets.append(instances)
    return targets


@pytest.fixture(scope="module")
def training_run(model: nn.Module) -> tuple[dict[str, float], list[torch.Tensor], int]:
    """Losses of case c, mask-IoU targets and boxes of the foreground proposals."""
    import sor_ppa.modeling.roi_heads.center_heads as heads

    network = golden.build(golden.config("ppa"))
    network.load_state_dict(model.state_dict())
    golden.override(network, json.loads(str(GOLDEN["b_override"]))["weights"])
    network.train()
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, nn.MultiheadAttention):
            module.dropout = 0.0
    batch = [
        {"image": torch.from_numpy(image(int(seed), 480, 640)[..., ::-1].transpose(2, 0, 1).copy()),
         "instances": target}
        for seed, target in zip(GOLDEN["c_loss_image_seeds"], _targets())
    ]  # fmt: skip
    seen: list[torch.Tensor] = []
    original = heads.mask_iou_targets

    def spy(*arguments: torch.Tensor) -> torch.Tensor:
        seen.append(original(*arguments))
        return seen[-1]

    heads.mask_iou_targets = spy
    try:
        # oneDNN's kernels for CPUs without AVX-512 move a loss by 3e-4 with these large weights.
        with EventStorage(), torch.no_grad(), torch.backends.mkldnn.flags(enabled=False):
            losses = {k: float(v) for k, v in network(batch).items()}
    finally:
        heads.mask_iou_targets = original
    return losses, seen, len(seen[0])


def test_training_losses(training_run: tuple) -> None:
    losses, _, positives = training_run
    expected = json.loads(str(GOLDEN["c_losses"]))
    assert positives == int(GOLDEN["c_loss_num_positive_rois"])
    assert losses.keys() == expected.keys()
    for name, value in expected.items():
        assert losses[name] == pytest.approx(value, rel=1e-4), name


def test_mask_iou_targets(training_run: tuple) -> None:
    published = [0.68666, 0.66116, 0.59781, 0.56948, 0.60973, 0.40162]
    (targets,) = training_run[1]
    np.testing.assert_allclose(sorted(targets.tolist()), sorted(published), atol=1e-4)


@pytest.mark.parametrize("size_hw", [(1, 1), (480, 1), (1, 37), (333, 500), (127, 331)])
@torch.no_grad()
def test_any_size(tiny: nn.Module, size_hw: tuple[int, int]) -> None:
    item = {"image": torch.zeros(3, *size_hw, dtype=torch.uint8)}
    (output,) = tiny([item])
    assert output["instances"].image_size == size_hw


@pytest.fixture(scope="module")
def tiny() -> nn.Module:
    """The light model with random weights that finds something in every picture."""
    torch.manual_seed(0)
    options = {"MODEL.FCOS.INFERENCE_TH_TEST": 0.0, "MODEL.FCOS.POST_NMS_TOPK_TEST": 6}
    network = golden.build(golden.config("tiny", **options))
    golden.override(network, {"proposal_generator.fcos_head.bbox_pred.bias": 2.0})
    return network


def test_a_picture_does_not_depend_on_its_company(tiny: nn.Module) -> None:
    sizes = [(96, 128), (128, 96), (96, 120), (64, 64), (96, 128)]
    items = [
        {"image": torch.from_numpy(cv2.resize(image(k, 96, 128), size[::-1]).transpose(2, 0, 1))}
        for k, size in enumerate(sizes)
    ]
    with torch.inference_mode():
        alone = [tiny([item])[0]["instances"] for item in items]
        together = [output["instances"] for output in tiny(items)]
    for a, b in zip(alone, together):
        assert len(a) and len(a) == len(b)
        torch.testing.assert_close(a.pred_boxes.tensor, b.pred_boxes.tensor, atol=1e-3, rtol=1e-4)
        torch.testing.assert_close(a.rank_logits, b.rank_logits, atol=1e-4, rtol=1e-3)
        assert a.pred_ranks.tolist() == b.pred_ranks.tolist()


def test_empty_batch_and_no_detections(tiny: nn.Module) -> None:
    assert tiny([]) == []
    strict = golden.build(golden.config("tiny", **{"MODEL.FCOS.INFERENCE_TH_TEST": 1.0}))
    (output,) = strict([{"image": torch.zeros(3, 64, 64, dtype=torch.uint8)}])
    found = output["instances"]
    assert len(found) == 0
    assert found.pred_ranks.dtype == torch.int64
    assert found.pred_masks.shape == (0, 64, 64)
    assert found.rank_logits.shape == (0, 5)


def test_training_without_any_object_is_finite() -> None:
    network = golden.build(golden.config("tiny")).train()
    empty = Instances((64, 64))
    empty.gt_boxes = Boxes(torch.zeros(0, 4))
    empty.gt_classes = torch.zeros(0, dtype=torch.int64)
    empty.gt_masks = PolygonMasks([])
    empty.gt_ranks = torch.zeros(0, dtype=torch.int64)
    batch = [{"image": torch.zeros(3, 64, 64, dtype=torch.uint8), "instances": empty}]
    with EventStorage():
        losses = network(batch)
    total = sum(losses.values())
    total.backward()
    assert torch.isfinite(total)
    trainable = [p for p in network.parameters() if p.requires_grad]
    assert all(p.grad is not None for p in trainable)


@pytest.mark.parametrize("name", ["maskrcnn"])
def test_mask_rcnn_variant(name: str) -> None:
    cfg = golden.config(name, **{"MODEL.ROI_HEADS.SCORE_THRESH_TEST": 0.0,
                                 "TEST.DETECTIONS_PER_IMAGE": 4})  # fmt: skip
    network = golden.build(cfg)
    counted = sum(p.numel() for p in network.parameters())
    assert counted == 110_575_617
    picture = torch.from_numpy(image(3, 96, 128).transpose(2, 0, 1).copy())
    with torch.inference_mode():
        (output,) = network([{"image": picture, "height": 96, "width": 128}])
    found = output["instances"]
    assert sorted(found.pred_ranks.tolist())[-len(found) :] == list(range(1, len(found) + 1))[:5]
