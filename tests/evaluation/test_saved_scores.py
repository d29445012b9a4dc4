from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sor_ppa.data.image_io import write_image
from sor_ppa.errors import DataError
from sor_ppa.evaluation import RankingEvaluator
from sor_ppa.evaluation.ground_truth import GroundTruth
from sor_ppa.evaluation.protocols import PROTOCOLS, get_protocol
from sor_ppa.evaluation.results_io import RankedResults, instances_to_records, read_results
from sor_ppa.evaluation.saved_predictions import RankMapSource, ResultsSource
from sor_ppa.evaluation.saved_scores import score_saved
from tests.evaluation.scenes import SIZE_HW, dataset_dicts, instances, random_instances, registered

RANKS = [[1, 2, 3], [1], [], [2, 1, 3, 4], [0, 1], [1, 2], [3, 2, 1]]
PPA = [PROTOCOLS["ppa"]]


def _random_source(gt: GroundTruth) -> ResultsSource:
    ids = [100 + index for index in range(len(gt))]
    records = [r for key in ids for r in instances_to_records(random_instances(key), key)]
    return ResultsSource(RankedResults(records=records), gt)


def test_empty_data_set() -> None:
    gt = GroundTruth([])
    scores = score_saved(gt, ResultsSource(RankedResults(), gt), protocols=PPA)
    assert len(scores.runs) == 1 and scores.skipped == 0
    assert math.isnan(scores.runs[0].scores["ranking"]["SOR"])


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
@pytest.mark.parametrize("drawing", ["exact", "published"])
def test_saved_and_live_agree_exactly(tmp_path: Path, protocol: str, drawing: str) -> None:
    """What the evaluator wrote scores the same as what it saw."""
    dicts = dataset_dicts(RANKS)
    with registered("saved_test", dicts):
        evaluator = RankingEvaluator(
            "saved_test", protocol=protocol, drawing=drawing, output_dir=str(tmp_path)
        )
        for item in dicts:
            output = {"instances": random_instances(item["image_id"])}
            evaluator.process([item], [output])
        live = evaluator.evaluate()
    gt = GroundTruth(dicts)
    source = ResultsSource(read_results(tmp_path / "ranked_instances.json"), gt)
    scores = score_saved(gt, source, protocols=[get_protocol(protocol, drawing=drawing)])
    assert repr(dict(scores.runs[0].scores)) == repr(dict(live))  # repr: NaN equals NaN
    # The maps alone: everything that is read off the map agrees too.
    scores = score_saved(
        gt, RankMapSource(tmp_path / "rank_maps", gt), protocols=[get_protocol(protocol)]
    )
    maps = scores.runs[0].scores["ranking"]
    keys = ["MAE", "MAE_binary", "nDCG", "images"] + (["SOR"] if protocol != "seqrank" else [])
    assert [maps[key] for key in keys] == [live["ranking"][key] for key in keys]
    assert set(scores.runs[0].scores) == {"ranking"}  # no scores, no AP


@pytest.mark.parametrize("num_workers", [1, 2])
def test_processes_do_not_change_anything(num_workers: int) -> None:
    gt = GroundTruth(dataset_dicts(RANKS * 3))
    options: dict[str, Any] = {"protocols": list(PROTOCOLS.values()), "thresholds": [None, 0.4]}
    alone = score_saved(gt, _random_source(gt), **options)
    others = score_saved(gt, _random_source(gt), num_workers=num_workers, **options)
    assert repr(alone) == repr(others)


def test_thresholds() -> None:
    gt = GroundTruth(dataset_dicts([[1, 2]]))
    records = instances_to_records(instances([0, 1, 2], [1, 2, 3], [0.9, 0.5, 0.3]), 100)
    source = ResultsSource(RankedResults(records=records), gt)
    thresholds = [None, 0.3, 0.5, 0.51, 1.0]
    runs = score_saved(gt, source, protocols=PPA, thresholds=thresholds).runs
    assert [run.min_score for run in runs] == thresholds
    assert [run.images[0][2].num_pred for run in runs] == [3, 3, 2, 1, 0]  # not below
    assert [run.images[0][2].rho_kind for run in runs][2:] == ["spearman", "single", "none"]
    assert [run.scores["bbox"]["AR"] for run in runs] == pytest.approx([100, 100, 100, 50, 0])


