from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sor_ppa.data.image_io import write_image
from sor_ppa.errors import DataError, ImageError
from sor_ppa.evaluation.ground_truth import GroundTruth
from sor_ppa.evaluation.results_io import RankedResults, instances_to_records
from sor_ppa.evaluation.saved_predictions import RankMapSource, ResultsSource, SaliencySource
from tests.evaluation.scenes import PLACES, SIZE_HW, dataset_dicts, instances, rectangle

HEIGHT, WIDTH = SIZE_HW


def _gt(*ranks: list[int]) -> GroundTruth:
    return GroundTruth(dataset_dicts(ranks))


def _image(image_id: int | str, file_name: str | None = None, **more: Any) -> dict[str, Any]:
    entry = {"id": image_id, "height": HEIGHT, "width": WIDTH, **more}
    return entry if file_name is None else {**entry, "file_name": file_name}


def _results(images: list[dict] | None, **places: Any) -> RankedResults:
    """Results with an object at place 0 for every listed image, or for bare ids."""
    ids = [image["id"] for image in images] if images is not None else places["ids"]
    records = [r for key in ids for r in instances_to_records(instances([0], [1]), key)]
    known = {image["id"]: image for image in images} if images is not None else None
    return RankedResults({}, known, records)


def test_empty_results() -> None:
    bare = ResultsSource(RankedResults(), _gt([1], [1]))
    assert bare.missing == bare.extra == []  # a bare list cannot tell
    assert bare.has(1) and bare.records(1) == []
    listed = ResultsSource(RankedResults(images={}), _gt([1], [1]))
    assert listed.missing == ["picture_0", "picture_1"] and not listed.has(0)


def test_bare_list_goes_by_id() -> None:
    source = ResultsSource(_results(None, ids=[101, 7]), _gt([1], [1]))
    assert [len(source.records(index)) for index in (0, 1)] == [0, 1]
    assert source.extra == ["image 7"] and source.missing == []


@pytest.mark.parametrize(
    "images, found, missing, extra",
    [
        ([_image(100), _image(101)], [0, 1], [], []),
        ([_image(100, "picture_0.png")], [0], ["picture_1"], []),
        ([_image(0, "picture_1.jpg"), _image(1, "a/picture_0.jpg")], [0, 1], [], []),
        ([_image("x", "other.jpg")], [], ["picture_0", "picture_1"], ["image 'x' (other.jpg)"]),
        # Ids of another numbering that happen to exist: the names decide.
        ([_image(100, "picture_1.jpg"), _image(101, "picture_0.jpg")], [0, 1], [], []),
    ],
)
def test_images_are_matched(
    images: list[dict], found: list[int], missing: list[str], extra: list[str]
) -> None:
    gt = _gt([1], [1])
    source = ResultsSource(_results(images), gt)
    assert [index for index in range(2) if source.has(index)] == found
    assert (source.missing, source.extra) == (missing, extra)
    for index in found:
        ids = {image["id"] for image in images if gt.stem(index) in image.get("file_name", "")}
        assert not ids or source.records(index)[0]["image_id"] in ids


@pytest.mark.parametrize(
    "images, message",
    [
        ([_image(100, "other.jpg")], "in the ground truth that id is 'picture_0.jpg'"),
        ([_image(100), _image(5, "picture_0.jpg")], "listed before"),
        ([_image(100, height=9)], "9 x 64"),
    ],
)
def test_images_that_contradict(images: list[dict], message: str) -> None:
    with pytest.raises(DataError, match=message):
        ResultsSource(_results(images), _gt([1]))


def test_results_are_decoded() -> None:
    gt = _gt([1, 2])
    records = instances_to_records(instances([1, 0], [2, 1], [0.5, 0.25]), 100)
    source = ResultsSource(RankedResults(records=records), gt)
    objects = source.load(0, gt.objects(0), num_ranks=5).objects
    assert objects.ranks.tolist() == [2, 1] and objects.scores.tolist() == [0.5, 0.25]
    assert (objects.masks[1] == rectangle(*PLACES[0])).all()


def test_masks_of_another_size() -> None:
    gt = _gt([1])
    record = instances_to_records(instances([0], [1]), 100)[0]
    record["segmentation"] = {"size": [5, 5], "counts": "a0"}
    source = ResultsSource(RankedResults(records=[record]), gt)
    with pytest.raises(DataError, match="5 x 5"):
        source.load(0, gt.objects(0), num_ranks=5)


