"""Which weights file is this, and what are its tensors called here?

A file is recognised by the names in it, never by its own name. Our networks keep the published
names of SOR, CenterMask2, InSPyReNet and A2S, so most files only need a prefix; torchvision's
MobileNetV2 and timm's Swin need a rename, MSI-Net also other axes. Layers whose shapes differ (80
COCO classes, say) are left to :mod:`.fit`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from sor_ppa.checkpoint.encoders import ENCODERS
from sor_ppa.checkpoint.published_dense import DENSE_SOURCES
from sor_ppa.checkpoint.published_fixation import FIXATION_SOURCES, MEAN
from sor_ppa.checkpoint.published_unlabelled import EMPTY_NAMES, UNLABELLED_SOURCES
from sor_ppa.checkpoint.source import Source

State = Mapping[str, Any]

# Wrappers put these before every name: DistributedDataParallel, torch.compile, Lightning.
_WRAPPERS = ("module.", "_orig_mod.", "model.")
# Where a file that holds only a backbone may belong; two encoders get the same numbers each.
_HOMES = (("",), ("backbone.bottom_up.",), ("backbone.",), ENCODERS)
# Names that carry nothing to load, and why.
_EMPTY_NAMES = (
    *EMPTY_NAMES,
    (re.compile(r"^pixel_(mean|std)$"), "the config's PIXEL_MEAN and PIXEL_STD are used"),
    (re.compile(r"\.num_batches_tracked$"), "a counter of the training that made the file"),
    (re.compile(r"anchor_generator\.cell_anchors"), "computed from the config"),
)


def _mobilenet_name(name: str) -> str | None:
    """In torchvision conv, norm and activation are nested; ours lie side by side.

    ``features.5.conv.1.0.weight`` -> ``features.5.conv.3.weight``: with parts of 3 modules each,
    module b of part a is module 3a + b. The projection (no activation, not nested) follows.
    """
    if re.match(r"features\.18\.|classifier\.", name):
        return None
    nested = re.match(r"(features\.\d+\.conv)\.(\d)\.(\d)\.(.+)", name)
    if nested:
        stem, part, module, rest = nested.groups()
        return f"{stem}.{3 * int(part) + int(module)}.{rest}"
    flat = re.match(r"features\.(\d+)\.conv\.(\d)\.(.+)", name)
    if flat:
        index, part, rest = flat.groups()
        parts = 1 if index == "1" else 2  # the first block does not expand
        return f"features.{index}.conv.{3 * parts + int(part) - parts}.{rest}"
    return name


_SOR_HEAD = r"^roi_heads\.sor_head\."

# First match wins.
SOURCES = (
    Source("sor", "a ranking checkpoint (names as published with SOR)", (_SOR_HEAD,)),
    Source(
        "centermask2-coco",
        "a CenterMask2 checkpoint",
        (r"^proposal_generator\.fcos_head\.", r"^roi_heads\.mask_head\."),
        (_SOR_HEAD,),
    ),
    Source(
        "maskrcnn",
        "a Mask R-CNN checkpoint of detectron2's model zoo",
        (r"^proposal_generator\.rpn_head\.", r"^roi_heads\.box_predictor\."),
        (_SOR_HEAD,),
    ),
    Source(
        "torchvision-mobilenetv2",
        "an ImageNet MobileNetV2 (torchvision's names)",
        (r"^features\.0\.0\.weight$", r"^features\.\d+\.conv\.0\.0\.weight$"),
        rename=_mobilenet_name,
        home="backbone.bottom_up.",
    ),
    Source(
        "mobilenetv2",
        "a MobileNetV2 backbone",
        (r"^features\.0\.0\.weight$", r"^features\.2\.conv\.7\.weight$"),
        home="backbone.bottom_up.",
    ),
    Source(
        "vovnet", "a VoVNet backbone", (r"^stem\.stem_1/conv\.weight$",), home="backbone.bottom_up."
    ),
    *DENSE_SOURCES,
    *UNLABELLED_SOURCES,
    *FIXATION_SOURCES,
)
UNKNOWN = Source("unknown", "a checkpoint of unknown origin", ())
OURS = Source("sor_ppa", "a checkpoint of this project", ())


def strip_wrappers(state: State) -> dict[str, Any]:
    """Removes ``module.`` and the like where *every* name has it."""
    names = dict(state)
    for wrapper in _WRAPPERS:
        if names and all(name.startswith(wrapper) for name in names):
            names = {name[len(wrapper) :]: value for name, value in names.items()}
    return names


def recognise(state: State, *, metadata: Mapping[str, str] | None = None) -> Source:
    """Tells where a state dict comes from, by its names (``module.`` before them is ignored).

    Args:
        state: name -> tensor.
        metadata: text of a safetensors file.
    """
    if (metadata or {}).get("format") == "sor_ppa":
        return OURS
    names = strip_wrappers(state)
    return next((source for source in SOURCES if source.matches(names)), UNKNOWN)


def convert(
    state: State, source: Source, *, model_names: Collection[str] | None = None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Renames the tensors of a file to ours.

    Args:
        state: name -> tensor, as read.
        source: what :func:`recognise` said.
        model_names: the model's own names, by which a missing prefix is found.

    Returns:
        (our name -> tensor, name in the file -> why it was left out).

    Raises:
        CheckpointError: the file is not what its names promise.
    """
    renamed: dict[str, Any] = {}
    dropped: dict[str, str] = {}
    known = frozenset(model_names or ())
    given = strip_wrappers(state)
    for name, value in source.adapt(given).items():
        new = source.rename(name)
        wanted = name not in given or _has_place(new or name, known) or _is_own_mean(name, given)
        why = None if wanted else _why_empty(name)
        if why or new is None:
            dropped[name] = why or "no such layer here"
        else:
            renamed[new] = value
    homes = _best_homes(renamed, known) if known else (source.home,)
    return {home + name: value for home in homes for name, value in renamed.items()}, dropped


def _has_place(name: str, known: frozenset[str]) -> bool:
    return any(home + name in known for homes in _HOMES for home in homes)


def _is_own_mean(name: str, given: Collection[str]) -> bool:
    """Whether it is the mean of an MSI-Net of ours, which belongs to the weights."""
    return name == MEAN and "aspp.conv2.weight" in given


def _why_empty(name: str) -> str | None:
    return next((why for pattern, why in _EMPTY_NAMES if pattern.search(name)), None)


def _best_homes(state: State, model_names: frozenset[str]) -> tuple[str, ...]:
    """The prefixes under which most of the names are the model's, of those that it has."""

    def fitting(homes: tuple[str, ...]) -> int:
        return sum(homes[0] + name in model_names for name in state)

    best = max(_HOMES, key=fitting)
    return tuple(home for home in best if any(name.startswith(home) for name in model_names))
