"""TensorFlow's files, written as plainly as possible."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

MEAN = np.array([103.939, 116.779, 123.68], np.float32).reshape(1, 1, 1, 3)


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def shape_proto(shape: tuple[int, ...]) -> bytes:
    return b"".join(field(2, field(1, size)) for size in shape)


def tensor_proto(value: np.ndarray, *, packed: bool = False) -> bytes:
    numbers = value.astype("<f4").tobytes()
    return field(1, 1) + field(2, shape_proto(value.shape)) + field(5 if packed else 4, numbers)


def const_node(name: str, tensor: bytes, op: str = "Const") -> bytes:
    entry = field(1, "value") + field(2, field(8, tensor))
    return field(1, name) + field(2, op) + field(5, entry)


def graph(tensors: Mapping[str, np.ndarray], *, in_function: bool = False) -> bytes:
    nodes = [const_node(name, tensor_proto(value)) for name, value in tensors.items()]
    if in_function:
        function = b"".join(field(3, node) for node in nodes)
        return field(2, field(1, function))
    return b"".join(field(1, node) for node in nodes)


def saved_model(tensors: Mapping[str, np.ndarray], *, in_function: bool = True) -> bytes:
    inner = graph(tensors, in_function=in_function)
    return field(1, 1) + field(2, field(1, b"") + field(2, inner))


def write_bundle(prefix: Path, tensors: Mapping[str, np.ndarray], shards: int = 1) -> None:
    """One block of names, every name in full; tensors dealt out to the shards in turn."""
    data = [bytearray() for _ in range(shards)]
    entries = [(b"", field(1, shards))]
    for index, name in enumerate(sorted(tensors)):
        shard, value = index % shards, tensors[name]
        raw = value.astype("<f4").tobytes()
        place = field(3, shard) + field(4, len(data[shard])) + field(5, len(raw))
        entries.append((name.encode(), field(1, 1) + field(2, shape_proto(value.shape)) + place))
        data[shard] += raw
    for shard, content in enumerate(data):
        Path(f"{prefix}.data-{shard:05d}-of-{shards:05d}").write_bytes(content)
    Path(f"{prefix}.index").write_bytes(table(entries))


def table(entries: list[tuple[bytes, bytes]], *, compression: int = 0) -> bytes:
    blocks, handles = b"", []
    for content in (_block(entries), _block([])):  # data, meta-index
        handles.append(varint(len(blocks)) + varint(len(content)))
        blocks += content + bytes([compression]) + b"\0" * 4
    index = _block([(b"\xff", handles[0])])
    index_handle = varint(len(blocks)) + varint(len(index))
    blocks += index + b"\0" * 5
    footer = (handles[1] + index_handle).ljust(40, b"\0")
    return blocks + footer + (0xDB4775248B80FB57).to_bytes(8, "little")


def _block(entries: list[tuple[bytes, bytes]]) -> bytes:
    body = b"".join(
        varint(0) + varint(len(key)) + varint(len(value)) + key + value for key, value in entries
    )
    return body + (0).to_bytes(4, "little") + (1).to_bytes(4, "little")
