"""From a file as it was published to tensors under our names, and to a safetensors file of ours."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch
from detectron2.checkpoint.c2_model_loading import align_and_update_state_dicts
from torch import Tensor

from sor_ppa.checkpoint import encoders, fit, formats, published
from sor_ppa.errors import CheckpointError

_HALF_MAX = torch.finfo(torch.float16).max


def arrange(
    payload: Mapping[str, Any], model_state: Mapping[str, Tensor]
) -> tuple[fit.Fit, published.Source]:
    """Renames the tensors of a file for a model and sorts them by whether they fit.

    Args:
        payload: of :func:`sor_ppa.checkpoint.formats.read_checkpoint`.
        model_state: the model's own state dict.
    """
    state = payload["model"]
    source = published.recognise(state, metadata=payload.get("__metadata__"))
    if payload.get("matching_heuristics", False):
        state = {name: torch.as_tensor(value) for name, value in state.items()}
        caffe2 = payload.get("__author__") == "Caffe2"
        state = align_and_update_state_dicts(dict(model_state), state, c2_conversion=caffe2)
    state, dropped = published.convert(state, source, model_names=model_state.keys())
    return fit.compare(state, model_state, dropped=dropped), source


def convert_file(
    src: str,
    dst: str,
    *,
    model_state: Mapping[str, Tensor] | None = None,
    config: str = "",
    half: bool = False,
    allow_pickle: bool = False,
) -> tuple[fit.Fit, published.Source]:
    """Reads any known weights file and writes one of ours (safetensors).

    Args:
        src: file to read.
        dst: file to write, atomically; its suffix must be ``.safetensors``.
        model_state: state dict of the network it is for; only what fits it is written. Without
            it everything is written but what is known to be of no use.
        config: name of that network's config, noted in the file.
        half: write matrices and kernels as float16; vectors (biases, norm statistics) are small
            and stay as they are.
        allow_pickle: open a pickle in full, which can run any code.

    Returns:
        What was kept and what not, and where the file came from.

    Raises:
        CheckpointError: ``src`` cannot be used, or ``dst`` is no good place.
    """
    if not dst.endswith(".safetensors"):
        raise CheckpointError(f"{dst}: the result is a safetensors file; name it *.safetensors.")
    if os.path.exists(dst) and os.path.exists(src) and os.path.samefile(src, dst):
        raise CheckpointError(f"{dst} is the file to be read as well; choose another name.")
    payload = formats.read_checkpoint(src, allow_pickle=allow_pickle)
    if model_state is None:
        result, source = _without_model(payload)
    else:
        result, source = arrange(payload, model_state)
        encoders.check_encoders(result, src, title=source.title)
        fit.check(result, src, title=source.title, strict=False)
    metadata = {"format": "sor_ppa", "config": config, "source": source.name}
    tensors = {name: shrink(value) if half else value for name, value in result.kept.items()}
    formats.write_safetensors(dst, tensors, metadata=metadata)
    return result, source


def shrink(value: Tensor) -> Tensor:
    """A float matrix or kernel as float16, if its numbers fit; anything else unchanged."""
    if not value.is_floating_point() or value.ndim < 2 or value.numel() == 0:
        return value
    return value.half() if float(value.abs().max()) <= _HALF_MAX else value


def _without_model(payload: Mapping[str, Any]) -> tuple[fit.Fit, published.Source]:
    if payload.get("matching_heuristics", False):
        raise CheckpointError(
            "The names of a Caffe2 file can only be matched with a network: give its --config."
        )
    source = published.recognise(payload["model"], metadata=payload.get("__metadata__"))
    state, dropped = published.convert(payload["model"], source)
    return fit.Fit({n: torch.as_tensor(v) for n, v in state.items()}, dropped=dropped), source
