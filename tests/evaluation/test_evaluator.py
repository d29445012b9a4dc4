from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch.multiprocessing as mp
from detectron2.evaluation import inference_on_dataset, print_csv_format
from detectron2.structures import Instances
from torch import nn

from sor_ppa.data.image_io import read_grey, write_image
from sor_ppa.errors import ConfigError, DataError
from sor_ppa.evaluation import RankingEvaluator, read_results
from sor_ppa.visualization.rank_maps import DRAWINGS, paint_rank_map
from tests.evaluation import two_processes
from tests.evaluation.scenes import (
    PLACES,
    SIZE_HW,
    annotation,
    dataset_dicts,
    instances,
    random_instances,
    rectangle,
    registered,
)


def _evaluate(dicts: list[dict[str, Any]], outputs: list[Instances], **options: Any) -> Any:
    metadata = options.pop("metadata", {})
    with registered("evaluator_test", dicts, **metadata):
        evaluator = RankingEvaluator("evaluator_test", **options)
        inputs = [{"image_id": item["image_id"]} for item in dicts[: len(outputs)]]
        evaluator.process(inputs, [{"instances": output} for output in outputs])
        return evaluator.evaluate()


def test_empty_data_set(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    results = _evaluate([], [], output_dir=str(tmp_path))
    ranking = results["ranking"]
    assert ranking["images"] == ranking["images_used"] == 0
    assert all(math.isnan(ranking[name]) for name in ("SOR", "SA-SOR", "MAE", "top1"))
    assert math.isnan(results["bbox"]["AP"]) and math.isnan(results["segm"]["AP"])
    document = json.loads((tmp_path / "metrics.json").read_text())
    assert document["runs"][0]["ranking"]["SOR"] is None  # JSON has no NaN


def test_nothing_was_processed(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        results = _evaluate(dataset_dicts([[1, 2], [1]]), [])
    assert results["ranking"]["images"] == 0
    assert "2 of 2 images were not evaluated" in caplog.text


@pytest.mark.parametrize("output", [instances([], []), Instances(SIZE_HW), instances([0], [0])])
def test_no_ranked_prediction(output: Instances) -> None:
    results = _evaluate(dataset_dicts([[1, 2]]), [output])
    ranking = results["ranking"]
    assert math.isnan(ranking["SOR"]) and ranking["images_used"] == 0
    assert ranking["SA-SOR"] == 0.0 and ranking["top1"] == 0.0
    areas = [PLACES[k][2] * PLACES[k][3] for k in (0, 1)]
    expected = (areas[0] * 255 + areas[1] * 229) / 255 / (SIZE_HW[0] * SIZE_HW[1])
    assert ranking["MAE"] == pytest.approx(expected, abs=1e-6)
    assert not math.isnan(results["bbox"]["AP"])


def test_no_true_object() -> None:
    results = _evaluate(dataset_dicts([[], [0]]), [instances([0], [1])] * 2)
    ranking = results["ranking"]
    assert ranking["images"] == 2 and ranking["objects"] == 0
    assert all(math.isnan(ranking[name]) for name in ("SOR", "SA-SOR", "top1", "nDCG"))
    assert ranking["MAE"] > 0
    assert math.isnan(results["segm"]["AP"])


@pytest.mark.parametrize("drawing", DRAWINGS)
@pytest.mark.parametrize("protocol", ["ppa", "irsr", "seqrank"])
def test_perfect_output(protocol: str, drawing: str) -> None:
    outputs = [instances([0, 1, 2], [2, 1, 3]), instances([0, 1], [1, 2])]
    dicts = dataset_dicts([[2, 1, 3], [1, 2]])
    results = _evaluate(dicts, outputs, protocol=protocol, drawing=drawing)
    ranking = results["ranking"]
    assert (ranking["SOR"], ranking["top1"]) == (1.0, 1.0)
    assert ranking["SA-SOR"] == pytest.approx(1.0)
    assert ranking["images"] == ranking["images_used"] == 2
    assert (ranking["MAE"] == 0) == (drawing == "exact")
    assert results["bbox"]["AP50"] == results["segm"]["AP50"] == pytest.approx(100)


def test_known_scores() -> None:
    """First image: order turned around. Second: one of two objects found, but not the top one."""
    dicts = dataset_dicts([[1, 2], [1, 2]])
    results = _evaluate(dicts, [instances([0, 1], [2, 1]), instances([1], [1])])
    ranking = results["ranking"]
    assert ranking["SOR"] == 0.5  # rho -1 and, a single object, 1
    assert ranking["SA-SOR"] == pytest.approx(-1.0)  # (0, 1) against (2, 1): -1 both times
    assert ranking["top1"] == 0.0
    assert (ranking["objects"], ranking["objects_found"]) == (4, 3)
    assert results["bbox"]["AR"] == pytest.approx(75)


def test_ranks_beyond_the_number_of_ranks(caplog: pytest.LogCaptureFixture) -> None:
    dicts = dataset_dicts([[1, 2, 3]])
    with caplog.at_level(logging.WARNING):
        results = _evaluate(dicts, [instances([0, 1, 2], [1, 2, 3])], num_ranks=2)
    assert results["ranking"]["objects"] == 2 and results["ranking"]["MAE"] == 0
    assert "1 true objects have a rank above 2" in caplog.text


@pytest.mark.parametrize("ranked_only, ap50", [(True, 100 / 3), (False, 100.0)])
def test_unranked_objects_in_ap(ranked_only: bool, ap50: float) -> None:
    """One of three objects has a rank; the others are hits or background."""
    output = instances([0, 1, 2], [2, 3, 1], [0.9, 0.8, 0.7])
    results = _evaluate(dataset_dicts([[0, 0, 1]]), [output], ranked_only=ranked_only)
    assert results["bbox"]["AP50"] == pytest.approx(ap50)


def test_crowds_are_no_objects() -> None:
    dicts = dataset_dicts([[1]])
    dicts[0]["annotations"].append(annotation(1, 0, iscrowd=1))
    results = _evaluate(dicts, [instances([0, 1], [1, 0], [0.1, 0.9])])
    assert results["ranking"]["objects"] == 1
    assert results["segm"]["AP50"] == pytest.approx(100)


def test_files(tmp_path: Path) -> None:
    dicts = dataset_dicts([[1, 2], [1]])
    dicts[1]["file_name"] = "/elsewhere/picture_0.png"  # the same stem once more
    output = instances([0, 1], [1, 2], [0.5, 0.25])
    results = _evaluate(dicts, [output, instances([], [])], output_dir=str(tmp_path / "a" / "b"))
    folder = tmp_path / "a" / "b"
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    maps = ["rank_maps/picture_0_0.png", "rank_maps/picture_0_1.png"]
    assert names == ["metrics.json", *maps, "ranked_instances.json"]
    masks = np.stack([rectangle(*PLACES[0]), rectangle(*PLACES[1])])
    expected = paint_rank_map(masks, [1, 2], size_hw=SIZE_HW)
    assert (read_grey(folder / maps[0]) == expected).all()
    assert not read_grey(folder / maps[1]).any()
    saved = read_results(folder / "ranked_instances.json")
    assert [record["rank"] for record in saved.records] == [1, 2]
    assert list(saved.images or {}) == [100, 101] and saved.info["num_ranks"] == 5
    document = json.loads((folder / "metrics.json").read_text())
    run = document["runs"][0]
    assert run["protocol"]["coverage"] == 0.5 and run["protocol"]["drawing"] == "exact"
    assert run["ranking"]["SOR"] == results["ranking"]["SOR"]


@pytest.mark.parametrize("options", [{"save": False}, {}])
def test_nothing_is_written_unless_asked(
    tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = {"output_dir": str(tmp_path)} if options else {}
    options = {"coco": False, **options, **folder}
    results = _evaluate(dataset_dicts([[1]]), [instances([0], [1])], **options)
    assert list(results) == ["ranking"]
    assert not list(tmp_path.iterdir())


def test_true_maps_of_the_data_set(tmp_path: Path) -> None:
    dicts = dataset_dicts([[1]])
    gt_map = np.zeros(SIZE_HW, dtype=np.uint8)
    gt_map[:, :32] = 255
    write_image(tmp_path / "picture_0.png", gt_map)
    metadata = {"gt_root": str(tmp_path)}
    results = _evaluate(dicts, [instances([], [])], metadata=metadata)
    assert results["ranking"]["MAE"] == 0.5


@pytest.mark.parametrize(
    "gt_map, message", [(None, "no true rank map"), (np.zeros((9, 9), np.uint8), "9 x 9")]
)
def test_faulty_true_maps(tmp_path: Path, gt_map: np.ndarray | None, message: str) -> None:
    if gt_map is not None:
        write_image(tmp_path / "picture_0.png", gt_map)
    with pytest.raises(DataError, match=message):
        _evaluate(dataset_dicts([[1]]), [instances([], [])], metadata={"gt_root": str(tmp_path)})


def test_size_from_the_picture(tmp_path: Path) -> None:
    dicts = dataset_dicts([[1]])
    write_image(tmp_path / "p.png", np.zeros((*SIZE_HW, 3), dtype=np.uint8))
    dicts[0] = {**dicts[0], "file_name": str(tmp_path / "p.png")}
    del dicts[0]["height"], dicts[0]["width"]
    assert _evaluate(dicts, [instances([0], [1])])["ranking"]["MAE"] == 0


def test_an_image_twice_counts_once() -> None:
    with registered("evaluator_test", dataset_dicts([[1, 2]])):
        evaluator = RankingEvaluator("evaluator_test")
        for _ in range(2):
            evaluator.process([{"image_id": 100}], [{"instances": instances([0, 1], [1, 2])}])
        results = evaluator.evaluate()
        assert results["ranking"]["images"] == 1 and results["bbox"]["AP50"] == pytest.approx(100)
        evaluator.reset()
        assert evaluator.evaluate()["ranking"]["images"] == 0


def _without(output: Instances, *names: str) -> Instances:
    for name in names:
        output.remove(name)
    return output


def _resized() -> Instances:
    output = _without(instances([0], [1]), "pred_masks")
    output.pred_masks = instances([0], [1]).pred_masks[:, :-1]
    return output


@pytest.mark.parametrize(
    "output, message",
    [
        (_without(instances([0], [1]), "pred_ranks"), "pred_ranks"),
        (_without(instances([0], [1]), "pred_masks"), "pred_masks"),
        (_resized(), "47 x 64"),
    ],
)
def test_unusable_output(output: Instances, message: str) -> None:
    with pytest.raises(DataError, match=message):
        _evaluate(dataset_dicts([[1]]), [output])


def test_an_image_of_another_data_set() -> None:
    with registered("evaluator_test", dataset_dicts([[1]])):
        evaluator = RankingEvaluator("evaluator_test")
        with pytest.raises(DataError, match="image_id 5 is not in evaluator_test"):
            evaluator.process([{"image_id": 5}], [{"instances": instances([], [])}])


def test_an_image_id_twice() -> None:
    dicts = dataset_dicts([[1], [1]])
    dicts[1]["image_id"] = 100
    with pytest.raises(DataError, match="100 is used twice"):
        _evaluate(dicts, [])


def test_unknown_protocol() -> None:
    with pytest.raises(ConfigError, match="seqrank"):
        _evaluate([], [], protocol="best")


class _Model(nn.Module):
    """Answers from the image id."""

    def forward(self, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"instances": random_instances(item["image_id"])} for item in inputs]


def test_under_detectron2s_loop(caplog: pytest.LogCaptureFixture) -> None:
    dicts = dataset_dicts([[1, 2]] * 12)
    with registered("evaluator_test", dicts):
        loader = [[{"image_id": item["image_id"]}] for item in dicts]
        results = inference_on_dataset(_Model(), loader, RankingEvaluator("evaluator_test"))
        with caplog.at_level(logging.INFO):
            print_csv_format(results)
    assert list(results) == ["ranking", "bbox", "segm"]
    assert results["ranking"]["images"] == 12


# Two even shares; one with all but one; one with padding by repeated images; one empty.
SHARES = [
    [[0, 2, 4, 6], [1, 3, 5]],
    [[6], [5, 4, 3, 2, 1, 0]],
    [[0, 1, 2, 3], [4, 5, 6, 0]],
    [[0, 1, 2, 3, 4, 5, 6], []],
]


def test_two_processes_agree_with_one_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    single = tmp_path / "single"
    with registered("two_processes", dataset_dicts(two_processes.RANKS)):
        expected = two_processes.evaluate(list(range(7)), str(single))
    for number in range(len(SHARES)):
        (tmp_path / str(number)).mkdir()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    mp.spawn(two_processes.run, (str(tmp_path / "meeting"), SHARES, str(tmp_path)), nprocs=2)
    for number in range(len(SHARES)):
        both = tmp_path / str(number)
        assert (both / "results_0.json").read_text() == json.dumps(expected)  # NaN included
        assert json.loads((both / "results_1.json").read_text()) == {}
        for path in single.rglob("*.*"):
            same = both / path.relative_to(single)
            assert same.read_bytes() == path.read_bytes(), path
