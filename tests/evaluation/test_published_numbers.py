"""The numbers of the published evaluators on 25 made-up pictures, to 1e-9."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sor_ppa.data.ranking.annotations import segmentation_to_mask
from sor_ppa.evaluation.ranking import (
    map_mae,
    mask_iou,
    sa_sor_of_image,
    sa_sor_score,
    sor_score,
    spearman_rho_of_map,
)

GOLDEN = Path(__file__).parents[1] / "goldens" / "sor_metrics.npz"
SIZE_HW = (480, 640)


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    with np.load(GOLDEN) as arrays:
        return {
            name: json.loads(str(value)) if name.endswith("_json") else value
            for name, value in arrays.items()
        }


def _masks(objects: list[list[list[float]]]) -> np.ndarray:
    masks = [segmentation_to_mask(polygons, *SIZE_HW) for polygons in objects]
    return np.array(masks, dtype=bool).reshape(-1, *SIZE_HW)


def test_mae(golden: dict[str, Any]) -> None:
    for binary, suffix in ((False, "mae"), (True, "mae_binary")):
        pairs = zip(golden["pred_maps"], golden["gt_maps"], strict=True)
        values = [map_mae(pred, gt, binary=binary) for pred, gt in pairs]
        assert np.abs(values - golden[f"per_image_{suffix}"]).max() < 1e-9
        assert abs(np.mean(values) - golden[suffix]) < 1e-9


def test_sor(golden: dict[str, Any]) -> None:
    rhos = []
    for index, pred_map in enumerate(golden["pred_maps"]):
        # rank_order 1.0, 0.9 ... 0.6 are rank 1 ... 5; anything else has none.
        ranks = [11 - round(10 * value) for value in golden["rank_orders_json"][index]]
        salient = [k for k, rank in enumerate(ranks) if rank <= 5]
        masks = _masks([golden["objects_json"][index][k] for k in salient])
        found = spearman_rho_of_map(pred_map, masks, [ranks[k] for k in salient])
        assert found.kind == golden["per_image_kind"][index], index
        assert list(found.used) == golden["used_indices_json"][index], index
        rhos.append(found.rho)
    assert np.allclose(rhos, golden["per_image_spearman"], rtol=0, atol=1e-9, equal_nan=True)
    score = sor_score(rhos)
    assert abs(score.sor - golden["sor_normalised"]) < 1e-9
    assert abs(score.mean_rho - golden["sor_raw_mean"]) < 1e-9
    assert score.images_used == golden["images_used"]


def test_sa_sor(golden: dict[str, Any]) -> None:
    values = []
    for case in golden["sasor_sets_json"]:
        iou = mask_iou(_masks(case["gt"]), _masks(case["pred"]))
        values.append(sa_sor_of_image(iou, case["gt_ranks"], case["rank_scores"]).value)
    assert np.allclose(values, golden["sasor_per_image"], rtol=0, atol=1e-9, equal_nan=True)
    assert abs(sa_sor_score(values) - golden["sasor"]) < 1e-9
