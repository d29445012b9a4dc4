"""Reading and writing weight files without trusting them.

``.safetensors`` holds tensors and text only. PyTorch's own files (``.pth``, ``.pt``, ``.bin``) are
read in its weights-only mode; a few harmless NumPy names and ``argparse.Namespace`` are let in,
because published checkpoints contain them. Anything else in a pickle is code and is refused.
Whatever goes wrong becomes one :class:`~sor_ppa.errors.CheckpointError` with path and remedy.
"""

from __future__ import annotations

import argparse
import codecs
import importlib.util
import os
import pickle
import re
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sor_ppa.checkpoint.atomic import atomic_open
from sor_ppa.checkpoint.tensorflow.files import find_tensorflow, is_tensorflow, read_tensorflow
from sor_ppa.errors import CheckpointError

# What a loaded file looks like inside: "model" -> {name: tensor}, and whatever else it holds.
Payload = dict[str, Any]

_UNTRUSTED = (
    "Such a file can run any program when it is opened. If you trust whoever made it, convert it "
    "once with `python tools/convert_checkpoint.py --allow-pickle {path} OUT.safetensors`, or pass "
    "--allow-pickle to the tool you are running."
)
_MAGIC_ZIP = b"PK\x03\x04"


def read_checkpoint(path: str, *, allow_pickle: bool = False) -> Payload:
    """Reads one weights file.

    Args:
        path: a local file; its suffix tells the format (``.safetensors``, ``.pkl``, TensorFlow's
            ``.pb`` and ``.index``, else PyTorch). Also a SavedModel's folder or a bundle's prefix.
        allow_pickle: open pickles in full. They can then run any code.

    Returns:
        ``{"model": {name: Tensor or ndarray}, ...}``, with the keys of the file beside ``model``
        (``__metadata__`` for the text of a safetensors file).

    Raises:
        CheckpointError: the file is missing, broken, not a weights file, or must not be opened.
    """
    path = find_tensorflow(path)
    check_is_file(path)
    if path.endswith(".safetensors"):
        return read_safetensors(path)
    if is_tensorflow(path):
        return {"model": read_tensorflow(path)}
    if path.endswith(".pkl"):
        return _read_pkl(path, allow_pickle=allow_pickle)
    return _unwrap(_read_torch(path, allow_pickle=allow_pickle), path)


def read_safetensors(path: str) -> Payload:
    """Reads a ``.safetensors`` file into ``{"model": tensors, "__metadata__": {str: str}}``."""
    from safetensors import SafetensorError, safe_open

    check_is_file(path)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return {"model": tensors, "__metadata__": dict(file.metadata() or {})}
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is not a whole safetensors file ({_one_line(error)}). "
            f"{_guess(path)} Fetch or convert it again."
        ) from error


def write_safetensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], *, metadata: Mapping[str, str]
) -> None:
    """Writes ``tensors`` and ``metadata`` to ``path`` atomically, the keys in sorted order."""
    from safetensors.torch import save

    # Each tensor gets storage of its own: the format knows neither views nor shared weights.
    whole = {name: tensors[name].detach().cpu().contiguous().clone() for name in sorted(tensors)}
    data = save(whole, metadata=dict(metadata))
    with atomic_open(path) as file:
        file.write(data)


def _read_torch(path: str, *, allow_pickle: bool) -> Any:
    try:
        if allow_pickle:
            return torch.load(path, map_location="cpu", weights_only=False)
        return _read_weights_only(path)
    except pickle.UnpicklingError as error:
        raise CheckpointError(_explain_refusal(path, error)) from error
    except MemoryError:
        raise
    except Exception as error:  # EOFError, RuntimeError, KeyError, ... depending on the damage
        raise CheckpointError(
            f"{path} cannot be read as a PyTorch checkpoint "
            f"({type(error).__name__}: {_one_line(error)}). {_guess(path)} Fetch or copy it again."
        ) from error


def _read_weights_only(path: str) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Detected pickle protocol")
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:
            with torch.serialization.safe_globals(_harmless_names()):
                return torch.load(path, map_location="cpu", weights_only=True)


