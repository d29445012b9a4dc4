"""Collecting faults, and JSON with exact complaints."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from sor_ppa.data.problems import Problems, read_json
from sor_ppa.errors import DataError


def test_nothing_noted_nothing_raised() -> None:
    Problems("set").finish()


def test_all_faults_come_at_once() -> None:
    problems = Problems("my set")
    for number in range(30):
        problems.add(f"file{number}.json: rank", f"bad {number}")
    with pytest.raises(DataError, match="30 problem\\(s\\) in my set") as caught:
        problems.finish()
    assert len(caught.value.problems) == 30
    assert "file29.json: rank: bad 29" in caught.value.problems
    assert "... and 10 more" in str(caught.value)


def test_warnings_are_counted_by_kind(caplog: pytest.LogCaptureFixture) -> None:
    problems = Problems("set")
    for number in range(3):
        problems.warn("odd box", f"a.json: {number}", "no area")
    with caplog.at_level(logging.WARNING):
        problems.finish()
    assert len(caplog.records) == 1
    assert "3 x odd box, e.g. a.json: 0: no area" in caplog.text


def test_warnings_are_faults_when_strict() -> None:
    problems = Problems("set", strict=True)
    problems.warn("odd box", "a.json", "no area")
    with pytest.raises(DataError, match="a.json: no area"):
        problems.finish()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1 column 1: not valid JSON"),
        (b'{"a": [1,\n 2', "line 2 column 3: not valid JSON"),
        (b"<html>\n</html>", "line 1 column 1: not valid JSON"),
        (b'\xef\xbb\xbf{"a": 1}', "line 1 column 1: starts with a byte-order mark"),
        ('{"a": 1}'.encode("utf-16"), "line 1 column 1: starts with a byte-order mark"),
        (b'{"a":\n "\xe4"}', "line 2 column 3: not UTF-8"),
        (b"[" * 200_000, "line 1 column 1: not usable JSON"),
        (b"1" * 5000, "line 1 column 1: not usable JSON"),
    ],
)
def test_json_that_is_none(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(DataError) as caught:
        read_json(path)
    assert message in str(caught.value) and str(path) in str(caught.value)


def test_missing_json(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path, "nul\0.json"):
        with pytest.raises(DataError, match="cannot be read"):
            read_json(path)


def test_json_of_any_length(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("[" + ",".join(["1.5"] * 400_000) + "]")
    assert sum(read_json(path)) == 600_000
    path.write_text('{"ü": "图"}', encoding="utf-8")
    assert read_json(str(path)) == {"ü": "图"}
