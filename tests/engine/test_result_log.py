from __future__ import annotations

import logging
from typing import Any

import pytest

from sor_ppa.engine.result_log import cell, log_results, numbers_only


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.5000"),
        (3, "3"),
        (None, "n/a"),
        (float("nan"), "n/a"),
        ("ppa", "ppa"),
        (True, "True"),
    ],
)
def test_cells(value: Any, text: str) -> None:
    assert cell(value) == text


def test_only_numbers_reach_the_logs() -> None:
    results = {"a": {"x": 1, "name": "ppa", "none": None, "nan": float("nan")}, "y": 2.5}
    assert numbers_only(results) == {"a": {"x": 1.0}, "y": 2.5}


def test_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        log_results("some_set", {"ranking": {"SOR": 0.25, "SA-SOR": None}, "seconds": 3})
    assert [record.getMessage() for record in caplog.records] == [
        "copypaste: Dataset: some_set, Task: ranking",
        "copypaste: SOR,SA-SOR",
        "copypaste: 0.2500,n/a",
        "copypaste: Dataset: some_set, Task: seconds",
        "copypaste: seconds",
        "copypaste: 3",
    ]