def _harmless_names() -> list[Any]:
    """Names that published checkpoints contain and that can only build arrays and plain records."""
    rooms = [room for room in _NUMPY_ROOMS if importlib.util.find_spec(room)]
    multiarray = importlib.import_module(f"{rooms[0]}.multiarray")
    made = [multiarray._reconstruct, multiarray.scalar]
    both = [(f"{room}.multiarray.{f.__name__}", f) for f in made for room in _NUMPY_ROOMS]
    dtypes = [type(np.dtype(kind)) for kind in "?bBhHiIlLqQefdSU"]
    return [
        *((function, name) for name, function in both),
        np.ndarray,
        np.dtype,
        *dtypes,
        codecs.encode,
        argparse.Namespace,
    ]


# NumPy 1 and NumPy 2 write the same two functions under different module names.
_NUMPY_ROOMS = ("numpy._core", "numpy.core")


def _explain_refusal(path: str, error: pickle.UnpicklingError) -> str:
    name = re.search(r"GLOBAL ([\w.]+)", str(error))
    if name is None:
        return f"{path} is not a PyTorch checkpoint. {_guess(path)} Fetch it again."
    return (
        f"{path} was not opened: it holds {name.group(1)}, which is more than numbers. "
        + _UNTRUSTED.format(path=path)
    )


def _read_pkl(path: str, *, allow_pickle: bool) -> Payload:
    """A ``.pkl`` of detectron2's model zoo, or of Caffe2."""
    if not allow_pickle:
        raise CheckpointError(
            f"{path} was not opened: it is a Python pickle. " + _UNTRUSTED.format(path=path)
        )
    try:
        with open(path, "rb") as file:
            data = pickle.load(file, encoding="latin1")
    except Exception as error:
        raise CheckpointError(
            f"{path} cannot be read as a pickle ({type(error).__name__}: {_one_line(error)}). "
            f"{_guess(path)} Fetch it again."
        ) from error
    if isinstance(data, Mapping) and "model" in data and "__author__" in data:
        return dict(data)
    if isinstance(data, Mapping):  # Caffe2: detection models keep their arrays in "blobs"
        blobs = {k: v for k, v in data.get("blobs", data).items() if not k.endswith("_momentum")}
        return {"model": blobs, "__author__": "Caffe2", "matching_heuristics": True}
    raise CheckpointError(f"{path} holds a {type(data).__name__}, not a checkpoint.")


def _unwrap(data: Any, path: str) -> Payload:
    """Finds the weights: {"model": ...}, {"state_dict": ...} or the bare dictionary of tensors."""
    if not isinstance(data, Mapping):
        raise CheckpointError(
            f"{path} holds a {type(data).__name__}; expected a dictionary of weights, or one with "
            "the key 'model' or 'state_dict'."
        )
    for key in ("model", "state_dict", "model_state"):
        if isinstance(data.get(key), Mapping):
            rest = {k: v for k, v in data.items() if k != key}
            return {**rest, "model": _only_arrays(data[key], path)}
    return {"model": _only_arrays(data, path)}


def _only_arrays(state: Mapping[str, Any], path: str) -> dict[str, Any]:
    odd = [k for k, v in state.items() if not isinstance(v, (Tensor, np.ndarray))]
    if odd:
        kinds = ", ".join(f"{k} ({type(state[k]).__name__})" for k in odd[:5])
        raise CheckpointError(
            f"{path}: {len(odd)} of {len(state)} entries are not arrays: {kinds}. Expected a "
            "dictionary of weights, or one with the key 'model' or 'state_dict'."
        )
    return dict(state)


def check_is_file(path: str, *, shown: str = "") -> None:
    """Raises CheckpointError unless there is a file at ``path`` (``shown`` to the user)."""
    if os.path.isfile(path):
        return
    kind = "is a folder, not a file" if os.path.isdir(path) else "does not exist"
    raise CheckpointError(f"Checkpoint {shown or path} {kind}; check MODEL.WEIGHTS.")


def _guess(path: str) -> str:
    """What a broken file probably is, from its first bytes."""
    try:
        with open(path, "rb") as file:
            head = file.read(512)
    except OSError:
        return "It cannot be opened."
    if not head:
        return "It is empty."
    if head.lstrip()[:1] == b"<":
        return "It is a web page: the address gives a page in place of the file itself."
    if head.startswith(b"version https://git-lfs"):
        return "It is a Git LFS pointer: run `git lfs pull`."
    if head.startswith(_MAGIC_ZIP):
        return "It is cut off or damaged."
    return "It is damaged or of another kind."


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:197] + "..."
