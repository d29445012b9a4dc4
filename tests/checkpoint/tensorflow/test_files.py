"""Files that TensorFlow wrote, files written by hand, and damaged ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from sor_ppa.checkpoint.tensorflow import find_tensorflow, read_tensorflow
from sor_ppa.errors import CheckpointError
from tests.checkpoint.tensorflow import writers

FIXTURES = Path(__file__).parents[2] / "goldens" / "tensorflow"
FILES = ("frozen.pb", "saved/saved_model.pb", "model.ckpt.index")
SOME = {
    "a/kernel": np.arange(6, dtype=np.float32).reshape(1, 2, 3),
    "b": np.array([np.nan, -0.0, np.inf], np.float32),
    "scalar": np.float32(1.5).reshape(()),
    "none": np.zeros((0, 3), np.float32),
}


def expected() -> dict[str, np.ndarray]:
    with np.load(FIXTURES / "expected.npz") as arrays:
        return dict(arrays)


def same(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    for name, value in wanted.items():
        got = found[name]
        assert got.shape == value.shape and got.dtype == np.float32
        assert got.tobytes() == value.tobytes(), name


@pytest.mark.parametrize("file", FILES)
def test_tensorflows_own_files_read_back_bit_for_bit(file: str) -> None:
    found = read_tensorflow(find_tensorflow(str(FIXTURES / file)))
    wanted = expected()
    assert len(wanted) == 46
    if file == "saved/saved_model.pb":  # the names carry the wrapper's prefix
        found = {name.split("import/")[-1]: value for name, value in found.items()}
    same(found, wanted)
    if file.endswith(".index"):
        assert len(found) == 3 * 46 + 2  # moments and their powers; the step is no float
    else:
        same(
            {"mean": next(v for v in found.values() if v.shape == (1, 1, 1, 3))},
            {"mean": writers.MEAN},
        )


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("saved", "saved/saved_model.pb"),
        ("model.ckpt", "model.ckpt.index"),
        ("model.ckpt.data-00000-of-00001", "model.ckpt.index"),
        ("frozen.pb", "frozen.pb"),
        ("nothing", "nothing"),
    ],
)
def test_what_a_path_stands_for(name: str, meant: str) -> None:
    assert find_tensorflow(str(FIXTURES / name)) == str(FIXTURES / meant)


def test_written_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "a.pb"
    for content in (
        writers.graph(SOME),
        writers.graph(SOME, in_function=True),
        writers.saved_model(SOME),
        writers.saved_model(SOME, in_function=False),
    ):
        path.write_bytes(content)
        same(read_tensorflow(str(path)), SOME)


@pytest.mark.parametrize("shards", [1, 3])
def test_bundles_of_several_files(tmp_path: Path, shards: int) -> None:
    writers.write_bundle(tmp_path / "m.ckpt", SOME, shards)
    same(read_tensorflow(find_tensorflow(str(tmp_path / "m.ckpt"))), SOME)


def test_packed_floats_and_one_number_for_all(tmp_path: Path) -> None:
    whole = writers.tensor_proto(SOME["a/kernel"], packed=True)
    one = writers.field(1, 1) + writers.field(2, writers.shape_proto((2, 2)))
    one += writers.field(5, np.float32(7).tobytes())
    nodes = [writers.const_node("whole", whole), writers.const_node("one", one)]
    (tmp_path / "a.pb").write_bytes(b"".join(writers.field(1, node) for node in nodes))
    wanted = {"whole": SOME["a/kernel"], "one": np.full((2, 2), 7, np.float32)}
    same(read_tensorflow(str(tmp_path / "a.pb")), wanted)


def test_other_nodes_and_types_are_passed_over(tmp_path: Path) -> None:
    numbers = writers.field(1, 3) + writers.field(2, writers.shape_proto((1,)))  # int32
    nodes = [
        writers.const_node("number", numbers),
        writers.const_node("no_constant", writers.tensor_proto(SOME["b"]), op="Placeholder"),
        writers.const_node("b", writers.tensor_proto(SOME["b"])),
    ]
    (tmp_path / "a.pb").write_bytes(b"".join(writers.field(1, node) for node in nodes))
    assert list(read_tensorflow(str(tmp_path / "a.pb"))) == ["b"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no weights"),
        (b"\x0a\xff", "cannot be read as a file of TensorFlow's"),
        (b"<html>", "cannot be read as a file of TensorFlow's"),
        (writers.graph({"a": np.zeros(2), **SOME}) + writers.graph({"a": np.ones(2)}), "called a"),
        (
            writers.field(1, writers.const_node("a", writers.field(1, 1) + writers.field(4, b"x"))),
            "1 bytes for a tensor",
        ),
        (
            writers.field(
                1,
                writers.const_node(
                    "a",
                    writers.field(1, 1)
                    + writers.field(2, writers.shape_proto((2**30, 2**9)))
                    + writers.field(5, b"\0\0\0\0"),
                ),
            ),
            "out of one number",
        ),
    ],
)
def test_graphs_that_are_none(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a.pb").write_bytes(content)
    with pytest.raises(CheckpointError, match=words) as caught:
        read_tensorflow(str(tmp_path / "a.pb"))
    assert "a.pb" in str(caught.value)


def test_bundles_that_are_none(tmp_path: Path) -> None:
    def refused(words: str) -> None:
        with pytest.raises(CheckpointError, match=words):
            read_tensorflow(str(tmp_path / "m.index"))

    (tmp_path / "m.index").write_bytes(b"x" * 100)
    refused("no table of names")
    (tmp_path / "m.index").write_bytes(b"")
    refused("too short")
    (tmp_path / "m.index").write_bytes(writers.table([], compression=1))
    refused("compressed")
    writers.write_bundle(tmp_path / "m", SOME)
    data = tmp_path / "m.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-5])
    refused("cut off")
    data.unlink()
    refused("is not beside it")


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Cut somewhere, or with some bytes replaced."""
    if rng.random() < 0.5:
        return content[: rng.integers(len(content))]
    broken = bytearray(content)
    for place in rng.integers(len(broken), size=rng.integers(1, 8)):
        broken[place] = rng.integers(256)
    return bytes(broken)


@pytest.mark.parametrize("file", FILES)
def test_damage_is_told_and_nothing_worse(tmp_path: Path, file: str) -> None:
    """A reader may also find other numbers, where the damage is in them."""
    rng = np.random.default_rng(0)
    target = tmp_path / Path(file).name
    if file.endswith(".index"):
        shutil.copy(FIXTURES / "model.ckpt.data-00000-of-00001", tmp_path)
    content = (FIXTURES / file).read_bytes()
    told = 0
    for _ in range(150):
        target.write_bytes(damaged(content, rng))
        try:
            read_tensorflow(str(target))
        except CheckpointError:
            told += 1
    assert told > 50


def test_nesting_does_not_matter(tmp_path: Path) -> None:
    """Messages within messages are only looked into as deep as the formats go."""
    deep = b""
    for _ in range(5000):
        deep = writers.field(1, deep)
    (tmp_path / "a.pb").write_bytes(deep)
    with pytest.raises(CheckpointError):
        read_tensorflow(str(tmp_path / "a.pb"))
