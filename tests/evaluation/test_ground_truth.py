from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from detectron2.structures import BoxMode

from sor_ppa.data.image_io import write_image
from sor_ppa.errors import DataError
from sor_ppa.evaluation.ground_truth import GroundTruth
from sor_ppa.evaluation.rle import decode_masks
from tests.evaluation.scenes import PLACES, SIZE_HW, annotation, dataset_dicts, rectangle


def test_empty() -> None:
    gt = GroundTruth([])
    assert len(gt) == 0 and gt.names == () and not gt.has(0) and gt.ranks_left_out() == 0


@pytest.mark.parametrize("ranks", [[], [0], [1, 2, 3, 4]])
def test_objects(ranks: list[int]) -> None:
    gt = GroundTruth(dataset_dicts([ranks]))
    objects = gt.objects(0)
    assert objects.ranks.tolist() == ranks and objects.size_hw == SIZE_HW
    for mask, place in zip(objects.masks, PLACES, strict=False):
        assert (mask == rectangle(*place)).all()
    assert (gt.rank_map(0, objects) > 0).sum() == sum(m.sum() for m in objects.ranked().masks)


def test_no_annotations_key() -> None:
    image = dataset_dicts([[]])[0]
    del image["annotations"]
    assert len(GroundTruth([image]).objects(0)) == 0


@pytest.mark.parametrize("num_ranks, ranks, left_out", [(5, [1, 0, 4], 1), (8, [1, 7, 4], 0)])
def test_ranks_beyond(num_ranks: int, ranks: list[int], left_out: int) -> None:
    gt = GroundTruth(dataset_dicts([[1, 7, 4]]), num_ranks=num_ranks)
    assert gt.objects(0).ranks.tolist() == ranks
    assert gt.ranks_left_out() == left_out


@pytest.mark.parametrize(
    "file_names, names",
    [
        (["a.jpg", "x/b.c.png"], ("a", "b.c")),
        (["x/a.jpg", "y/a.jpg", "b.jpg"], ("a_0", "a_1", "b")),
        (["x/a.jpg", "y/a.jpg", "a_0.jpg"], ("a_0_", "a_1", "a_0")),
    ],
)
def test_output_names_are_unique(file_names: list[str], names: tuple[str, ...]) -> None:
    dicts = dataset_dicts([[]] * len(file_names))
    for image, name in zip(dicts, file_names, strict=True):
        image["file_name"] = name
    assert GroundTruth(dicts).names == names


@pytest.mark.parametrize("ranked_only, kept", [(True, [0, 2]), (False, [0, 1, 2])])
def test_records(ranked_only: bool, kept: list[int]) -> None:
    dicts = dataset_dicts([[1, 0]])
    x, y, w, h = PLACES[2]
    dicts[0]["annotations"].append(
        annotation(2, 0, iscrowd=1, bbox=[x, y, x + w, y + h], bbox_mode=BoxMode.XYXY_ABS)
    )
    records = GroundTruth(dicts, ranked_only=ranked_only).records(0)
    assert [record["bbox"] for record in records] == [list(PLACES[k]) for k in kept]
    assert [record["iscrowd"] for record in records][-1] == 1
    masks = decode_masks([record["segmentation"] for record in records], size_hw=SIZE_HW)
    assert (masks == np.array([rectangle(*PLACES[k]) for k in kept])).all()
    assert len(GroundTruth(dicts).objects(0)) == 2  # the crowd is no object


@pytest.mark.parametrize("segmentation", [None, [], [[0, 0, float("nan"), 1, 2, 2]]])
def test_faulty_segmentation(segmentation: Any) -> None:
    dicts = dataset_dicts([[1]])
    dicts[0]["annotations"][0]["segmentation"] = segmentation
    gt = GroundTruth(dicts, name="mine")
    for method in (gt.objects, gt.records):
        with pytest.raises(DataError, match="mine: image 100: segmentation"):
            method(0)


def test_all_faults_at_once(tmp_path: Path) -> None:
    dicts = dataset_dicts([[1]] * 3)
    dicts[2]["image_id"] = 100
    write_image(tmp_path / "picture_1.png", np.zeros(SIZE_HW, dtype=np.uint8))
    with pytest.raises(DataError) as error:
        GroundTruth(dicts, gt_root=str(tmp_path))
    assert len(error.value.problems) == 3  # one id twice, two maps missing
    with pytest.raises(DataError) as error:
        GroundTruth(dicts[:2], gt_root=str(tmp_path / "nowhere"))
    assert len(error.value.problems) == 2


@pytest.mark.parametrize("grey, warns", [(0, False), (229, False), (230, True)])
def test_maps_with_other_greys(
    tmp_path: Path, grey: int, warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    dicts = dataset_dicts([[1], [1]])
    for index in (0, 1):
        write_image(tmp_path / f"picture_{index}.png", np.full(SIZE_HW, grey, dtype=np.uint8))
    gt = GroundTruth(dicts, gt_root=str(tmp_path))
    with caplog.at_level(logging.WARNING):
        for index in (0, 1):
            gt.rank_map(index, gt.objects(index))
    assert caplog.text.count(f"greys such as {grey}") == warns