def test_order_of_runs_and_rows() -> None:
    gt = GroundTruth(dataset_dicts([[1], [1, 2]]))
    protocols = [PROTOCOLS["irsr"], PROTOCOLS["ppa"]]
    scores = score_saved(gt, _random_source(gt), protocols=protocols, thresholds=[None, 0.1])
    names = [(run.protocol.name, run.min_score) for run in scores.runs]
    assert names == [("irsr", None), ("irsr", 0.1), ("ppa", None), ("ppa", 0.1)]
    assert [row[:2] for row in scores.runs[0].images] == [
        (100, "/nowhere/picture_0.jpg"),
        (101, "/nowhere/picture_1.jpg"),
    ]


def _faulty_maps(folder: Path) -> None:
    """Of picture 0 to 3: good, cut, of another size, missing; and one too many."""
    write_image(folder / "picture_0.png", np.zeros(SIZE_HW, dtype=np.uint8))
    (folder / "picture_1.png").write_bytes((folder / "picture_0.png").read_bytes()[:40])
    write_image(folder / "picture_2.png", np.zeros((4, 4), dtype=np.uint8))
    write_image(folder / "stranger.png", np.zeros(SIZE_HW, dtype=np.uint8))


def test_missing_and_extra_predictions(tmp_path: Path) -> None:
    _faulty_maps(tmp_path)
    gt = GroundTruth(dataset_dicts([[1]] * 4))
    source = RankMapSource(tmp_path, gt)
    with pytest.raises(DataError, match="--allow-missing") as error:
        score_saved(gt, source, protocols=PPA)
    assert error.value.problems == [
        "no prediction for picture_3",
        "stranger.png: not in the ground truth",
    ]
    scores = score_saved(gt, source, protocols=PPA, allow_missing=True)
    assert scores.runs[0].scores["ranking"]["images"] == 1
    assert (scores.missing, scores.extra) == (["picture_3"], ["stranger.png"])
    assert len(scores.faults) == 2 and scores.skipped == 4
    assert "picture_1.png" in scores.faults[0] and "4 x 4" in scores.faults[1]


def test_unusable_predictions_are_all_listed(tmp_path: Path) -> None:
    _faulty_maps(tmp_path)
    (tmp_path / "stranger.png").unlink()
    gt = GroundTruth(dataset_dicts([[1]] * 3))
    with pytest.raises(DataError) as error:
        score_saved(gt, RankMapSource(tmp_path, gt), protocols=PPA)
    assert len(error.value.problems) == 2


def test_nothing_left_to_score(tmp_path: Path) -> None:
    write_image(tmp_path / "stranger.png", np.zeros(SIZE_HW, dtype=np.uint8))
    gt = GroundTruth(dataset_dicts([[1]]))
    with pytest.raises(DataError, match="none is left"):
        score_saved(gt, RankMapSource(tmp_path, gt), protocols=PPA, allow_missing=True)


def test_dense_maps_are_noticed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ramp = np.tile(np.arange(SIZE_HW[1], dtype=np.uint8), (SIZE_HW[0], 1))
    write_image(tmp_path / "picture_0.png", ramp)
    gt = GroundTruth(dataset_dicts([[1]]))
    with caplog.at_level(logging.WARNING):
        score_saved(gt, RankMapSource(tmp_path, gt), protocols=PPA)
    assert "1 of 1 maps" in caplog.text and "--rank-by-saliency" in caplog.text


def test_progress_sees_every_image() -> None:
    seen = []

    def progress(items: Iterable[Any], total: int) -> Iterable[Any]:
        for item in items:
            seen.append(total)
            yield item

    gt = GroundTruth(dataset_dicts(RANKS))
    score_saved(gt, _random_source(gt), protocols=PPA, progress=progress)
    assert seen == [7] * 7
