from __future__ import annotations

import logging
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sor_ppa.checkpoint import SaliencyCheckpointer, write_safetensors
from sor_ppa.errors import CheckpointError
from tests.checkpoint.conftest import Net


class Counter:
    """A checkpointable that counts, like a trainer."""

    def __init__(self, value: int = 0) -> None:
        self.value = value

    def state_dict(self) -> dict[str, int]:
        return {"value": self.value}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.value = state["value"]


def _equal(a: nn.Module, b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, b[name]) for name, value in a.state_dict().items())


# ---- loading


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("half", [False, True])
def test_loads_any_form(net: Net, tmp_path: Path, suffix: str, prefix: str, half: bool) -> None:
    torch.manual_seed(1)
    state = Net().state_dict()
    if half:
        state = {k: v.half() if v.ndim > 1 else v for k, v in state.items()}
    path, named = tmp_path / f"w{suffix}", {prefix + k: v for k, v in state.items()}
    if suffix == ".pth":
        torch.save(named, path)
    else:
        write_safetensors(path, named, metadata={})
    SaliencyCheckpointer(net).load(str(path))
    assert _equal(net, state)
    assert all(p.dtype == torch.float32 for p in net.parameters())


def test_no_path_loads_nothing(net: Net) -> None:
    before = {k: v.clone() for k, v in net.state_dict().items()}
    assert SaliencyCheckpointer(net).load("") == {}
    assert _equal(net, before)


def test_returns_what_else_is_in_the_file(net: Net, weights: Path) -> None:
    assert SaliencyCheckpointer(net).load(str(weights)) == {"iteration": 7}


