"""Constants of a frozen graph or of a SavedModel."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sor_ppa.checkpoint.tensorflow.tensors import tensor_proto
from sor_ppa.checkpoint.tensorflow.wire import DamagedError, fields, messages

__all__ = ["graph_constants", "saved_model_constants"]

Constants = dict[str, np.ndarray]


def graph_constants(data: memoryview) -> Constants:
    """The float32 constants of a GraphDef by name, those inside its functions too.

    Raises:
        DamagedError: it is no graph, or two constants of one name differ.
    """
    found: Constants = {}
    for node in _nodes(data):
        name, value = _constant(node)
        if value is None:
            continue
        if name in found and not _equal(found[name], value):
            raise DamagedError(f"two different constants are called {name}")
        found[name] = value
    return found


def saved_model_constants(data: memoryview) -> Constants:
    """The float32 constants of all graphs of a SavedModel (meta_graphs = 2, graph_def = 2).

    Raises:
        DamagedError: it is no SavedModel.
    """
    found: Constants = {}
    for meta_graph in messages(data, 2):
        for graph in messages(meta_graph, 2):
            found.update(graph_constants(graph))
    return found


def _nodes(graph: memoryview) -> Iterator[memoryview]:
    """NodeDefs of a GraphDef: node = 1; library = 2, its function = 1, its node_def = 3."""
    yield from messages(graph, 1)
    for library in messages(graph, 2):
        for function in messages(library, 1):
            yield from messages(function, 3)


def _constant(node: memoryview) -> tuple[str, np.ndarray | None]:
    """Name and value of a NodeDef (name = 1, op = 2, attr = 5) that is a constant, else None."""
    name = op = ""
    attributes: list[memoryview] = []
    for number, value in fields(node):
        if isinstance(value, int):
            continue
        if number == 1:
            name = _text(value)
        elif number == 2:
            op = _text(value)
        elif number == 5:
            attributes.append(value)
    if op != "Const":
        return name, None
    for attribute in attributes:
        key, tensor = _attribute(attribute)
        if key == "value" and tensor is not None:
            return name, tensor
    return name, None


def _attribute(entry: memoryview) -> tuple[str, np.ndarray | None]:
    """A map entry: key = 1, AttrValue = 2, of which the tensor = 8."""
    key, tensor = "", None
    for number, value in fields(entry):
        if isinstance(value, int):
            continue
        if number == 1:
            key = _text(value)
        elif number == 2:
            for message in messages(value, 8):
                tensor = tensor_proto(message)
    return key, tensor


def _text(data: memoryview) -> str:
    try:
        return bytes(data).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DamagedError("a name that is no text") from error


def _equal(first: np.ndarray, second: np.ndarray) -> bool:
    return first.shape == second.shape and bool(np.array_equal(first, second))
