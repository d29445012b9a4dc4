from __future__ import annotations

import csv
import io
import math
from collections import OrderedDict

import pytest

from sor_ppa.evaluation.protocols import PROTOCOLS
from sor_ppa.evaluation.report import (
    ScoredRun,
    format_score,
    markdown_table,
    metrics_document,
    per_image_csv,
)
from sor_ppa.evaluation.scoring import ImageScore, summarize_scores

SCORE = ImageScore(math.nan, "none", 0.5, "pearson", 0.1, 0.2, 1.0, 0.8, 2, 0, 2)


def _run(images: int = 1, name: str = "ppa", min_score: float | None = None) -> ScoredRun:
    protocol = PROTOCOLS[name]
    ranking = summarize_scores([SCORE] * images, protocol=protocol)
    rows = [(k, f"{k}, photo.jpg", SCORE) for k in range(images)]
    return ScoredRun(protocol, min_score, OrderedDict(ranking=ranking), rows)


@pytest.mark.parametrize(
    "value, digits, text",
    [
        (None, 2, "n/a"),
        (math.nan, 2, "n/a"),
        (0.12345, 4, "0.1235"),
        (7, 0, "7"),
        (-1.0, 1, "-1.0"),
    ],
)
def test_format_score(value: float | None, digits: int, text: str) -> None:
    assert format_score(value, digits) == text


@pytest.mark.parametrize("runs", [[], [_run(0)], [_run(2), _run(2, "seqrank", 0.3)]])
def test_csv(runs: list[ScoredRun]) -> None:
    rows = list(csv.DictReader(io.StringIO(per_image_csv(runs))))
    assert len(rows) == sum(len(run.images) for run in runs)
    if rows:
        assert rows[0]["rho"] == "" and rows[0]["rho_kind"] == "none"
        assert (rows[0]["sa_sor"], rows[0]["file_name"]) == ("0.5", "0, photo.jpg")
        assert [row["min_score"] for row in rows] == ["", "", "0.3", "0.3"]


def test_markdown() -> None:
    assert markdown_table([]).count("\n") == 3
    table = markdown_table([_run(0), _run(1, min_score=0.25), _run(1, "seqrank")])
    lines = table.splitlines()
    assert len({line.count("|") for line in lines[:5]}) == 1
    assert "nan" not in "".join(lines[:5]).lower() and "n/a" in lines[2] and "0.25" in lines[3]
    assert sum(line.startswith("- **ppa**") for line in lines) == 1  # constants once a protocol
    assert "iou_strict=True" in table and "coverage=0.5" in table


def test_document_holds_every_constant() -> None:
    document = metrics_document([_run(1)], dataset="mine", num_ranks=5, left_out={"missing": []})
    assert document["runs"][0]["protocol"] == PROTOCOLS["ppa"].as_dict()
    assert document["runs"][0]["min_score"] is None
    assert (document["dataset"], document["num_ranks"]) == ("mine", 5)
    assert document["left_out"] == {"missing": []}
