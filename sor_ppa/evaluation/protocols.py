"""Every constant that a ranking score depends on, under the names of the published protocols.

Evaluators of this field are copies of copies with different constants, so the same output gets
different scores. Here the constants are data: a :class:`Protocol` goes into every result.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from sor_ppa.errors import ConfigError
from sor_ppa.visualization.rank_maps import DRAWINGS

_CHOICES = {
    "sor": ("map", "instances"),
    "sor_nan": ("drop", "zero"),
    "matching": ("greedy", "hungarian"),
    "rank_numbers": ("reranked", "position"),
    "single_gt": ("skip", "count"),
    "constant_prediction": ("zero", "nan"),
    "sa_sor_nan": ("drop", "zero"),
    "drawing": DRAWINGS,
}


@dataclasses.dataclass(frozen=True)
class Protocol:
    """The constants of one published way of scoring a ranking.

    Attributes:
        name: what the command line calls it.
        reference: who published it.
        sor: ``"map"`` reads the grey of each true object off the rank map; ``"instances"`` matches
            each true object with the first predicted one that overlaps enough.
        coverage: share of an object's pixels that must be non-zero in the map (``sor="map"``).
        coverage_strict: True: more than that share; False: at least that share.
        single_object: Spearman's rho of an image in which exactly one object was found.
        sor_nan: what happens to images without a rho: ``"drop"`` leaves them out of the mean,
            ``"zero"`` counts them as rho = 0.
        matching: ``"greedy"`` or ``"hungarian"`` matching of objects for SA-SOR.
        iou_threshold: overlap of a match (SA-SOR, SOR on instances, top-1).
        iou_strict: True: IoU > threshold; False: IoU >= threshold.
        rank_numbers: ``"reranked"``: SA-SOR numbers the predictions anew among those that count;
            ``"position"``: by their place in the whole prediction list.
        single_gt: ``"skip"`` leaves images with one true object out of SA-SOR, ``"count"`` counts.
        constant_prediction: SA-SOR of an image whose predicted numbers are all equal: ``"zero"``
            or ``"nan"``.
        sa_sor_nan: like ``sor_nan``, for SA-SOR.
        score_threshold: class probability above which the published detector keeps an object. It
            belongs to the model and is not applied to saved results a second time.
        drawing: how rank maps are painted: ``"exact"`` or ``"published"`` (outlined polygons).
    """

    name: str
    reference: str
    sor: str = "map"
    coverage: float = 0.5
    coverage_strict: bool = True
    single_object: float = 1.0
    sor_nan: str = "drop"
    matching: str = "greedy"
    iou_threshold: float = 0.5
    iou_strict: bool = False
    rank_numbers: str = "reranked"
    single_gt: str = "skip"
    constant_prediction: str = "zero"
    sa_sor_nan: str = "drop"
    score_threshold: float | None = None
    drawing: str = "exact"

    def __post_init__(self) -> None:
        """Refuses a setting that nothing implements (ConfigError)."""
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                known = ", ".join(choices)
                raise ConfigError(f"protocol {name} must be {known}; got {getattr(self, name)!r}")

    def as_dict(self) -> dict[str, Any]:
        """The constants as plain values, for JSON."""
        return dataclasses.asdict(self)

    def overlaps(self, iou: Any) -> Any:
        """Whether an IoU (a number or an array) is a match."""
        return iou > self.iou_threshold if self.iou_strict else iou >= self.iou_threshold


PROTOCOLS: dict[str, Protocol] = {
    # The paper has SOR and MAE only; its SA-SOR column comes from later papers, with IRSR's rules.
    "ppa": Protocol(
        name="ppa",
        reference="Fang et al., Salient Object Ranking with Position-Preserved Attention, ICCV "
        "2021 (evaluator of Siris et al., CVPR 2020); SA-SOR as in Liu et al., TPAMI 2021",
        score_threshold=0.3,
        drawing="published",
    ),
    "irsr": Protocol(
        name="irsr",
        reference="Liu et al., Instance-Level Relative Saliency Ranking with Graph Reasoning, "
        "TPAMI 2021",
    ),
    "seqrank": Protocol(
        name="seqrank",
        reference="Guan and Lau, SeqRank: Sequential Ranking of Salient Objects, AAAI 2024",
        sor="instances",
        sor_nan="zero",
        matching="hungarian",
        iou_strict=True,
        rank_numbers="position",
        single_gt="count",
        constant_prediction="nan",
        sa_sor_nan="zero",
    ),
}


def get_protocol(name: str | Protocol, *, drawing: str | None = None) -> Protocol:
    """A protocol by name, with another drawing when one is given.

    Args:
        name: ``"ppa"``, ``"irsr"`` or ``"seqrank"``, or a protocol of your own.
        drawing: replaces the protocol's drawing; None keeps it.

    Raises:
        ConfigError: an unknown name.
    """
    if not isinstance(name, Protocol) and name not in PROTOCOLS:
        raise ConfigError(f"unknown ranking protocol {name!r}; use one of {', '.join(PROTOCOLS)}")
    protocol = name if isinstance(name, Protocol) else PROTOCOLS[name]
    return protocol if drawing is None else dataclasses.replace(protocol, drawing=drawing)
