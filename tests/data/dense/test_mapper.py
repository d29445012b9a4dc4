"""From files on disk to the input of a dense saliency model."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from detectron2.config import CfgNode

from sor_ppa.config import get_cfg
from sor_ppa.data import build_mapper, write_image
from sor_ppa.data.dense.mapper import DenseMapper
from sor_ppa.engine.predictor import Predictor
from sor_ppa.errors import ConfigError, DataError, ImageError
from tests.data.pictures import exif, save, smooth_rgb, turned

STILL = (
    "INPUT.DENSE.SCALE_CROP", (1.0, 1.0), "INPUT.DENSE.ROTATE", 0, "INPUT.DENSE.ENHANCE", 0.0,
    "INPUT.RANDOM_FLIP", "none",
)  # fmt: skip


def dense_cfg(*changes: object) -> CfgNode:
    cfg = get_cfg()
    size = ["INPUT.DENSE.TRAIN_SIZE", (64, 96)]
    cfg.merge_from_list(["INPUT.DATASET_MAPPER_NAME", "dense", "INPUT.FORMAT", "RGB", *size])
    cfg.merge_from_list(list(changes))
    return cfg


@pytest.fixture()
def record(tmp_path: Path) -> dict[str, Any]:
    """A picture of 64 x 96 and its mask."""
    mask = np.zeros((64, 96), np.uint8)
    mask[16:48, 24:60] = 255
    mask[16:48, 60:72] = 100
    image = save(tmp_path / "a.png", smooth_rgb(64, 96))
    write_image(tmp_path / "mask.png", mask)
    return {
        "file_name": str(image),
        "image_id": "a",
        "sem_seg_file_name": str(tmp_path / "mask.png"),
    }


def test_training_output(record: dict[str, Any]) -> None:
    before = dict(record)
    output = build_mapper(dense_cfg(*STILL), True)(record)
    assert record == before
    assert output["image"].dtype == torch.uint8 and output["image"].shape == (3, 64, 96)
    np.testing.assert_array_equal(output["image"].numpy().transpose(1, 2, 0), smooth_rgb(64, 96))
    assert output["saliency"].dtype == torch.float32 and output["saliency"].shape == (1, 64, 96)
    assert output["saliency"].unique().tolist() == pytest.approx([0, 100 / 255, 1])
    assert (output["height"], output["width"], output["image_id"]) == (64, 96, "a")
    assert "image_lr" not in output


def test_training_pictures_have_one_size_whatever_their_shape(
    record: dict[str, Any], tmp_path: Path
) -> None:
    save(tmp_path / "a.png", smooth_rgb(50, 31))
    mapper = build_mapper(dense_cfg(), True)
    for seed in range(10):
        np.random.seed(seed)
        output = mapper(record)  # the mask has another size than the picture, too
        assert output["image"].shape == (3, 64, 96) and output["saliency"].shape == (1, 64, 96)
        assert output["saliency"].min() >= 0 and output["saliency"].max() <= 1
        assert (output["height"], output["width"]) == (50, 31)


@pytest.mark.parametrize(
    ("mode", "values", "wanted"),
    [
        ("soft", (0, 100, 255), (0, 100 / 255, 1)),
        ("threshold", (0, 127, 128), (0, 0, 1)),
        ("minmax", (50, 100, 200), (0, 85 / 255, 1)),
        ("minmax", (255, 255, 255), (1, 1, 1)),
        ("minmax", (0, 0, 0), (0, 0, 0)),
        ("minmax", (51, 51, 51), (0.2, 0.2, 0.2)),
    ],
)
def test_mask_modes(
    record: dict[str, Any], mode: str, values: tuple[int, ...], wanted: tuple[float, ...]
) -> None:
    mask = np.repeat(np.array(values, np.uint8), 32)[None].repeat(64, axis=0)
    write_image(record["sem_seg_file_name"], mask)
    output = build_mapper(dense_cfg(*STILL, "INPUT.DENSE.MASK_MODE", mode), True)(record)
    found = output["saliency"][0, 0, [0, 40, 95]].tolist()
    assert found == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("is_train", [True, False])
def test_bgr_is_the_same_picture_with_turned_channels(
    record: dict[str, Any], is_train: bool
) -> None:
    outputs = []
    for name in ("RGB", "BGR"):
        np.random.seed(1)
        outputs.append(build_mapper(dense_cfg("INPUT.FORMAT", name), is_train)(record)["image"])
    assert torch.equal(outputs[0], outputs[1].flip(0))


@pytest.mark.parametrize(
    ("changes", "looks"),
    [
        ((), {"image": (64, 96)}),
        (("INPUT.DENSE.TEST_RESIZE", "static", "INPUT.DENSE.TEST_SIZE", (32, 40)),
         {"image": (32, 40)}),
        (("INPUT.DENSE.BLEND_ABOVE", 64, "INPUT.DENSE.LR_SIZE", (32, 48)), {"image": (32, 48)}),
        (("INPUT.DENSE.BLEND_ABOVE", 63, "INPUT.DENSE.LR_SIZE", (32, 48)),
         {"image": (64, 96), "image_lr": (32, 48)}),
    ],
)  # fmt: skip
def test_test_output_and_prediction_see_the_same(
    record: dict[str, Any], changes: tuple[object, ...], looks: dict[str, tuple[int, int]]
) -> None:
    cfg = dense_cfg(*changes, "MODEL.DEVICE", "cpu")
    output = build_mapper(cfg, False)(record)
    assert {k: v.shape for k, v in output.items() if isinstance(v, torch.Tensor)} == {
        name: (3, *size) for name, size in looks.items()
    }
    assert (output["height"], output["width"]) == (64, 96)
    prepared = Predictor(cfg, model=torch.nn.Identity()).prepare(
        np.ascontiguousarray(smooth_rgb(64, 96)[:, :, ::-1])
    )
    assert set(prepared) == {*looks, "height", "width"}
    for name in looks:
        assert torch.equal(prepared[name], output[name])


def test_no_mask_is_read_in_a_test(record: dict[str, Any]) -> None:
    output = build_mapper(dense_cfg(), False)({**record, "sem_seg_file_name": "/nowhere.png"})
    assert "saliency" not in output


def test_pictures_are_upright(record: dict[str, Any], tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", turned(smooth_rgb(64, 96), 6), exif=exif(6), quality=100)
    output = build_mapper(dense_cfg(*STILL), True)({**record, "file_name": str(tmp_path / "a.jpg")})
    difference = output["image"].int() - torch.from_numpy(smooth_rgb(64, 96).transpose(2, 0, 1))
    assert difference.abs().float().mean() < 4


def test_faults_are_named(record: dict[str, Any], tmp_path: Path) -> None:
    mapper = build_mapper(dense_cfg(), True)
    with pytest.raises(DataError, match=r"a\.png.*sem_seg_file_name"):
        mapper({key: value for key, value in record.items() if key != "sem_seg_file_name"})
    with pytest.raises(DataError, match=r"a\.png.*64 x 96.*90 x 96"):
        mapper({**record, "height": 90, "width": 96})
    with pytest.raises(ImageError, match=r"gone\.png"):
        mapper({**record, "sem_seg_file_name": str(tmp_path / "gone.png")})
    with pytest.raises(ImageError, match="limit of 100"):
        build_mapper(dense_cfg("INPUT.MAX_PIXELS", 100), True)(record)
    with pytest.raises(ConfigError, match="MASK_MODE.*'hard'"):
        build_mapper(dense_cfg("INPUT.DENSE.MASK_MODE", "hard"), True)
    with pytest.raises(ConfigError, match="INPUT.FORMAT.*'L'"):
        DenseMapper(is_train=False, image_format="L")


@pytest.mark.parametrize("is_train", [True, False])
def test_it_can_be_sent_to_a_worker(record: dict[str, Any], is_train: bool) -> None:
    mapper = build_mapper(dense_cfg(), is_train)
    outputs = []
    for each in (mapper, pickle.loads(pickle.dumps(mapper))):
        np.random.seed(2)
        outputs.append(each(record)["image"])
    assert torch.equal(*outputs)
