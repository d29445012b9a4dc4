"""Published files of MSI-Net, and the VGG-16s that its training starts from.

TensorFlow keeps kernels as (height, width, in, out). The published network subtracts another mean
than networks of ours do; since the mean is one of the network's tensors here, every file of another
project is given the one that it was trained with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sor_ppa.checkpoint.source import Source
from sor_ppa.errors import CheckpointError

MEAN = "pixel_mean"
#: BGR's mean, subtracted from RGB pictures: what MSI-Net was trained with.
PUBLISHED_MEAN = (103.939, 116.779, 123.68)
#: RGB's, of Caffe's VGG-16.
CAFFE_MEAN = (123.68, 116.779, 103.939)
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
_BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
# First numbers of the first kernel, by channel: torchvision's own training, and Caffe's (as Keras
# prints them; files differ in the order of the channels).
_FIRST_OF_V1 = (-0.5537, 0.1755, 0.3130)
_FIRST_OF_CAFFE = (0.4800, 0.5504, 0.4295)
_FIRST_TOLERANCE = 1e-3
_SHOWN = 10
_ADAM = re.compile(r"/Adam(_\d+)?$|(^|/)beta[12]_power$")


def _encoder_layers() -> Iterator[tuple[str, int, int]]:
    """Name, inputs and outputs of VGG-16's convolutions."""
    before = 3
    for block, (channels, count) in enumerate(_BLOCKS, start=1):
        for index in range(1, count + 1):
            yield f"conv{block}_{index}", before, channels
            before = channels


def _layers() -> Iterator[tuple[str, str, int, int, int]]:
    """Published name, our name, size of the kernel, inputs and outputs of every layer."""
    for name, before, after in _encoder_layers():
        yield f"{name.split('_')[0]}/{name}", f"encoder.{name}", 3, before, after
    context = 256 + 512 + 512
    for name, size, before in (
        *(("conv1_1", 1, context), ("conv1_2", 3, context), ("conv1_3", 3, context)),
        *(("conv1_4", 3, context), ("conv1_5", 1, context), ("conv2", 1, 5 * 256)),
    ):
        yield f"aspp/{name}", f"aspp.{name}", size, before, 256
    for name, before, after in (
        *(("conv1", 256, 128), ("conv2", 128, 64), ("conv3", 64, 32), ("conv4", 32, 1)),
    ):
        yield f"decoder/{name}", f"decoder.{name}", 3, before, after


def _table() -> dict[str, tuple[str, tuple[int, ...]]]:
    found: dict[str, tuple[str, tuple[int, ...]]] = {}
    for theirs, ours, size, before, after in _layers():
        found[f"{theirs}/kernel"] = (f"{ours}.weight", (size, size, before, after))
        found[f"{theirs}/bias"] = (f"{ours}.bias", (after,))
    return found


#: Published name -> (our name, published shape).
TENSORS = _table()


