"""Which paths mean a file of TensorFlow's, and what is in it."""

from __future__ import annotations

import os
import re

import numpy as np

from sor_ppa.checkpoint.tensorflow.bundle import read_bundle
from sor_ppa.checkpoint.tensorflow.graph import graph_constants, saved_model_constants
from sor_ppa.checkpoint.tensorflow.wire import DamagedError
from sor_ppa.errors import CheckpointError

__all__ = ["find_tensorflow", "is_tensorflow", "read_tensorflow"]

_SAVED_MODEL = "saved_model.pb"
_DATA = re.compile(r"\.data-\d{5}-of-\d{5}$")


def find_tensorflow(path: str) -> str:
    """The file that a path stands for: itself, or where TensorFlow names something else.

    A folder with a SavedModel stands for its ``saved_model.pb``; the prefix of a bundle, and its
    data files, for the ``.index``. Any other path stands for itself, whether it is there or not.
    """
    if os.path.isdir(path) and os.path.isfile(os.path.join(path, _SAVED_MODEL)):
        return os.path.join(path, _SAVED_MODEL)
    prefix = _DATA.sub("", path)
    if (prefix != path or not os.path.exists(path)) and os.path.isfile(f"{prefix}.index"):
        return f"{prefix}.index"
    return path


def is_tensorflow(path: str) -> bool:
    """Whether the name of a file is that of one of TensorFlow's."""
    return path.endswith((".pb", ".index"))


def read_tensorflow(path: str) -> dict[str, np.ndarray]:
    """The float32 tensors of a frozen graph, SavedModel or bundle by name.

    Args:
        path: of :func:`find_tensorflow`.

    Raises:
        CheckpointError: the file is damaged, of another kind, or holds no weights.
    """
    try:
        if path.endswith(".index"):
            found = read_bundle(path.removesuffix(".index"))
        else:
            found = _read_graph(path)
    except (DamagedError, OSError, ValueError, OverflowError) as error:
        raise CheckpointError(
            f"{path} cannot be read as a file of TensorFlow's: {error}. Fetch or copy it again."
        ) from error
    if not found:
        raise CheckpointError(
            f"{path} holds no weights. Of a SavedModel with variables give the checkpoint in its "
            "folder variables/."
        )
    return found


def _read_graph(path: str) -> dict[str, np.ndarray]:
    with open(path, "rb") as file:
        data = memoryview(file.read())
    if os.path.basename(path) == _SAVED_MODEL:
        return saved_model_constants(data) or graph_constants(data)
    try:
        return graph_constants(data) or saved_model_constants(data)
    except DamagedError:
        # A SavedModel under another name begins with its version, where a graph has nodes.
        if found := _saved_model_or_nothing(data):
            return found
        raise


def _saved_model_or_nothing(data: memoryview) -> dict[str, np.ndarray]:
    try:
        return saved_model_constants(data)
    except DamagedError:
        return {}
