"""The wire format of protocol buffers: numbered fields, read one after the other.

https://protobuf.dev/programming-guides/encoding: a key is (number << 3) | type; types are 0 =
variable-length integer, 1 = eight bytes, 2 = length and bytes, 5 = four bytes.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["BYTES", "DamagedError", "fields", "integer", "integers", "messages", "varint"]

VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5
_LONGEST_VARINT = 10


class DamagedError(ValueError):
    """Bytes that are no such message."""


def varint(data: memoryview, place: int) -> tuple[int, int]:
    """A variable-length integer (7 bits a byte, the lowest first), and the place behind it.

    Raises:
        DamagedError: it does not end in time.
    """
    value = 0
    for index in range(_LONGEST_VARINT):
        if place + index >= len(data):
            break
        byte = data[place + index]
        value |= (byte & 127) << (7 * index)
        if byte < 128:
            return value, place + index + 1
    raise DamagedError("a number does not end")


def fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(number, value) of a message's fields: an integer, or the bytes (4, 8 or as many as said).

    Raises:
        DamagedError: it is no message; nothing is read beyond its end.
    """
    place = 0
    while place < len(data):
        key, place = varint(data, place)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise DamagedError("field 0")
        if kind == VARINT:
            value, place = varint(data, place)
            yield number, value
            continue
        if kind == BYTES:
            length, place = varint(data, place)
        elif kind in (EIGHT, FOUR):
            length = 8 if kind == EIGHT else 4
        else:
            raise DamagedError(f"a field of type {kind}")
        if length > len(data) - place:
            raise DamagedError(f"a field of {length} bytes where {len(data) - place} are left")
        yield number, data[place : place + length]
        place += length


def messages(data: memoryview, wanted: int) -> Iterator[memoryview]:
    """The bytes of every field of that number."""
    for number, value in fields(data):
        if number == wanted and isinstance(value, memoryview):
            yield value


def integer(data: memoryview, wanted: int, default: int = 0) -> int:
    """The last integer of a field of that number."""
    found = integers(data, wanted)
    return found[-1] if found else default


def integers(data: memoryview, wanted: int) -> list[int]:
    """All integers of the fields of that number."""
    return [v for number, v in fields(data) if number == wanted and isinstance(v, int)]
