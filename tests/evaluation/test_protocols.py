from __future__ import annotations

import dataclasses
import json

import pytest

from sor_ppa.errors import ConfigError
from sor_ppa.evaluation.protocols import PROTOCOLS, Protocol, get_protocol


def test_published_constants() -> None:
    ppa, irsr, seqrank = (PROTOCOLS[name] for name in ("ppa", "irsr", "seqrank"))
    assert list(PROTOCOLS) == ["ppa", "irsr", "seqrank"]
    assert (ppa.sor, ppa.coverage, ppa.coverage_strict, ppa.single_object) == ("map", 0.5, True, 1)
    assert (ppa.sor_nan, ppa.score_threshold, ppa.drawing) == ("drop", 0.3, "published")
    assert (irsr.matching, irsr.iou_threshold, irsr.iou_strict) == ("greedy", 0.5, False)
    assert (irsr.single_gt, irsr.constant_prediction, irsr.sa_sor_nan) == ("skip", "zero", "drop")
    assert (seqrank.matching, seqrank.iou_threshold, seqrank.iou_strict) == ("hungarian", 0.5, True)
    assert (seqrank.sor, seqrank.sor_nan, seqrank.sa_sor_nan) == ("instances", "zero", "zero")
    assert (seqrank.rank_numbers, seqrank.single_gt) == ("position", "count")


def test_names_and_json() -> None:
    for name, protocol in PROTOCOLS.items():
        assert protocol.name == name and protocol.reference
        assert Protocol(**json.loads(json.dumps(protocol.as_dict()))) == protocol
        with pytest.raises(dataclasses.FrozenInstanceError):
            protocol.coverage = 0.98  # type: ignore[misc]


@pytest.mark.parametrize("drawing, expected", [(None, "published"), ("exact", "exact")])
def test_drawing_can_be_replaced(drawing: str | None, expected: str) -> None:
    assert get_protocol("ppa", drawing=drawing).drawing == expected
    assert PROTOCOLS["ppa"].drawing == "published"


def test_a_protocol_of_ones_own() -> None:
    own = dataclasses.replace(PROTOCOLS["ppa"], name="psr", coverage=0.98, iou_threshold=0.1)
    assert get_protocol(own) is own


@pytest.mark.parametrize("name", ["", "PPA", "siris"])
def test_unknown_name(name: str) -> None:
    with pytest.raises(ConfigError, match="ppa, irsr, seqrank"):
        get_protocol(name)


@pytest.mark.parametrize("iou, greedy, strict", [(0.49, 0, 0), (0.5, 1, 0), (0.51, 1, 1)])
def test_overlap(iou: float, greedy: bool, strict: bool) -> None:
    assert PROTOCOLS["irsr"].overlaps(iou) == greedy
    assert PROTOCOLS["seqrank"].overlaps(iou) == strict


@pytest.mark.parametrize("setting", ["sor", "sor_nan", "matching", "rank_numbers", "single_gt",
                                     "constant_prediction", "sa_sor_nan", "drawing"])  # fmt: skip
def test_settings_that_nothing_implements(setting: str) -> None:
    with pytest.raises(ConfigError, match=setting):
        dataclasses.replace(PROTOCOLS["ppa"], **{setting: "whatever"})
