"""Checkpoint bundles: a sorted table of names (``.index``) and files of numbers (``.data-...``).

The table is LevelDB's: a footer of 48 bytes points to an index block, whose entries point to data
blocks, whose entries share the beginnings of their keys.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from sor_ppa.checkpoint.tensorflow.tensors import FLOAT, array_of, shape_of
from sor_ppa.checkpoint.tensorflow.wire import DamagedError, fields, integer, varint

__all__ = ["read_bundle", "table_entries"]

_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_TRAILER = 5  # a byte for the compression, four for a checksum
_FLOAT_BYTES = 4
_MOST_SHARDS = 10_000


class _Handle(NamedTuple):
    offset: int
    size: int


class _Entry(NamedTuple):
    """A tensor: BundleEntryProto (dtype = 1, shape = 2, shard_id = 3, offset = 4, size = 5)."""

    kind: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int


def read_bundle(prefix: str) -> dict[str, np.ndarray]:
    """The float32 tensors of a bundle by name.

    Args:
        prefix: path without ``.index``.

    Raises:
        DamagedError: a file is damaged, or the numbers of a tensor are not there.
        OSError: a file cannot be read.
    """
    with open(f"{prefix}.index", "rb") as file:
        table = memoryview(file.read())
    entries = dict(table_entries(table))
    shards = integer(entries.pop(b"", memoryview(b"\x08\x01")), 1, default=1)
    if not 0 < shards <= _MOST_SHARDS:
        raise DamagedError(f"{shards} data files")
    opened: dict[int, np.ndarray] = {}
    found = {}
    for key, value in entries.items():
        entry = _entry(value)
        if entry.kind != FLOAT:
            continue
        if not 0 <= entry.shard < shards:
            raise DamagedError(f"data file {entry.shard} of {shards}")
        if entry.shard not in opened:
            opened[entry.shard] = _shard(prefix, entry.shard, shards)
        found[_name(key)] = _tensor(opened[entry.shard], entry)
    return found


def table_entries(table: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """(key, value) of a LevelDB table, in its order.

    Raises:
        DamagedError: it is none, or a block is compressed.
    """
    if len(table) < _FOOTER:
        raise DamagedError("too short for a table of names")
    footer = table[-_FOOTER:]
    if int.from_bytes(footer[-8:], "little") != _MAGIC:
        raise DamagedError("no table of names")
    _, place = _handle(footer, 0)
    index, _ = _handle(footer, place)
    for _, value in _block_entries(_block(table, index)):
        handle, _ = _handle(value, 0)
        yield from _block_entries(_block(table, handle))


def _handle(data: memoryview, place: int) -> tuple[_Handle, int]:
    offset, place = varint(data, place)
    size, place = varint(data, place)
    return _Handle(offset, size), place


def _block(table: memoryview, handle: _Handle) -> memoryview:
    end = handle.offset + handle.size
    if end + _TRAILER > len(table):
        raise DamagedError("a block beyond the end of the file")
    if table[end] != 0:
        raise DamagedError("a compressed table of names; TensorFlow writes none")
    return table[handle.offset : end]


def _block_entries(block: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Entries: lengths of shared key, rest of key and value, then both; restarts at the end."""
    if len(block) < 4:
        raise DamagedError("an empty block")
    restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 * (restarts + 1)
    if end < 0:
        raise DamagedError("a block without entries")
    place, key = 0, b""
    while place < end:
        shared, place = varint(block, place)
        rest, place = varint(block, place)
        length, place = varint(block, place)
        if shared > len(key) or rest + length > end - place:
            raise DamagedError("an entry beyond its block")
        key = key[:shared] + bytes(block[place : place + rest])
        yield key, block[place + rest : place + rest + length]
        place += rest + length


def _entry(message: memoryview) -> _Entry:
    shape: tuple[int, ...] = ()
    numbers = dict.fromkeys((1, 3, 4, 5), 0)
    for number, value in fields(message):
        if isinstance(value, int):
            numbers[number] = value
        elif number == 2:
            shape = shape_of(value)
    return _Entry(numbers[1], shape, numbers[3], numbers[4], numbers[5])


def _shard(prefix: str, number: int, count: int) -> np.ndarray:
    path = f"{prefix}.data-{number:05d}-of-{count:05d}"
    if not os.path.isfile(path):
        raise DamagedError(f"{os.path.basename(path)} is not beside it")
    if os.path.getsize(path) == 0:
        return np.zeros(0, np.uint8)
    return np.memmap(path, dtype=np.uint8, mode="r")


def _tensor(shard: np.ndarray, entry: _Entry) -> np.ndarray:
    end = entry.offset + entry.size
    if end > len(shard):
        raise DamagedError("its data file is cut off")
    # A copy: the file need not stay.
    return array_of(np.array(shard[entry.offset : end]), entry.shape)


def _name(key: bytes) -> str:
    try:
        return key.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DamagedError("a name that is no text") from error
