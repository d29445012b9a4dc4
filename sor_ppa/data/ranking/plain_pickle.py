"""Reading pickled plain data without running anything.

A pickle is a program. Here it may build lists, dicts, numbers, strings and NumPy arrays of numbers
and nothing else. Even NumPy's own functions are not called: small stand-ins take their place.
"""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import numpy as np

from sor_ppa.data.problems import PathLike, local_path
from sor_ppa.errors import DataError

_DTYPE = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248]|[SU]\d{1,6})")


def read_plain_pickle(path: PathLike) -> Any:  # noqa: ANN401 - whatever was pickled
    """Reads a pickle file of plain data; NumPy arrays and scalars come back as lists and numbers.

    Raises:
        DataError: the file is missing, damaged, or holds anything but plain data; the message
            names what it asked for.
    """
    try:
        with open(local_path(path), "rb") as file:
            return _plain(_PlainUnpickler(io.BytesIO(file.read())).load(), {})
    except pickle.UnpicklingError as error:
        reason = str(error)
    except RecursionError:
        reason = "it contains itself"
    # Damaged pickles raise nearly every exception there is.
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
    raise DataError([f"{path}: cannot be read as pickled plain data: {reason}"], what=str(path))


class _Dtype:
    """Stands in for ``numpy.dtype``."""

    def __init__(self, spec: object, *_: object) -> None:
        self.spec = spec if isinstance(spec, str) else ""
        self.order = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = "=" if state[1] == "|" else str(state[1])

    def numpy(self) -> np.dtype[Any]:
        """The dtype meant, if it is one of plain numbers or strings."""
        if not _DTYPE.fullmatch(self.spec):
            raise pickle.UnpicklingError(f"NumPy type {self.spec!r} is not plain data")
        if self.order not in ("<", ">", "="):
            raise pickle.UnpicklingError(f"byte order {self.order!r} is not known")
        return np.dtype(self.order + self.spec.lstrip("<>=|"))


class _Array:
    """Stands in for ``numpy.ndarray``."""

    value: Any = None

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, is_fortran, data = state
        self.value = _decoded(data, dtype, shape, "F" if is_fortran else "C")


def _decoded(data: object, dtype: object, shape: tuple[int, ...], order: str) -> Any:  # noqa: ANN401
    if not isinstance(dtype, _Dtype) or not isinstance(data, (bytes, bytearray)):
        raise pickle.UnpicklingError("a NumPy array of something else than numbers")
    return np.frombuffer(data, dtype.numpy()).reshape(shape, order=order).tolist()  # type: ignore


def _scalar(dtype: object, data: object = b"") -> Any:  # noqa: ANN401
    return _decoded(data, dtype, (), "C")


def _from_buffer(data: object, dtype: object, shape: tuple[int, ...], order: str) -> Any:  # noqa: ANN401
    return _decoded(data, dtype, shape, order)


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    """How old protocols spell bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"encoding {encoding!r}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """How old protocols spell empty bytes; with an argument it would not be harmless."""
    return b""


class _BoxMode(IntEnum):
    """detectron2's numbers for the two box modes such files use."""

    XYXY_ABS = 0
    XYWH_ABS = 1


def _member(kind: object, name: object) -> _BoxMode:
    """How some Pythons spell a member of an enumeration: getattr; of the one above, no more."""
    if kind is not _BoxMode or not isinstance(name, str) or name not in _BoxMode.__members__:
        raise pickle.UnpicklingError("it asks for an attribute, which is code, not data")
    return _BoxMode[name]


_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("_codecs", "encode"): _latin1,
    ("__builtin__", "bytes"): _no_bytes,
    ("builtins", "bytes"): _no_bytes,
    ("__builtin__", "getattr"): _member,
    ("builtins", "getattr"): _member,
    ("collections", "OrderedDict"): dict,
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Array,
    ("detectron2.structures.boxes", "BoxMode"): _BoxMode,
}
for _module in ("numpy.core", "numpy._core"):
    _ALLOWED[f"{_module}.multiarray", "_reconstruct"] = _Array
    _ALLOWED[f"{_module}.multiarray", "scalar"] = _scalar
    _ALLOWED[f"{_module}.numeric", "_frombuffer"] = _from_buffer


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """The stand-in for a name, or an error that names it."""
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it asks for {module}.{name}, which is code, not data; convert the file to JSON "
                "where it can be trusted"
            ) from None


def _plain(value: Any, done: dict[int, Any]) -> Any:  # noqa: ANN401
    """Stand-ins replaced by what they stand for; every shared object is visited once."""
    if isinstance(value, _Array):
        return value.value
    if isinstance(value, (_Dtype, type)) or callable(value):
        raise pickle.UnpicklingError("it holds something that is not data")
    if not isinstance(value, (list, tuple, dict)):
        return value
    if id(value) not in done:
        if isinstance(value, dict):
            done[id(value)] = {key: _plain(item, done) for key, item in value.items()}
        else:
            done[id(value)] = [_plain(item, done) for item in value]
    return done[id(value)]
