"""What a run notes of its steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sor_ppa.config import get_cfg
from sor_ppa.errors import ConfigError, DataError
from sor_ppa.unsupervised.state import RunState, data_record, settings_record, weights_record


def test_nothing_yet(tmp_path: Path) -> None:
    state = RunState(tmp_path)
    assert not state.begun and state.changes("stage 1", {"a": 1}) == []
    assert list(tmp_path.iterdir()) == []


def test_what_is_noted_is_read_again(tmp_path: Path) -> None:
    RunState(tmp_path).note("stage 1", {"a": {"b": (1, 2), "c": None}})
    state = RunState(tmp_path)
    assert state.begun and not state.changes("stage 1", {"a": {"b": (1, 2), "c": None}})
    changed = state.changes("stage 1", {"a": {"b": [1, 3]}, "d": 4})
    assert changed == ["a.b [1, 2] -> [1, 3]", "d (not set) -> 4"]


@pytest.mark.parametrize("finished", [True, False])
def test_a_changed_step(tmp_path: Path, finished: bool, caplog: pytest.LogCaptureFixture) -> None:
    state = RunState(tmp_path)
    state.begin("stage 1", {"a": 1}, finished=finished, remedy="Delete it")
    state.begin("stage 1", {"a": 1}, finished=finished, remedy="Delete it")
    assert not caplog.records
    if finished:
        with pytest.raises(ConfigError, match="stage 1 is finished, .*: a 1 -> 2. Delete it, or"):
            state.begin("stage 1", {"a": 2}, finished=True, remedy="Delete it")
        assert RunState(tmp_path).steps["stage 1"] == {"a": 1}
    else:
        state.begin("stage 1", {"a": 2}, finished=False, remedy="Delete it")
        assert "goes on otherwise than it began: a 1 -> 2" in caplog.text
        assert RunState(tmp_path).steps["stage 1"] == {"a": 2}


@pytest.mark.parametrize("text", ["{", "[]", '{"format": "another"}'])
def test_a_file_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(DataError, match="run.json"):
        RunState(tmp_path)


@pytest.mark.parametrize(
    "key, value, expected",
    [
        ("SEED", 5, {"SEED": 5}),
        ("INPUT.DENSE.TRAIN_SIZE", (64, 64), {"INPUT.DENSE.TRAIN_SIZE": [64, 64]}),
        ("DATASETS.SELECT_EVERY", 5, {"DATASETS.SELECT_EVERY": 5}),
        ("OUTPUT_DIR", "elsewhere", {}),
        ("DATALOADER.NUM_WORKERS", 0, {}),
        ("DATASETS.TRAIN", ("a",), {}),
        ("SOLVER.CHECKPOINT_PERIOD", 3, {}),
        ("TEST.EVAL_PERIOD", 3, {}),
    ],
)
def test_settings_that_count(key: str, value: Any, expected: dict[str, Any]) -> None:
    cfg = get_cfg()
    cfg.merge_from_list([key, value])
    assert settings_record(cfg) == expected


def test_pictures_that_have_changed(tmp_path: Path) -> None:
    assert data_record([])["pictures"] == 0
    path = tmp_path / "a.png"
    path.write_bytes(b"123")
    item = {"image_id": "a", "file_name": str(path)}
    before = data_record([item])
    assert data_record([{**item, "height": 5}]) == before
    others = [
        data_record([{**item, "image_id": "b"}]),
        data_record([{**item, "depth_file_name": str(path)}]),
        data_record([item, item]),
    ]
    path.write_bytes(b"1234")
    others.append(data_record([item]))
    path.unlink()
    others.append(data_record([item]))
    assert len({str(record) for record in [before, *others]}) == 6


def test_weights_that_have_changed(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(b"123")
    before = weights_record(str(path))
    path.rename(tmp_path / "v.pth")
    assert weights_record(str(tmp_path / "v.pth")) == before
    path.write_bytes(b"124")
    found = {before, weights_record(str(path)), weights_record(""), weights_record("https://a/b")}
    assert len(found) == 4
    with pytest.raises(ConfigError, match="nowhere.pth cannot be read"):
        weights_record(str(tmp_path / "nowhere.pth"))
