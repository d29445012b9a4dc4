"""All metrics of one prediction and its mask, under one protocol or several."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from sor_ppa.errors import ConfigError
from sor_ppa.evaluation.sod import boundary, thresholds
from sor_ppa.evaluation.sod.alignment import e_measure
from sor_ppa.evaluation.sod.centroids import centroid_distance
from sor_ppa.evaluation.sod.levels import Floats
from sor_ppa.evaluation.sod.multiscale import multiscale_iou
from sor_ppa.evaluation.sod.protocols import DenseProtocol
from sor_ppa.evaluation.sod.structure import s_measure
from sor_ppa.evaluation.sod.subject import Subject
from sor_ppa.evaluation.sod.thresholds import HANDLERS
from sor_ppa.evaluation.sod.weighted import weighted_f

Scores = dict[str, float | Floats]


def score_subject(subject: Subject, protocol: DenseProtocol, families: Sequence[str]) -> Scores:
    """The chosen metrics of one pair.

    Args:
        subject: prediction and mask.
        protocol: the constants.
        families: metrics, from :func:`choose_metrics`.

    Returns:
        Numbers, and curves (256,) (A2S: (255,)), by key; undefined ones are NaN.
    """
    scores: Scores = {}
    for family in families:
        scores.update(_FAMILIES[family](subject, protocol))
    return scores


def choose_metrics(
    protocol: DenseProtocol, metrics: Sequence[str] | None = None
) -> tuple[str, ...]:
    """The families that hold the given metrics.

    Args:
        protocol: offers its own choice.
        metrics: names of families ("fm"), keys ("fm_curve") or columns of tables ("maxFm"), "all";
            None or nothing: all of the protocol but slow extras.

    Raises:
        ConfigError: an unknown name.
    """
    if not metrics:
        return protocol.families
    return _choose(protocol, (metrics,) if isinstance(metrics, str) else tuple(metrics))


@functools.lru_cache(maxsize=64)
def _choose(protocol: DenseProtocol, names: tuple[str, ...]) -> tuple[str, ...]:
    known = (*protocol.families, *protocol.extras)
    chosen = set()
    for name in names:
        family = _family_of(name.lower())
        if name != "all" and family not in known:
            text = f"unknown saliency metric {name!r}; protocol {protocol.name} has"
            raise ConfigError(f"{text} {', '.join(known)}, all")
        chosen |= set(known) if name == "all" else {family}
    return tuple(family for family in known if family in chosen)


def _family_of(name: str) -> str:
    """Family of a name in lower case; of an unknown one itself."""
    if name in ("precision", "recall"):
        return "pr"
    for part in ("max", "avg", "adp", "bin", "tot", "min"):
        name = name.removeprefix(part)
    return name.removesuffix("_curve").removesuffix("_adp").removesuffix("_bin")


def _sm(subject: Subject, protocol: DenseProtocol) -> Scores:
    return {"sm": s_measure(subject.prepared(protocol).pair, protocol.structure)}


def _mae(subject: Subject, protocol: DenseProtocol) -> Scores:
    pair = subject.prepared(protocol).pair
    wrong = pair.background @ pair.values + pair.counts[1] @ (1 - pair.values)
    return {"mae": float(wrong) / pair.size}


def _mse(subject: Subject, protocol: DenseProtocol) -> Scores:
    pair = subject.prepared(protocol).pair
    wrong = pair.background @ pair.values**2 + pair.counts[1] @ (1 - pair.values) ** 2
    return {"mse": float(wrong) / pair.size}


def _em(subject: Subject, protocol: DenseProtocol) -> Scores:
    cuts = subject.prepared(protocol).cuts(protocol.levels)
    values = e_measure(cuts, eps=protocol.e_eps)
    if protocol.adaptive_only:
        return {"em": float(values[cuts.levels])}
    return {"em_adp": float(values[cuts.levels]), "em_curve": values[: cuts.levels]}


def _fm(subject: Subject, protocol: DenseProtocol) -> Scores:
    cuts = subject.prepared(protocol).cuts(protocol.levels)
    parts = cuts.parts("fm", thresholds.f_measure(cuts))
    if protocol.pooled_f:
        del parts["fm_curve"]
    return parts


def _pr(subject: Subject, protocol: DenseProtocol) -> Scores:
    cuts = subject.prepared(protocol).cuts(protocol.levels)
    if protocol.pr_eps:
        precision = cuts.tp / (cuts.tp + cuts.fp + protocol.pr_eps)
    else:
        precision = thresholds.precision(cuts)
    recall = thresholds.recall(cuts)
    return {"precision": precision[: cuts.levels], "recall": recall[: cuts.levels]}


def _wfm(subject: Subject, protocol: DenseProtocol) -> Scores:
    return {"wfm": weighted_f(subject.prepared(protocol).weighted, eps=protocol.wf_eps)}


def _handler(name: str) -> Callable[[Subject, DenseProtocol], Scores]:
    def family(subject: Subject, protocol: DenseProtocol) -> Scores:
        cuts = subject.prepared(protocol).cuts(protocol.levels)
        return {**cuts.parts(name, HANDLERS[name](cuts))}

    return family


def _iou(subject: Subject, protocol: DenseProtocol) -> Scores:
    cuts = subject.prepared(protocol).cuts(protocol.levels)
    return {**cuts.parts("iou", thresholds.iou(cuts, of_nothing=protocol.empty_iou))}


def _counts(subject: Subject, protocol: DenseProtocol) -> Scores:
    cuts = subject.prepared(protocol).cuts(protocol.levels)
    return {"counts_bin": np.array([part[-1] for part in (cuts.tp, cuts.fp, cuts.fn, cuts.tn)])}


def _mba(subject: Subject, protocol: DenseProtocol) -> Scores:
    return {"mba": boundary.mean_boundary_accuracy(*subject.binary)}


def _biou(subject: Subject, protocol: DenseProtocol) -> Scores:
    return {"biou_curve": boundary.biou_curve(subject.prepared(protocol).pair)}


def _tiou(subject: Subject, protocol: DenseProtocol) -> Scores:
    return {"tiou_curve": boundary.tiou_curve(subject.prepared(protocol).pair)}


def _dis(subject: Subject, protocol: DenseProtocol) -> Scores:
    return {"dis": centroid_distance(subject.prepared(protocol).pair)}


def _msiou(subject: Subject, protocol: DenseProtocol) -> Scores:
    pair = subject.prepared(protocol).pair
    chosen = {"adp": pair.values >= pair.adaptive_threshold, "bin": pair.values > 0.5}
    return {
        f"msiou_{form}": multiscale_iou(table.astype(np.uint8)[pair.codes], pair.mask)
        for form, table in chosen.items()
    }


_FAMILIES: Mapping[str, Callable[[Subject, DenseProtocol], Scores]] = {
    "sm": _sm,
    "mae": _mae,
    "mse": _mse,
    "em": _em,
    "fm": _fm,
    "pr": _pr,
    "wfm": _wfm,
    **{name: _handler(name) for name in HANDLERS},
    "iou": _iou,
    "counts": _counts,
    "mba": _mba,
    "biou": _biou,
    "tiou": _tiou,
    "msiou": _msiou,
    "dis": _dis,
}