def _adapt_msinet(state: Mapping[str, Any]) -> dict[str, Any]:
    """The 46 tensors under our names, kernels turned, and the file's mean."""
    found, problems = _by_published_name(state)
    adapted: dict[str, Any] = {}
    for name, (ours, shape) in TENSORS.items():
        if name not in found:
            problems.append(f"{name}: not in the file")
        elif tuple(found[name].shape) != shape:
            problems.append(f"{name}: {tuple(found[name].shape)}, expected {shape}")
        else:
            adapted[ours] = _turned(found[name])
    if problems:
        rest = [f"... and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        lines = "\n  ".join([*problems[:_SHOWN], *rest])
        raise CheckpointError(f"this MSI-Net is not the published network:\n  {lines}")
    return {**adapted, MEAN: _mean_of(state)}


def _by_published_name(state: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Tensors by the published names that theirs end with, and a line for each name used twice."""
    found: dict[str, Any] = {}
    problems = []
    for name, value in state.items():
        if _ADAM.search(name):
            continue
        short = "/".join(name.removesuffix(":0").split("/")[-3:])
        if short not in TENSORS:
            continue
        if short in found:
            problems.append(f"{short}: twice in the file")
        found[short] = value
    return found, problems


def _mean_of(state: Mapping[str, Any]) -> Tensor:
    """The mean that a graph subtracts: its constant of three numbers; a bundle has none."""
    means = {
        tuple(np.ravel(value).tolist())
        for value in state.values()
        if np.ndim(value) == 4 and np.size(value) == 3
    }
    return torch.tensor(means.pop() if len(means) == 1 else PUBLISHED_MEAN)


def _turned(value: Any) -> Tensor:  # noqa: ANN401 - an array or a tensor
    """(height, width, in, out) -> (out, in, height, width); biases as they are."""
    tensor = torch.tensor(value)  # a copy: arrays of files are read-only
    return tensor.permute(3, 2, 0, 1).contiguous() if tensor.ndim == 4 else tensor


def _adapt_hybrid(state: Mapping[str, Any]) -> dict[str, Any]:
    """``conv1_1/weights`` ... of the reference's start; it goes with the reference's mean."""
    adapted: dict[str, Any] = {MEAN: torch.tensor(PUBLISHED_MEAN)}
    for name, value in state.items():
        layer, _, part = name.partition("/")
        kind = {"weights": "weight", "biases": "bias"}.get(part)
        if kind and re.fullmatch(r"conv\d_\d", layer):
            adapted[f"encoder.{layer}.{kind}"] = _turned(value)
    return adapted


def _adapt_vgg(state: Mapping[str, Any]) -> dict[str, Any]:
    """Torchvision's and timm's VGG-16, whose inputs may have been divided by a deviation.

    That of torchvision's own training (``IMAGENET1K_V1``, timm's ``tv_in1k``) was; there the
    deviation is folded into the first kernel, so that the network sees grey levels minus a mean in
    both cases.
    """
    is_caffe = _is_caffe(state)
    index, adapted = 0, {}
    for name, _, _ in _encoder_layers():
        for part in ("weight", "bias"):
            adapted[f"encoder.{name}.{part}"] = torch.as_tensor(state[f"features.{index}.{part}"])
        index += 3 if name in ("conv1_2", "conv2_2", "conv3_3", "conv4_3") else 2
    if is_caffe:
        return {**adapted, MEAN: torch.tensor(CAFFE_MEAN)}
    deviation = 255 * torch.tensor(_IMAGENET_STD, dtype=torch.float64).view(1, 3, 1, 1)
    first = adapted["encoder.conv1_1.weight"]
    adapted["encoder.conv1_1.weight"] = (first.double() / deviation).to(first.dtype)
    mean = 255 * torch.tensor(_IMAGENET_MEAN, dtype=torch.float64)
    return {**adapted, MEAN: mean.float()}


def _is_caffe(state: Mapping[str, Any]) -> bool:
    """Whether a VGG-16 has Caffe's numbers (``IMAGENET1K_FEATURES``).

    By its first numbers; where they are others (trained on), by its classifier, which is NaN in
    Caffe's file since that has no valid one.

    Raises:
        CheckpointError: it cannot be told.
    """
    first = np.asarray(torch.as_tensor(state["features.0.weight"])[0, :, 0, 0].double())
    for known, answer in ((_FIRST_OF_V1, False), (_FIRST_OF_CAFFE, True)):
        if any(np.abs(first - np.array(k)).max() < _FIRST_TOLERANCE for k in (known, known[::-1])):
            return answer
    rest = [v for name, v in state.items() if not name.startswith("features.")]
    if not rest:
        raise CheckpointError(
            "this VGG-16 has neither the numbers of a known one nor a classifier, by which Caffe's "
            "(IMAGENET1K_FEATURES: NaN) and torchvision's own (IMAGENET1K_V1) are told apart; take "
            "the whole file"
        )
    return any(bool(torch.isnan(torch.as_tensor(value)).any()) for value in rest)


#: First match wins.
FIXATION_SOURCES = (
    Source(
        "msinet",
        "a published MSI-Net",
        (r"(^|/)conv1/conv1_1/kernel(:0)?$", r"(^|/)aspp/conv\d", r"(^|/)decoder/conv\d"),
        adapt=_adapt_msinet,
    ),
    Source(
        "vgg16-hybrid",
        "a VGG-16 of TensorFlow's names",
        (r"^conv1_1/weights$", r"^conv5_3/biases$"),
        adapt=_adapt_hybrid,
    ),
    Source(
        "vgg16",
        "an ImageNet VGG-16 (torchvision's and timm's names)",
        (r"^features\.0\.weight$", r"^features\.28\.weight$", r"^features\.26\.bias$"),
        (r"^features\.0\.0\.", r"^features\.1\.weight$"),
        adapt=_adapt_vgg,
    ),
)
