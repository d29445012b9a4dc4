"""Selecting boxes from raw maps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sor_ppa.errors import ConfigError
from sor_ppa.modeling.proposals.fcos import FCOS
from sor_ppa.modeling.proposals.fcos_boxes import SelectionRule, select_boxes
from sor_ppa.modeling.proposals.fcos_head import FCOSHead, LevelPrediction
from sor_ppa.modeling.proposals.fcos_targets import level_locations
from tests.modeling import golden

RULE = SelectionRule(
    threshold=0.5, with_centerness=False, nms_iou=0.6, pre_nms_topk=1000, post_nms_topk=100
)


def _select(logits: list, rule: SelectionRule, reach: float = 0.4, center: float = 9.0) -> list:
    """One level of stride 8, one row of cells, boxes of +- reach strides around each centre."""
    n = len(logits)
    prediction = LevelPrediction(
        logits=torch.tensor(logits).reshape(1, 1, 1, n),
        distances=torch.full((1, 4, 1, n), reach),
        centerness=torch.full((1, 1, 1, n), center),
    )
    points = level_locations(1, n, 8, torch.device("cpu"))
    (found,) = select_boxes([prediction], [points], [8], [(8, 8 * n)], rule)
    return [round(float(x) / 8 - 0.5) for x in found.locations[:, 0]]


@pytest.mark.parametrize(
    ("logits", "rule", "reach", "cells"),
    [
        ([-1.0, -1.0], RULE, 0.4, []),
        ([1.0, 3.0, 2.0], RULE, 0.4, [1, 2, 0]),
        ([0.0, 1.0], RULE, 0.4, [1]),  # 0.5 is not above 0.5
        ([1.0, 3.0, 2.0], replace(RULE, pre_nms_topk=2), 0.4, [1, 2]),
        ([1.0, 3.0, 2.0], replace(RULE, post_nms_topk=1), 0.4, [1]),
        ([1.0, 3.0, 3.0], replace(RULE, post_nms_topk=1), 0.4, [1, 2]),  # ties stay
        ([1.0, 3.0, 2.0], RULE, 5.0, [1]),  # overlapping boxes
        ([1.0, 3.0, 2.0], replace(RULE, nms_iou=0.0), 5.0, [0, 1, 2]),
    ],
)
def test_selection(logits: list, rule: SelectionRule, reach: float, cells: list[int]) -> None:
    found = _select(logits, rule, reach)
    assert found == cells or (rule.nms_iou <= 0 and sorted(found) == cells)


def test_threshold_may_include_centerness() -> None:
    assert _select([1.0], RULE, center=-1.0) == [0]
    assert _select([1.0], replace(RULE, with_centerness=True), center=-1.0) == []


def test_boxes_are_not_clipped_and_scores_are_roots() -> None:
    prediction = LevelPrediction(
        torch.full((1, 1, 1, 1), 2.0), torch.full((1, 4, 1, 1), 3.0), torch.zeros(1, 1, 1, 1)
    )
    points = level_locations(1, 1, 8, torch.device("cpu"))
    (found,) = select_boxes([prediction], [points], [8], [(8, 8)], RULE)
    assert found.pred_boxes.tensor.tolist() == [[-20.0, -20.0, 28.0, 28.0]]
    expected = np.sqrt(0.5 / (1 + np.exp(-2.0)))
    assert float(found.scores) == pytest.approx(expected, rel=1e-5)


def test_non_finite_boxes_are_dropped() -> None:
    assert _select([1.0, 3.0], RULE, reach=float("inf")) == []


def test_head_variants() -> None:
    options = {"in_channels": 32, "num_classes": 1, "num_levels": 2}
    plain = FCOSHead(**options, norm="none", use_scale=False, num_cls_convs=1, num_box_convs=1)
    keys = set(plain.state_dict())
    assert "cls_tower.0.weight" in keys
    assert not any("scales" in key for key in keys)
    deformable = FCOSHead(**options, deformable=True)
    levels = [torch.randn(1, 32, 6, 5), torch.randn(1, 32, 3, 3)]
    for head in (plain, deformable):
        out = head(levels)
        assert [tuple(p.distances.shape) for p in out] == [(1, 4, 6, 5), (1, 4, 3, 3)]
        assert all((p.distances >= 0).all() for p in out)
    with pytest.raises(ConfigError, match=r"MODEL.FCOS.NORM.*'BN'"):
        FCOSHead(**options, norm="BN")


def test_proposals_of_training_can_be_sampled() -> None:
    network = golden.build(golden.config("tiny", **{"MODEL.FCOS.INFERENCE_TH_TRAIN": 0.0}))
    generator = network.proposal_generator
    assert isinstance(generator, FCOS)
    assert generator.train_rule.threshold == 0.0
    assert generator.test_rule.threshold == 0.3
