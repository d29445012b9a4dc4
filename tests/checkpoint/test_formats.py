"""Faults 46 to 54: whatever is wrong with a file, one typed error says so and nothing is run."""

from __future__ import annotations

import argparse
import json
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sor_ppa.checkpoint.formats import read_checkpoint, read_safetensors, write_safetensors
from sor_ppa.errors import CheckpointError


class Bomb:
    """Unpickling this creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.path),))


TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


@pytest.mark.parametrize("key", ["model", "state_dict", "model_state", None])
@pytest.mark.parametrize("zipped", [True, False])
def test_reads_what_people_save(tmp_path: Path, key: str | None, zipped: bool) -> None:
    data = TENSORS if key is None else {key: TENSORS, "epoch": 3}
    torch.save(data, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    payload = read_checkpoint(str(tmp_path / "w.pth"))
    assert payload["model"].keys() == TENSORS.keys()
    assert torch.equal(payload["model"]["a.weight"], TENSORS["a.weight"])
    assert payload.get("epoch") == (None if key is None else 3)


def test_an_empty_dictionary_is_a_file_without_weights(tmp_path: Path) -> None:
    torch.save({}, tmp_path / "w.pth")
    assert read_checkpoint(str(tmp_path / "w.pth")) == {"model": {}}


def test_harmless_numpy_and_namespace_objects_load(tmp_path: Path) -> None:
    extra = {
        "args": argparse.Namespace(lr=0.1, name="x"),
        "score": np.float64(0.5),
        "count": np.int64(3),
        "array": np.arange(4),
        "words": np.array(["a", "bc"]),
    }
    torch.save({"model": TENSORS, **extra}, tmp_path / "w.pth")
    payload = read_checkpoint(str(tmp_path / "w.pth"))
    assert payload["args"].lr == 0.1
    assert payload["score"] == 0.5
    assert payload["array"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("room", [b"numpy.core", b"numpy._core"])
def test_numpy_weights_of_numpy_1_and_2_load(tmp_path: Path, room: bytes) -> None:
    path = tmp_path / "w.pth"
    data = {"model": {"w": np.ones(3, np.float32)}, "score": np.float32(2)}
    torch.save(data, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    assert b"numpy._core.multiarray\n" in content or b"numpy.core.multiarray\n" in content
    content = content.replace(b"numpy._core.multi", b"numpy.core.multi")
    path.write_bytes(content.replace(b"numpy.core.multi", room + b".multi"))
    payload = read_checkpoint(str(path))
    assert payload["model"]["w"].tolist() == [1, 1, 1]
    assert payload["score"] == 2


@pytest.mark.parametrize("name", ["w.pth", "w.pt", "w.bin", "w.pkl"])
@pytest.mark.parametrize("zipped", [True, False])
def test_code_is_refused_never_run_and_named(tmp_path: Path, name: str, zipped: bool) -> None:
    data = {"model": TENSORS, "extra": Bomb(tmp_path / "boom")}
    if name.endswith(".pkl"):
        (tmp_path / name).write_bytes(pickle.dumps(data))
    else:
        torch.save(data, tmp_path / name, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(str(tmp_path / name))
    assert not (tmp_path / "boom").exists()
    assert name in str(caught.value)
    assert "convert_checkpoint.py --allow-pickle" in str(caught.value)
    assert name.endswith(".pkl") or "mkdir" in str(caught.value)


def test_allow_pickle_opens_it(tmp_path: Path) -> None:
    torch.save({"model": TENSORS, "extra": Bomb(tmp_path / "boom")}, tmp_path / "w.pth")
    payload = read_checkpoint(str(tmp_path / "w.pth"), allow_pickle=True)
    assert payload["model"].keys() == TENSORS.keys()
    assert (tmp_path / "boom").exists()


def test_pkl_of_the_zoo_and_of_caffe2(tmp_path: Path) -> None:
    arrays = {"conv1_w": np.ones((1, 1)), "conv1_w_momentum": np.ones((1, 1))}
    (tmp_path / "zoo.pkl").write_bytes(pickle.dumps({"model": arrays, "__author__": "someone"}))
    (tmp_path / "c2.pkl").write_bytes(pickle.dumps({"blobs": arrays}))
    zoo = read_checkpoint(str(tmp_path / "zoo.pkl"), allow_pickle=True)
    caffe2 = read_checkpoint(str(tmp_path / "c2.pkl"), allow_pickle=True)
    assert zoo["__author__"] == "someone"
    assert list(caffe2["model"]) == ["conv1_w"]
    assert caffe2["matching_heuristics"] is True


def _whole(tmp_path: Path) -> bytes:
    torch.save({"model": {"w": torch.randn(5000)}}, tmp_path / "whole.pth")
    return (tmp_path / "whole.pth").read_bytes()


BROKEN = {
    "empty": (lambda whole: b"", "empty"),
    "html": (lambda whole: b"<!DOCTYPE html><html>quota exceeded</html>", "web page"),
    "text": (lambda whole: b"hello", "damaged or of another kind"),
    "lfs": (lambda whole: b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs"),
    "cut in half": (lambda whole: whole[: len(whole) // 2], "cut off"),
    "one byte short": (lambda whole: whole[:-1], "cut off"),
    "only the start": (lambda whole: whole[:100], "cut off"),
    "zip of nothing": (lambda whole: b"PK\x05\x06" + bytes(18), "damaged"),
}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kind", BROKEN)
def test_broken_files(tmp_path: Path, kind: str, suffix: str) -> None:
    spoil, hint = BROKEN[kind]
    path = tmp_path / f"w{suffix}"
    path.write_bytes(spoil(_whole(tmp_path)))
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(str(path))
    assert str(path) in str(caught.value)
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_truncated_pickle_with_allow_pickle(tmp_path: Path) -> None:
    (tmp_path / "w.pkl").write_bytes(pickle.dumps({"model": {}})[:-3])
    with pytest.raises(CheckpointError, match="cannot be read as a pickle"):
        read_checkpoint(str(tmp_path / "w.pkl"), allow_pickle=True)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([1, 2], "holds a list"),
        (torch.ones(2), "holds a Tensor"),
        ({"model": {"a": "text"}}, "1 of 1 entries are not arrays: a \\(str\\)"),
        ({"epoch": 3}, "epoch \\(int\\)"),
    ],
)
def test_not_weights(tmp_path: Path, data: Any, message: str) -> None:
    torch.save(data, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(str(tmp_path / "w.pth"))


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        read_checkpoint(str(tmp_path / "none.pth"))
    with pytest.raises(CheckpointError, match="is a folder"):
        read_checkpoint(str(tmp_path))


def test_safetensors_round_trip(tmp_path: Path) -> None:
    shared = torch.ones(4, 4)
    tensors = {"b": shared.t()[:2], "a": shared, "empty": torch.zeros(0, 3), "n": torch.tensor(3)}
    write_safetensors(tmp_path / "w.safetensors", tensors, metadata={"format": "sor_ppa"})
    payload = read_safetensors(str(tmp_path / "w.safetensors"))
    assert payload["__metadata__"] == {"format": "sor_ppa"}
    assert payload["model"].keys() == tensors.keys()
    for name, value in tensors.items():
        assert torch.equal(payload["model"][name], value)


def test_safetensors_files_are_reproducible(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "1.safetensors", TENSORS, metadata={"format": "x"})
    backwards = dict(reversed(TENSORS.items()))
    write_safetensors(tmp_path / "2.safetensors", backwards, metadata={"format": "x"})
    assert (tmp_path / "1.safetensors").read_bytes() == (tmp_path / "2.safetensors").read_bytes()


def _header(entries: dict[str, Any], payload: bytes) -> bytes:
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + payload


def _entry(first: int, last: int, count: int) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [count], "data_offsets": [first, last]}


@pytest.mark.parametrize(
    "content",
    [
        _header({"a": _entry(0, 8, 2), "b": _entry(4, 12, 2)}, bytes(12)),  # overlapping
        _header({"a": _entry(0, 8, 2)}, bytes(100)),  # a hole at the end
        _header({"a": _entry(0, 8, 2)}, bytes(4)),  # too short
        _header({"a": _entry(0, 8, 10**9)}, bytes(8)),  # shape and size differ
        struct.pack("<Q", 2**62) + b"{}",  # huge header
        struct.pack("<Q", 2) + b"[]",  # not a dictionary
    ],
)
def test_malicious_safetensors(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        read_checkpoint(str(tmp_path / "w.safetensors"))
