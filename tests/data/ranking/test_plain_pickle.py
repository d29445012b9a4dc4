"""Reading pickles without running them."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from detectron2.structures import BoxMode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sor_ppa.data.ranking.plain_pickle import read_plain_pickle
from sor_ppa.errors import DataError

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def read(tmp_path: Path, data: bytes) -> Any:
    path = tmp_path / "a.pkl"
    path.write_bytes(data)
    return read_plain_pickle(path)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ([], []),
        (
            {"a": [1, 2.5, "ü", b"\x00\xff", None, True]},
            {"a": [1, 2.5, "ü", b"\x00\xff", None, True]},
        ),
        ((1, (2, 3)), [1, [2, 3]]),
        (OrderedDict(a=1), {"a": 1}),
        (np.float64(1.5), 1.5),
        (np.int32(-3), -3),
        (np.bool_(True), True),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array([[1, 2], [3, 4]], order="F", dtype=">i4"), [[1, 2], [3, 4]]),
        (np.array([], dtype=np.float32), []),
        (np.array(["ab", "c"]), ["ab", "c"]),
        ([np.arange(3, dtype=np.uint8)] * 2, [[0, 1, 2]] * 2),
        (BoxMode.XYWH_ABS, 1),
    ],
)
def test_plain_data(tmp_path: Path, protocol: int, value: Any, wanted: Any) -> None:
    found = read(tmp_path, pickle.dumps(value, protocol))
    assert found == wanted


class ByAttribute:
    """What some Pythons make of a member of an enumeration."""

    def __init__(self, kind: object, name: str) -> None:
        self.kind, self.name = kind, name

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self.kind, self.name)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_member_by_name(tmp_path: Path, protocol: int) -> None:
    assert read(tmp_path, pickle.dumps([ByAttribute(BoxMode, "XYXY_ABS")], protocol)) == [0]
    for kind, name in ((BoxMode, "convert"), (OrderedDict, "fromkeys"), (np.ndarray, "tofile")):
        with pytest.raises(DataError, match="attribute, which is code"):
            read(tmp_path, pickle.dumps([ByAttribute(kind, name)], protocol))


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch evil",)


class EvilNumpy:
    def __reduce__(self) -> tuple[Any, ...]:
        return np.load, ("evil.npy",)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Evil(), "system, which is code, not data"),
        ([{"a": Evil()}], "which is code"),
        (EvilNumpy(), "load"),
        (np.array([{"a": 1}, None], dtype=object), "NumPy"),
        (np.zeros(2, dtype=[("a", "i4")]), "NumPy"),
        (Fraction(1, 3), "fractions.Fraction"),
        (print, "print"),
    ],
)
def test_anything_else_is_refused(
    tmp_path: Path,
    protocol: int,
    value: Any,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="cannot be read as pickled plain data") as caught:
        read(tmp_path, pickle.dumps(value, protocol))
    assert message in str(caught.value)
    assert not (tmp_path / "evil").exists()


def test_damaged_and_missing(tmp_path: Path) -> None:
    whole = pickle.dumps([{"a": np.arange(30)}] * 3)
    for data in (b"", b"not a pickle", whole[:-20], whole[:3]):
        with pytest.raises(DataError, match=r"a\.pkl: cannot be read"):
            read(tmp_path, data)
    with pytest.raises(DataError, match=r"none\.pkl"):
        read_plain_pickle(tmp_path / "none.pkl")


def test_loops_and_thickets(tmp_path: Path) -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(DataError, match="contains itself"):
        read(tmp_path, pickle.dumps(loop))
    # 2 ** 60 lists, if each were visited by itself
    value: list[Any] = [1]
    for _ in range(60):
        value = [value, value]
    found = read(tmp_path, pickle.dumps(value))
    assert found[0] is found[1]


def test_array_of_wrong_length(tmp_path: Path) -> None:
    data = pickle.dumps(np.arange(4, dtype=np.uint8), 2).replace(b"K\x04", b"K\x09")
    with pytest.raises(DataError):
        read(tmp_path, data)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1), value=st.integers(0, 255), protocol=st.sampled_from(PROTOCOLS))
def test_damage_anywhere_is_data_or_our_error(
    tmp_path: Path, place: float, value: int, protocol: int
) -> None:
    data = bytearray(pickle.dumps({"a": [np.arange(3), np.float64(2), b"xy", 7]}, protocol))
    data[int(place * (len(data) - 1))] = value
    try:
        read(tmp_path, bytes(data))
    except DataError as error:
        assert "a.pkl" in str(error)
