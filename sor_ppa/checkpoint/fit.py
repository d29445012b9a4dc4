"""Comparing the tensors of a file with those of a model, and one readable account of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from tabulate import tabulate
from torch import Tensor

from sor_ppa.errors import CheckpointError

# A file of which less than this share fits (or that fills less than this share of the model,
# whichever is more) belongs to another network.
_LEAST_SHARE = 0.2
# What the names of backbones and encoders begin with.
_BODIES = ("backbone.", "encoder.", "t_net.")

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Misfit:
    """A tensor whose name is known and whose shape is not the model's."""

    name: str
    file_shape: Shape
    model_shape: Shape

    @property
    def why(self) -> str:
        """The reason in words."""
        here, there = self.model_shape, self.file_shape
        if len(here) == len(there) and here[1:] == there[1:]:
            return f"{there[0]} outputs in the file, {here[0]} here"
        if len(here) == len(there) and here[:1] == there[:1] and here[2:] == there[2:]:
            return f"{there[1]} inputs in the file, {here[1]} here"
        return "another shape"


@dataclass
class Fit:
    """What of a file goes into a model.

    Attributes:
        kept: tensors that go in, by name.
        misfits: known names with another shape.
        missing: names of the model that the file does not have.
        unexpected: names of the file that the model does not have.
        dropped: names that were left out on purpose, and why.
    """

    kept: dict[str, Tensor]
    misfits: list[Misfit] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    dropped: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Every tensor of the model is in the file."""
        return not self.misfits and not self.missing


def compare(
    state: Mapping[str, Any], model_state: Mapping[str, Tensor], *, dropped: dict[str, str]
) -> Fit:
    """Sorts the tensors of a file (our names already) by whether they fit the model."""
    result = Fit(kept={}, dropped=dropped)
    for name, value in state.items():
        if name not in model_state:
            result.unexpected.append(name)
            continue
        shapes = tuple(value.shape), tuple(model_state[name].shape)
        if shapes[0] == shapes[1]:
            result.kept[name] = torch.as_tensor(value)
        else:
            result.misfits.append(Misfit(name, *shapes))
    result.missing = [name for name in model_state if name not in state]
    return result


def check(result: Fit, path: str, *, title: str, strict: bool) -> None:
    """Refuses files of another network and files with broken numbers.

    Args:
        result: of :func:`compare`.
        path: the file, for messages.
        title: what kind of file it is.
        strict: also refuse a file that leaves any tensor of the model unset.

    Raises:
        CheckpointError: with the first five missing and unexpected names, or broken tensors.
    """
    file_size = len(result.kept) + len(result.misfits) + len(result.unexpected)
    model_size = len(result.kept) + len(result.misfits) + len(result.missing)
    if len(result.kept) <= _LEAST_SHARE * min(file_size, model_size):
        raise CheckpointError(
            f"{path} ({title}) does not belong to this model: only {len(result.kept)} of its "
            f"{file_size} tensors fit. {_examples(result)} Use the config it was trained with."
        )
    if _another_body(result):
        raise CheckpointError(
            f"{path} ({title}) does not belong to this model: none of the tensors of its backbone "
            f"fits. {_examples(result)} Use the config it was trained with."
        )
    if strict and not result.complete:
        raise CheckpointError(
            f"{path} ({title}) leaves {len(result.missing) + len(result.misfits)} of the model's "
            f"{model_size} tensors unset. {_examples(result)} Use the config it was trained with."
        )
    broken = [name for name, value in result.kept.items() if not is_finite(value)]
    if broken:
        raise CheckpointError(
            f"{path}: {len(broken)} tensors hold NaN or infinity ({_shorten(broken)}): the "
            "training that wrote it had diverged. Use an earlier checkpoint."
        )


def describe(result: Fit, path: str, *, title: str) -> str:
    """The account for the log: what was loaded, and one table of what was skipped."""
    total = len(result.kept) + len(result.misfits) + len(result.unexpected) + len(result.dropped)
    twice = len(result.kept) - len({id(value) for value in result.kept.values()})
    loaded = len(result.kept) - twice
    lines = [f"Loaded {loaded} of the {total - twice} tensors of {path}, {title}."]
    if twice:
        lines.append(f"{twice} of them went into two encoders each.")
    if result.misfits:
        rows = [(m.name, m.file_shape, m.model_shape, m.why) for m in result.misfits]
        table = tabulate(rows, headers=["skipped tensor", "file", "model", "why"])
        lines += ["Skipped (these layers start from fresh values):", table]
    if result.missing:
        lines.append(f"Not in the file, left as they were: {group_names(result.missing)}")
    if result.unexpected:
        lines.append(f"In the file only, not used: {group_names(result.unexpected)}")
    if result.dropped:
        reasons = Counter(result.dropped.values())
        why = ", ".join(f"{count} ({reason})" for reason, count in reasons.items())
        lines.append(f"Left out on purpose: {why}")
    return "\n".join(lines)


def group_names(names: Iterable[str]) -> str:
    """``a.b.c, a.b.d, e`` -> ``a.b.* (2), e (1)``: two levels of names with their counts."""
    counts = Counter(group_name(name) for name in names)
    return ", ".join(f"{group} ({count})" for group, count in counts.items())


def group_name(name: str) -> str:
    """``a.b.c.d`` -> ``a.b.*``."""
    parts = name.split(".")
    return name if len(parts) <= 2 else ".".join(parts[:2]) + ".*"


def _another_body(result: Fit) -> bool:
    """Heads of different networks may share names and shapes; their bodies tell them apart."""
    return any(_differs(result, body) for body in _BODIES)


def _differs(result: Fit, body: str) -> bool:
    misfits = [misfit.name for misfit in result.misfits]
    in_file = any(name.startswith(body) for name in (*misfits, *result.unexpected))
    in_model = any(name.startswith(body) for name in (*misfits, *result.missing))
    return in_file and in_model and not any(name.startswith(body) for name in result.kept)


def _examples(result: Fit) -> str:
    missing = [*(m.name for m in result.misfits), *result.missing]
    return (
        f"Missing: {_shorten(missing)}. Unexpected: {_shorten(result.unexpected)}."
        if missing or result.unexpected
        else "It is empty."
    )


def _shorten(names: list[str], shown: int = 5) -> str:
    rest = f" and {len(names) - shown} more" if len(names) > shown else ""
    return (", ".join(names[:shown]) or "none") + rest


def is_finite(value: Tensor) -> bool:
    """Whether a tensor is free of NaN and infinity."""
    return not value.is_floating_point() or bool(torch.isfinite(value).all())