def test_other_classes_are_skipped_with_one_table(
    net: Net, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch.save(Net(classes=80).state_dict(), tmp_path / "w.pth")
    head = net.roi_heads["mask_head"].weight.clone()
    checkpointer = SaliencyCheckpointer(net)
    with caplog.at_level(logging.INFO):
        checkpointer.load(str(tmp_path / "w.pth"))
    assert torch.equal(net.roi_heads["mask_head"].weight, head)
    warnings = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "roi_heads.mask_head.weight" in warnings[0]
    assert "80 outputs in the file, 1 here" in warnings[0]
    assert checkpointer.last_fit is not None
    assert len(checkpointer.last_fit.misfits) == 2


def test_strict_refuses_what_leaves_tensors_unset(net: Net, tmp_path: Path) -> None:
    torch.save(Net(classes=80).state_dict(), tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="leaves 2 of the model's"):
        SaliencyCheckpointer(net, strict=True).load(str(tmp_path / "w.pth"))


def test_another_network_and_nan_are_refused_and_change_nothing(net: Net, tmp_path: Path) -> None:
    before = {k: v.clone() for k, v in net.state_dict().items()}
    torch.save(nn.Linear(3, 3).state_dict(), tmp_path / "other.pth")
    spoilt = Net().state_dict()
    spoilt["backbone.2.bias"][1] = float("nan")
    torch.save(spoilt, tmp_path / "nan.pth")
    checkpointer = SaliencyCheckpointer(net)
    for name, message in [
        ("other.pth", "Missing: .* Unexpected: weight, bias"),
        ("nan.pth", "NaN"),
    ]:
        with pytest.raises(CheckpointError, match=message):
            checkpointer.load(str(tmp_path / name))
        assert _equal(net, before)


def test_loads_again_after_an_error(net: Net, tmp_path: Path, weights: Path) -> None:
    checkpointer = SaliencyCheckpointer(net)
    (tmp_path / "bad.pth").write_bytes(b"<html>")
    for _ in range(2):
        with pytest.raises(CheckpointError):
            checkpointer.load(str(tmp_path / "bad.pth"))
    checkpointer.load(str(weights))


@pytest.mark.parametrize("path", ["none.pth", "nowhere://none.pth", "sor_ppa://weights/none"])
def test_missing_files(net: Net, path: str) -> None:
    with pytest.raises(CheckpointError, match=path):
        SaliencyCheckpointer(net).load(path)


def test_state_of_another_run_is_explained(net: Net, tmp_path: Path) -> None:
    run = SaliencyCheckpointer(net, str(tmp_path), trainer=torch.optim.SGD(net.parameters(), 0.1))
    run.save("model_0000001", iteration=1)
    other = torch.optim.SGD([{"params": [p]} for p in net.parameters()], 0.1)
    resumed = SaliencyCheckpointer(net, str(tmp_path), trainer=other)
    with pytest.raises(CheckpointError, match="a run with other settings"):
        resumed.resume_or_load("", resume=True)


# ---- saving and finding


def _run(net: Net, folder: Path, *, saves: int = 0) -> SaliencyCheckpointer:
    checkpointer = SaliencyCheckpointer(net, str(folder), trainer=Counter())
    for i in range(saves):
        checkpointer.checkpointables["trainer"].value = i
        checkpointer.save(f"model_{i:07d}", iteration=i)
    return checkpointer


def test_save_and_resume(net: Net, tmp_path: Path) -> None:
    _run(net, tmp_path, saves=3)
    saved = {k: v.clone() for k, v in net.state_dict().items()}
    other = Net()
    resumed = _run(other, tmp_path)
    resumed.resume_or_load("ignored.pth", resume=True)
    assert _equal(other, saved)
    assert resumed.checkpointables["trainer"].value == 2
    assert sorted(os.listdir(tmp_path)) == [
        "last_checkpoint",
        *(f"model_{i:07d}.pth" for i in range(3)),
    ]


def test_without_resume_the_weights_alone_are_loaded(
    net: Net, tmp_path: Path, weights: Path
) -> None:
    checkpointer = _run(net, tmp_path / "run", saves=2)
    checkpointer.checkpointables["trainer"].value = 77
    checkpointer.resume_or_load(str(weights), resume=False)
    assert checkpointer.checkpointables["trainer"].value == 77
    assert _equal(net, torch.load(weights, weights_only=True)["model"])


def test_an_empty_folder_has_no_checkpoint(net: Net, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        assert _run(net, folder).get_checkpoint_file() == ""
        assert not _run(net, folder).has_checkpoint()
    assert _run(net, tmp_path).resume_or_load("", resume=True) == {}


@pytest.mark.parametrize(
    "note",
    [
        None,
        b"",
        b"model_00",
        b"model_0000009.pth",
        b"\xff\xfe\x00",
        b"../model_0000001.pth",
        b"a\nb",
    ],
)
def test_a_torn_or_missing_note_falls_back_to_the_newest_whole_file(
    net: Net, tmp_path: Path, note: bytes | None
) -> None:
    checkpointer = _run(net, tmp_path, saves=3)
    (tmp_path / "last_checkpoint").unlink()
    if note is not None:
        (tmp_path / "last_checkpoint").write_bytes(note)
    newest = (tmp_path / "model_0000002.pth").read_bytes()
    (tmp_path / "model_0000003.pth").write_bytes(newest[: len(newest) // 2])  # torn
    torch.save(net.state_dict(), tmp_path / "zz_weights.pth")  # not of a run
    assert checkpointer.get_checkpoint_file() == str(tmp_path / "model_0000002.pth")


def test_a_note_that_names_a_torn_file_is_not_believed(net: Net, tmp_path: Path) -> None:
    checkpointer = _run(net, tmp_path, saves=3)
    path = tmp_path / "model_0000002.pth"
    path.write_bytes(path.read_bytes()[:-10])
    assert checkpointer.get_checkpoint_file() == str(tmp_path / "model_0000001.pth")


def test_untagged_saves_are_not_resumed_from(net: Net, tmp_path: Path) -> None:
    checkpointer = _run(net, tmp_path, saves=2)
    checkpointer.save("model_best", tag_last=False, iteration=99)
    assert checkpointer.get_checkpoint_file().endswith("model_0000001.pth")
    (tmp_path / "last_checkpoint").unlink()
    assert checkpointer.get_checkpoint_file().endswith("model_0000001.pth")


def test_a_broken_model_is_not_saved(net: Net, tmp_path: Path) -> None:
    with torch.no_grad():
        net.backbone[0].weight[0, 0, 0, 0] = float("inf")
    with pytest.raises(CheckpointError, match="backbone.0.weight"):
        _run(net, tmp_path, saves=1)
    assert not list(tmp_path.glob("*.pth"))


def test_a_full_disk_keeps_the_last_checkpoint(
    net: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpointer = _run(net, tmp_path, saves=2)
    before = sorted(os.listdir(tmp_path))

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="No space left on device.* --resume"):
        checkpointer.save("model_0000002", iteration=2)
    assert sorted(os.listdir(tmp_path)) == before
    assert checkpointer.get_checkpoint_file().endswith("model_0000001.pth")


def test_nothing_is_written_off_the_main_process(net: Net, tmp_path: Path) -> None:
    SaliencyCheckpointer(net, str(tmp_path), save_to_disk=False).save("model_0000001")
    SaliencyCheckpointer(net).save("model_0000001")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_kill_while_saving_twenty_times(tmp_path: Path) -> None:
    """A child saves without pause and is killed; what is resumed is whole and consistent.

    Save i writes a model full of i, so a mixture of two saves would show.
    """
    rng = random.Random(1)
    net = nn.Linear(400, 400)

    def fill(value: int) -> None:
        with torch.no_grad():
            for p in net.parameters():
                p.fill_(value)

    fill(0)
    _save_full(net, tmp_path, 0)
    reached = 0
    for _ in range(20):
        child = os.fork()
        if child == 0:
            for i in range(reached + 1, reached + 1000):
                fill(i)
                _save_full(net, tmp_path, i)
            os._exit(0)
        note = tmp_path / "last_checkpoint"
        before = note.stat().st_mtime_ns
        while note.stat().st_mtime_ns == before:  # however slow the machine, each child saves once
            time.sleep(0.001)
        time.sleep(rng.uniform(0.0, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        counter = Counter()
        checkpointer = SaliencyCheckpointer(net, str(tmp_path), trainer=counter)
        checkpointer.resume_or_load("", resume=True)
        values = {float(v) for p in net.parameters() for v in p.detach().unique()}
        assert values == {float(counter.value)}
        assert counter.value > reached
        reached = counter.value
    _save_full(net, tmp_path, reached + 1)
    assert not list(tmp_path.glob(".*.part"))


def _save_full(net: nn.Module, folder: Path, i: int) -> None:
    run: Any = SaliencyCheckpointer(net, str(folder), save_to_disk=True, trainer=Counter(i))
    run.save(f"model_{i % 3:07d}", iteration=i)
