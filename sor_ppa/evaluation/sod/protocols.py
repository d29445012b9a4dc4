"""Every constant that a score of a dense map depends on, by the names of published evaluators."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from sor_ppa.errors import ConfigError
from sor_ppa.evaluation.sod.structure import StructureRule

_SPACING = 2.0**-52


@dataclasses.dataclass(frozen=True)
class DenseProtocol:
    """The constants of one published way of scoring saliency maps.

    Attributes:
        name: what configs and command lines call it.
        reference: who published it.
        structure: the S-measure's.
        e_eps: what keeps the E-measure's denominators from being 0.
        wf_eps: the same of the weighted F-measure.
        pr_eps: added to the denominators of the precision curve and of the F made from it.
        families: metrics that are computed unless others are asked for.
        extras: slower ones, computed only if asked for.
        columns: scores of a data set that its tables show, in their order.
        levels: length of the F curve; 255: grey 254 and 255 are one level.
        own_half: an object pixel is one above half of the mask's own maximum, not above 128.
        integer_stretch: stretching divides whole numbers, not multiples of 1/255.
        pooled_f: the F curve of a data set comes from its mean precision and recall; False: it is
            the mean of the pictures' F curves.
        adaptive_only: of the E-measure only the adaptive form exists.
        resize: saved maps of another size than their mask are resized (Pillow, bicubic); False:
            they are refused.
        plain_in_loop: maps that come straight from a network are rounded to 8 bits and not
            stretched, and an object pixel is one above the middle of its mask's own range.
        empty_iou: IoU of an empty map and an empty mask.
    """

    name: str
    reference: str
    structure: StructureRule
    e_eps: float
    wf_eps: float
    families: tuple[str, ...]
    extras: tuple[str, ...]
    columns: tuple[str, ...]
    pr_eps: float = 0.0
    levels: int = 256
    own_half: bool = False
    integer_stretch: bool = False
    pooled_f: bool = False
    adaptive_only: bool = False
    resize: bool = False
    plain_in_loop: bool = False
    empty_iou: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """The constants as plain values, for JSON."""
        return dataclasses.asdict(self)


_COLUMNS = ("Sm", "MAE", "adpEm", "maxEm", "avgEm", "adpFm", "maxFm", "avgFm", "wFm")
# Those with a curve, an adaptive and a binary form, and the counts for a binary form of the set.
_CUTS = ("iou", "dice", "spec", "fpr", "ber", "oa", "kappa", "counts")
_BASIC = ("sm", "mae", "em", "fm", "pr", "wfm")

PROTOCOLS: dict[str, DenseProtocol] = {
    "pysod": DenseProtocol(
        name="pysod",
        reference="PySODMetrics 1.6 (Pang et al.)",
        structure=StructureRule(object_ddof=1, spread_ddof=1, eps=_SPACING),
        e_eps=_SPACING,
        wf_eps=_SPACING,
        families=(*_BASIC, "mse", *_CUTS),
        extras=("mba", "biou", "tiou", "msiou", "dis"),
        columns=_COLUMNS,
    ),
    "inspyrenet": DenseProtocol(
        name="inspyrenet",
        reference="Kim et al., Revisiting Image Pyramid Structure for High Resolution Salient "
        "Object Detection, ACCV 2022",
        structure=StructureRule(object_ddof=0, spread_ddof=1, eps=1e-16, small_quadrants=False),
        e_eps=1e-16,
        wf_eps=1e-16,
        families=(*_BASIC, "mba", "mse", "iou", "biou", "tiou"),
        extras=(*_CUTS[1:], "msiou", "dis"),
        columns=(*_COLUMNS, "mBA"),
    ),
    "a2s": DenseProtocol(
        name="a2s",
        reference="Zhou et al., Texture-Guided Saliency Distilling for Unsupervised Salient "
        "Object Detection, CVPR 2023 (A2S-v2)",
        structure=StructureRule(
            object_ddof=0, spread_ddof=0, eps=1e-8, clamp=False, small_quadrants=False
        ),
        e_eps=1e-8,
        wf_eps=1e-6,
        families=(*_BASIC, "iou", "dis"),
        extras=("mse", *_CUTS[1:], "mba", "biou", "tiou", "msiou"),
        columns=("MAE", "maxFm", "adpFm", "Sm", "adpEm", "wFm", "binIoU", "Dis"),
        pr_eps=1e-8,
        levels=255,
        own_half=True,
        integer_stretch=True,
        pooled_f=True,
        adaptive_only=True,
        resize=True,
        plain_in_loop=True,
        empty_iou=math.nan,
    ),
}


def get_dense_protocol(name: str | DenseProtocol) -> DenseProtocol:
    """A protocol by name; one of your own is returned as it is.

    Raises:
        ConfigError: an unknown name.
    """
    if isinstance(name, DenseProtocol):
        return name
    if name not in PROTOCOLS:
        raise ConfigError(f"unknown saliency protocol {name!r}; use one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def get_dense_protocols(
    names: str | DenseProtocol | Sequence[str | DenseProtocol],
) -> tuple[DenseProtocol, ...]:
    """One protocol or several, in the order given, each once.

    Args:
        names: "pysod", "pysod,a2s", or a list of such and of your own.

    Raises:
        ConfigError: an unknown name, or none at all.
    """
    given = [names] if isinstance(names, (str, DenseProtocol)) else names
    parts = [part for name in given for part in _parts(name)]
    if not parts:
        raise ConfigError(f"name at least one saliency protocol: {', '.join(PROTOCOLS)}")
    return tuple(dict.fromkeys(get_dense_protocol(part) for part in parts))


def _parts(name: str | DenseProtocol) -> list[str | DenseProtocol]:
    if isinstance(name, DenseProtocol):
        return [name]
    return [part.strip() for part in name.split(",") if part.strip()]