def _map(**greys: int) -> np.ndarray:
    canvas = np.zeros(SIZE_HW, dtype=np.uint8)
    for name, grey in greys.items():
        canvas[rectangle(*PLACES[int(name[1])])] = grey
    return canvas


@pytest.mark.parametrize("content", ["nothing", "an empty folder", "a text"])
def test_no_maps(tmp_path: Path, content: str) -> None:
    folder = tmp_path / "maps"
    if content != "nothing":
        folder.mkdir()
    if content == "a text":
        (folder / "readme.txt").write_text("hello")
    with pytest.raises(DataError, match="no such folder|no picture"):
        RankMapSource(folder, _gt([1]))


def test_rank_maps(tmp_path: Path) -> None:
    gt = _gt([1, 2], [1], [1])
    write_image(tmp_path / "picture_0.png", _map(p0=229, p1=255))
    write_image(tmp_path / "picture_2.png", _map())
    write_image(tmp_path / "stranger.png", _map())
    source = RankMapSource(tmp_path, gt)
    assert (source.missing, source.extra) == (["picture_1"], ["stranger.png"])
    assert [source.has(index) for index in range(3)] == [True, False, True]
    saved = source.load(0, gt.objects(0), num_ranks=5)
    assert saved.objects.ranks.tolist() == [1, 2] and not saved.looks_dense
    assert (saved.objects.masks[0] == rectangle(*PLACES[1])).all()
    assert (saved.rank_map == _map(p0=229, p1=255)).all()
    assert len(source.load(2, gt.objects(2), num_ranks=5).objects) == 0
    assert source.records(0) == [] and not source.has_scores


def test_maps_that_look_dense(tmp_path: Path) -> None:
    gt = _gt([1], [1])
    ramp = np.tile(np.arange(WIDTH, dtype=np.uint8), (HEIGHT, 1))
    write_image(tmp_path / "picture_0.png", ramp)  # no flat grey
    write_image(tmp_path / "picture_1.png", ramp // 4 * 4)  # too many of them
    source = RankMapSource(tmp_path, gt)
    for index, count in ((0, 0), (1, 5)):
        saved = source.load(index, gt.objects(index), num_ranks=5)
        assert saved.looks_dense and len(saved.objects) == count


def test_unusable_maps(tmp_path: Path) -> None:
    gt = _gt([1], [1])
    write_image(tmp_path / "picture_0.png", np.zeros((5, 5), dtype=np.uint8))
    (tmp_path / "picture_1.png").write_bytes(b"")
    source = RankMapSource(tmp_path, gt)
    with pytest.raises(DataError, match="5 x 5"):
        source.load(0, gt.objects(0), num_ranks=5)
    with pytest.raises(ImageError, match="picture_1.png"):
        source.load(1, gt.objects(1), num_ranks=5)


def test_true_objects_ranked_by_saliency(tmp_path: Path) -> None:
    gt = _gt([2, 1, 3, 0])
    write_image(tmp_path / "picture_0.png", _map(p0=90, p1=40, p3=200))
    source = SaliencySource(tmp_path, gt)
    saved = source.load(0, gt.objects(0), num_ranks=5)
    # The fourth has no true rank and is no candidate; the third is not in the map.
    assert saved.objects.ranks.tolist() == [1, 2, 0]
    assert saved.rank_map is None and not source.has_scores and source.records(0) == []


def test_given_objects_ranked_by_saliency(tmp_path: Path) -> None:
    gt = _gt([1, 2], [1])
    for index in (0, 1):
        write_image(tmp_path / f"picture_{index}.png", _map(p0=9, p3=200))
    records = instances_to_records(instances([0, 3], [0, 0], [0.5, 0.25]), 100)
    images: dict[int | str, dict[str, Any]] = {100: _image(100)}
    objects = ResultsSource(RankedResults({}, images, records), gt)
    source = SaliencySource(tmp_path, gt, objects)
    saved = source.load(0, gt.objects(0), num_ranks=5)
    assert saved.objects.ranks.tolist() == [2, 1] and saved.objects.scores.tolist() == [0.5, 0.25]
    assert source.has_scores and source.records(0) == records
    assert source.missing == ["picture_1"] and not source.has(1)
