"""TensorFlow's tensors as arrays: shapes and bytes, checked before anything is allocated."""

from __future__ import annotations

import math

import numpy as np

from sor_ppa.checkpoint.tensorflow.wire import DamagedError, fields, integer, messages

__all__ = ["FLOAT", "array_of", "shape_of", "tensor_proto"]

#: DataType.DT_FLOAT.
FLOAT = 1
_MOST_AXES = 8
_FLOAT_BYTES = 4
_LARGEST_FILL = 2**28  # numbers


def shape_of(message: memoryview) -> tuple[int, ...]:
    """A TensorShapeProto (dim = 2, its size = 1).

    Raises:
        DamagedError: too many axes, or a size that no array has.
    """
    sizes = [integer(dim, 1) for dim in messages(message, 2)]
    if len(sizes) > _MOST_AXES or any(size >= 2**40 for size in sizes):
        raise DamagedError(f"a tensor of shape {tuple(sizes)}")
    return tuple(sizes)


def array_of(raw: memoryview | np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Little-endian float32 numbers as an array; a view of the bytes.

    Raises:
        DamagedError: there are more or fewer than the shape says.
    """
    count = math.prod(shape)
    found = raw.nbytes
    if found != _FLOAT_BYTES * count:
        raise DamagedError(f"{found} bytes for a tensor of shape {shape}")
    return np.frombuffer(raw, dtype="<f4").reshape(shape)


def tensor_proto(message: memoryview) -> np.ndarray | None:
    """A TensorProto as a float32 array; None if it is of another type.

    Its numbers stand as raw bytes (field 4) or as packed floats (field 5), of which one alone
    fills the whole tensor.

    Raises:
        DamagedError: shape and numbers disagree.
    """
    kind, raw = 0, None
    shape: tuple[int, ...] = ()
    packed: list[memoryview] = []
    for number, value in fields(message):
        if isinstance(value, int):
            kind = value if number == 1 else kind
        elif number == 2:
            shape = shape_of(value)
        elif number == 4:
            raw = value
        elif number == 5:
            packed.append(value)
    if kind != FLOAT:
        return None
    if raw is not None:
        return array_of(raw, shape)
    numbers = np.frombuffer(b"".join(packed), dtype="<f4") if _are_floats(packed) else None
    if numbers is None:
        raise DamagedError("packed floats that are cut off")
    if numbers.size == 1 and math.prod(shape) != 1:
        return _filled(float(numbers[0]), shape)
    return array_of(numbers, shape)


def _are_floats(packed: list[memoryview]) -> bool:
    return sum(len(part) for part in packed) % _FLOAT_BYTES == 0


def _filled(number: float, shape: tuple[int, ...]) -> np.ndarray:
    if math.prod(shape) > _LARGEST_FILL:
        raise DamagedError(f"a tensor of shape {shape} out of one number")
    return np.full(shape, number, dtype=np.float32)
