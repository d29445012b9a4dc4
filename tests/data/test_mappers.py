"""Dataset dict -> model input."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetMapper
from detectron2.modeling import build_model
from detectron2.structures import BitMasks, BoxMode, PolygonMasks
from detectron2.utils.events import EventStorage

from sor_ppa.config import get_cfg
from sor_ppa.data.mappers import RankingMapper, build_mapper
from sor_ppa.data.ranking import load_ranked_coco
from sor_ppa.errors import ConfigError, DataError, ImageError
from tests.data.pictures import exif, save, smooth_rgb
from tests.data.sets import HEIGHT, WIDTH, coco, picture, polygon, rectangle_rle, write_coco


@pytest.fixture()
def cfg() -> CfgNode:
    cfg = get_cfg()
    cfg.MODEL.MASK_ON = True
    cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MIN_SIZE_TEST = (24,), 24
    cfg.INPUT.RANDOM_FLIP = "none"
    return cfg


def ranked(rank: int, xyxy: tuple[float, ...] = (1, 1, 5, 5), **fields: Any) -> dict[str, Any]:
    return {
        "bbox": list(xyxy),
        "bbox_mode": BoxMode.XYXY_ABS,
        "segmentation": [polygon(*xyxy)],
        "category_id": 0,
        "iscrowd": 0,
        "gt_rank": rank,
        **fields,
    }


def record(tmp_path: Path, *annotations: dict[str, Any], **fields: Any) -> dict[str, Any]:
    path = picture(tmp_path / "a.png")
    return {
        "file_name": str(path),
        "image_id": 7,
        "height": HEIGHT,
        "width": WIDTH,
        "annotations": list(annotations),
        **fields,
    }


def test_training_input(tmp_path: Path, cfg: CfgNode) -> None:
    item = record(tmp_path, ranked(2), ranked(1, (6, 2, 12, 9)))
    before = copy.deepcopy(item)
    output = build_mapper(cfg, True)(item)
    assert item == before
    assert "annotations" not in output
    assert output["image"].dtype == torch.uint8 and output["image"].shape == (3, 24, 32)
    assert output["image"].is_contiguous()
    assert (output["height"], output["width"], output["image_id"]) == (HEIGHT, WIDTH, 7)
    instances = output["instances"]
    assert instances.image_size == (24, 32)
    assert instances.gt_boxes.tensor.tolist() == [[2, 2, 10, 10], [12, 4, 24, 18]]
    assert instances.gt_classes.tolist() == [0, 0]
    assert instances.gt_ranks.dtype == torch.int64 and instances.gt_ranks.tolist() == [2, 1]
    assert isinstance(instances.gt_masks, PolygonMasks)
    np.testing.assert_allclose(instances.gt_masks.polygons[0][0], [2, 2, 10, 2, 10, 10, 2, 10])


def test_test_input_has_no_annotations(tmp_path: Path, cfg: CfgNode) -> None:
    output = build_mapper(cfg, False)(record(tmp_path, ranked(1)))
    assert sorted(output) == ["file_name", "height", "image", "image_id", "width"]


@pytest.mark.parametrize("mask_format", ["polygon", "bitmask"])
def test_agrees_with_detectron2s_mapper(tmp_path: Path, cfg: CfgNode, mask_format: str) -> None:
    cfg.INPUT.MASK_FORMAT = mask_format
    cfg.INPUT.RANDOM_FLIP = "horizontal"
    item = record(tmp_path, ranked(2), ranked(1, (6.5, 2.25, 12, 9)), ranked(3, iscrowd=1))
    ours, theirs = build_mapper(cfg, True), DatasetMapper(cfg, True)
    for seed in range(6):
        found = []
        for mapper in (ours, theirs):
            np.random.seed(seed)
            found.append(mapper(copy.deepcopy(item)))
        assert torch.equal(found[0]["image"], found[1]["image"])
        boxes = [output["instances"].gt_boxes.tensor for output in found]
        assert torch.equal(*boxes)
        masks = [output["instances"].gt_masks for output in found]
        assert type(masks[0]) is type(masks[1])
        rois = [m.crop_and_resize(b, 14) for m, b in zip(masks, boxes)]
        assert torch.equal(*rois)


def test_rgb(tmp_path: Path, cfg: CfgNode) -> None:
    item = record(tmp_path)
    bgr = build_mapper(cfg, False)(item)["image"]
    cfg.INPUT.FORMAT = "RGB"
    assert torch.equal(build_mapper(cfg, False)(item)["image"], bgr.flip(0))


def ranks_of(cfg: CfgNode, item: dict[str, Any]) -> list[int]:
    return build_mapper(cfg, True)(item)["instances"].gt_ranks.tolist()


@pytest.mark.parametrize(
    ("ranks", "drop", "kept"),
    [
        ([], True, []),
        ([0, 0], True, []),
        ([0, 1, 2], True, [1, 2]),
        ([0, 1, 2], False, [0, 1, 2]),
        ([1, 5, 6, 9], True, [1, 5]),
        ([1, 5, 6, 9], False, [1, 5, 0, 0]),
    ],
)
def test_ranks(tmp_path: Path, cfg: CfgNode, ranks: list[int], drop: bool, kept: list[int]) -> None:
    cfg.INPUT.RANKING.DROP_UNRANKED = drop
    assert ranks_of(cfg, record(tmp_path, *map(ranked, ranks))) == kept


def test_number_of_ranks_is_a_setting(tmp_path: Path, cfg: CfgNode) -> None:
    cfg.MODEL.SOR.NUM_RANKS = 8
    assert ranks_of(cfg, record(tmp_path, *map(ranked, [8, 9, 1]))) == [8, 1]


def test_crowds_are_left_out(tmp_path: Path, cfg: CfgNode) -> None:
    crowd = ranked(0, iscrowd=1, segmentation=rectangle_rle(0, 0, 8, 4))
    output = build_mapper(cfg, True)(record(tmp_path, crowd, ranked(1)))
    assert output["instances"].gt_ranks.tolist() == [1]
    assert isinstance(output["instances"].gt_masks, PolygonMasks)  # the crowd's runs don't matter


def test_ranks_stay_with_their_objects_when_empty_ones_go(tmp_path: Path, cfg: CfgNode) -> None:
    # The first is outside the picture, so its box is clipped to nothing.
    gone = ranked(1, (-9, -9, -1, -1))
    output = build_mapper(cfg, True)(record(tmp_path, gone, ranked(3), ranked(2, (6, 2, 12, 9))))
    instances = output["instances"]
    assert instances.gt_ranks.tolist() == [3, 2]
    assert len(instances.gt_boxes) == len(instances.gt_masks) == 2


@pytest.mark.parametrize("mask_format", ["polygon", "bitmask"])
def test_picture_without_objects(tmp_path: Path, cfg: CfgNode, mask_format: str) -> None:
    cfg.INPUT.MASK_FORMAT = mask_format
    instances = build_mapper(cfg, True)(record(tmp_path))["instances"]
    assert len(instances) == 0
    assert instances.gt_boxes.tensor.shape == (0, 4)
    assert instances.gt_classes.dtype == instances.gt_ranks.dtype == torch.int64
    masks = instances.gt_masks
    assert len(masks) == 0
    assert isinstance(masks, PolygonMasks if mask_format == "polygon" else BitMasks)


def test_run_lengths_become_bit_masks_by_themselves(tmp_path: Path, cfg: CfgNode) -> None:
    runs = ranked(1, (6, 2, 12, 9), segmentation=rectangle_rle(6, 2, 12, 9))
    instances = build_mapper(cfg, True)(record(tmp_path, ranked(2), runs))["instances"]
    assert isinstance(instances.gt_masks, BitMasks)
    wanted = torch.zeros(2, 24, 32, dtype=torch.bool)
    wanted[0, 2:10, 2:10] = wanted[1, 4:18, 12:24] = True
    assert torch.equal(instances.gt_masks.tensor, wanted)


def test_integer_coordinates_are_not_truncated(tmp_path: Path, cfg: CfgNode) -> None:
    cfg.INPUT.MIN_SIZE_TRAIN = (18,)  # a factor of 1.5
    instances = build_mapper(cfg, True)(record(tmp_path, ranked(1)))["instances"]
    assert instances.gt_boxes.tensor.tolist() == [[1.5, 1.5, 7.5, 7.5]]
    assert instances.gt_masks.polygons[0][0].tolist() == [1.5, 1.5, 7.5, 1.5, 7.5, 7.5, 1.5, 7.5]


def test_flip_moves_boxes_and_masks(tmp_path: Path, cfg: CfgNode) -> None:
    cfg.INPUT.RANDOM_FLIP = "horizontal"
    cfg.INPUT.MASK_FORMAT = "bitmask"
    mapper, item = build_mapper(cfg, True), record(tmp_path, ranked(1))
    seen = set()
    for seed in range(8):
        np.random.seed(seed)
        instances = mapper(item)["instances"]
        box = instances.gt_boxes.tensor[0]
        assert torch.equal(instances.gt_masks.get_bounding_boxes().tensor[0], box)
        seen.add(tuple(box.tolist()))
    assert seen == {(2, 2, 10, 10), (22, 2, 30, 10)}


def test_crop_makes_new_boxes(tmp_path: Path, cfg: CfgNode) -> None:
    cfg.INPUT.CROP.ENABLED = True
    cfg.INPUT.CROP.TYPE, cfg.INPUT.CROP.SIZE = "absolute", (8, 8)
    cfg.INPUT.MIN_SIZE_TRAIN = (0,)
    mapper, item = build_mapper(cfg, True), record(tmp_path, ranked(1, (2, 2, 14, 10)))
    for seed in range(8):
        np.random.seed(seed)
        output = mapper(item)
        assert output["image"].shape == (3, 8, 8)
        boxes = output["instances"].gt_boxes.tensor
        assert len(boxes) == 1 and (boxes >= -6).all() and (boxes <= 14).all()
    assert build_mapper(cfg, False)(item)["image"].shape == (3, 24, 32)


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 300), (300, 1), (2, 2)])
def test_tiny_pictures(tmp_path: Path, cfg: CfgNode, size_hw: tuple[int, int]) -> None:
    path = save(tmp_path / "a.png", np.zeros((*size_hw, 3), np.uint8))
    output = build_mapper(cfg, False)({"file_name": str(path), "image_id": 0})
    assert min(output["image"].shape) >= 1
    assert (output["height"], output["width"]) == size_hw


def test_size_is_filled_in(tmp_path: Path, cfg: CfgNode) -> None:
    item = record(tmp_path, ranked(1))
    del item["height"], item["width"]
    output = build_mapper(cfg, True)(item)
    assert (output["height"], output["width"]) == (HEIGHT, WIDTH)


def test_size_that_differs_is_reported_with_both(tmp_path: Path, cfg: CfgNode) -> None:
    mapper = build_mapper(cfg, True)
    with pytest.raises(
        DataError, match=r"a\.png: the picture is 12 x 16.*are for 12 x 99"
    ) as caught:
        mapper(record(tmp_path, ranked(1), width=99))
    assert "EXIF" not in str(caught.value)
    path = save(tmp_path / "b.jpg", smooth_rgb(HEIGHT, WIDTH), exif=exif(6))
    with pytest.raises(DataError, match="16 x 12.*are for 12 x 16; .*EXIF rotation"):
        mapper(record(tmp_path, ranked(1), file_name=str(path)))


def test_missing_rank_is_reported(tmp_path: Path, cfg: CfgNode) -> None:
    plain = ranked(1)
    del plain["gt_rank"]
    with pytest.raises(DataError, match=r"a\.png: an object has no gt_rank.*DROP_UNRANKED"):
        build_mapper(cfg, True)(record(tmp_path, plain))
    cfg.INPUT.RANKING.DROP_UNRANKED = False
    assert ranks_of(cfg, record(tmp_path, plain)) == [0]


def test_large_pictures_are_refused(tmp_path: Path, cfg: CfgNode) -> None:
    cfg.INPUT.MAX_PIXELS = HEIGHT * WIDTH - 1
    with pytest.raises(ImageError, match=r"a\.png.*INPUT.MAX_PIXELS"):
        build_mapper(cfg, True)(record(tmp_path))


def test_unknown_settings(cfg: CfgNode) -> None:
    cfg.INPUT.MASK_FORMAT = "png"
    with pytest.raises(ConfigError, match="INPUT.MASK_FORMAT.*'png'"):
        build_mapper(cfg, True)
    cfg.INPUT.DATASET_MAPPER_NAME = "rankng"
    with pytest.raises(ConfigError, match="'rankng' is unknown; registered: .*ranking"):
        build_mapper(cfg, True)


def test_explicit_arguments() -> None:
    mapper = RankingMapper(is_train=True, augmentations=[], num_ranks=3)
    assert mapper.num_ranks == 3 and mapper.mask_format == "polygon"


def test_whole_way_from_a_file(tmp_path: Path, cfg: CfgNode) -> None:
    mapper = build_mapper(cfg, True)
    first, second = map(mapper, load_ranked_coco(*write_coco(tmp_path, coco())))
    assert first["instances"].gt_ranks.tolist() == [2, 1]
    assert isinstance(first["instances"].gt_masks, PolygonMasks)
    assert second["instances"].gt_ranks.tolist() == [1]
    assert isinstance(second["instances"].gt_masks, BitMasks)
    # The bounding box of the mask that went in as run lengths is the box.
    boxes = second["instances"].gt_masks.get_bounding_boxes().tensor
    assert torch.equal(boxes, second["instances"].gt_boxes.tensor)


def test_detectron2_trains_on_it(tmp_path: Path, cfg: CfgNode) -> None:
    """A stock Mask R-CNN takes polygons, run lengths and a picture without objects in one batch."""
    cfg.MODEL.DEVICE, cfg.MODEL.WEIGHTS = "cpu", ""
    cfg.MODEL.BACKBONE.NAME = "build_resnet_fpn_backbone"
    cfg.MODEL.RESNETS.DEPTH, cfg.MODEL.RESNETS.RES2_OUT_CHANNELS = 18, 64
    cfg.MODEL.RESNETS.OUT_FEATURES = cfg.MODEL.FPN.IN_FEATURES = ["res2", "res3", "res4", "res5"]
    levels = ["p2", "p3", "p4", "p5"]
    cfg.MODEL.RPN.IN_FEATURES = cfg.MODEL.ROI_HEADS.IN_FEATURES = levels
    cfg.MODEL.ANCHOR_GENERATOR.SIZES = [[8], [16], [32], [64]]
    cfg.MODEL.ROI_HEADS.NAME, cfg.MODEL.ROI_HEADS.NUM_CLASSES = "StandardROIHeads", 1
    cfg.MODEL.ROI_BOX_HEAD.NAME = "FastRCNNConvFCHead"
    cfg.MODEL.ROI_BOX_HEAD.NUM_FC, cfg.MODEL.ROI_BOX_HEAD.FC_DIM = 1, 16
    cfg.MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION = 7
    cfg.MODEL.ROI_MASK_HEAD.NUM_CONV = 1
    cfg.INPUT.MIN_SIZE_TRAIN = (64,)
    runs = ranked(1, (6, 2, 12, 9), segmentation=rectangle_rle(6, 2, 12, 9))
    mapper = build_mapper(cfg, True)
    batch = [
        mapper(record(tmp_path, *objects))
        for objects in ([ranked(1), ranked(2, (6, 2, 12, 9))], [runs], [])
    ]
    torch.manual_seed(0)
    with EventStorage():
        losses = build_model(cfg).train()(batch)
    assert {"loss_mask", "loss_box_reg", "loss_rpn_cls"} <= losses.keys()
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert losses["loss_mask"] > 0
