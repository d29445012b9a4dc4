"""Scores of many pictures under several protocols, in a form that processes can add up."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Iterator, Sequence

from sor_ppa.errors import DataError
from sor_ppa.evaluation.sod.levels import Floats
from sor_ppa.evaluation.sod.protocols import DenseProtocol, get_dense_protocols
from sor_ppa.evaluation.sod.scoring import choose_metrics, score_subject
from sor_ppa.evaluation.sod.subject import Subject
from sor_ppa.evaluation.sod.summary import image_scalars, mean_curves, summarize
from sor_ppa.evaluation.sod.sums import MetricSums

Row = dict[str, float]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is computed: protocols, and the metrics (families) of each."""

    protocols: tuple[DenseProtocol, ...]
    families: tuple[tuple[str, ...], ...]

    @classmethod
    def of(
        cls,
        protocols: str | DenseProtocol | Sequence[str | DenseProtocol],
        metrics: Sequence[str] | None = None,
    ) -> Plan:
        """From names.

        Args:
            protocols: see :func:`~sor_ppa.evaluation.sod.protocols.get_dense_protocols`.
            metrics: see :func:`~sor_ppa.evaluation.sod.scoring.choose_metrics`.

        Raises:
            ConfigError: an unknown name.
        """
        rules = get_dense_protocols(protocols)
        return cls(rules, tuple(choose_metrics(rule, metrics) for rule in rules))

    def __iter__(self) -> Iterator[tuple[DenseProtocol, tuple[str, ...]]]:
        return zip(self.protocols, self.families, strict=True)


class DenseTally:
    """Exact sums of all scores, and a row of numbers for each picture.

    Pictures may be added in any order and tallies merged in any grouping: the results are equal
    to the last bit.

    Attributes:
        plan: what is computed.
        rows: by picture, one row a protocol; the columns are those of
            :func:`~sor_ppa.evaluation.sod.summary.image_scalars`.
    """

    def __init__(self, plan: Plan) -> None:
        """Without a picture."""
        self.plan = plan
        self.rows: dict[int, tuple[Row, ...]] = {}
        self._sums = [MetricSums() for _ in plan.protocols]

    def __contains__(self, index: int) -> bool:
        return index in self.rows

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, index: int, subject: Subject) -> None:
        """Scores a picture, once: a second time nothing happens.

        Args:
            index: number of the picture.
            subject: its prediction and mask.
        """
        if index in self.rows:
            return
        rows = []
        for sums, (protocol, families) in zip(self._sums, self.plan, strict=True):
            scores = score_subject(subject, protocol, families)
            sums.add(scores)
            rows.append(image_scalars(scores))
        self.rows[index] = tuple(rows)

    def merge(self, other: DenseTally) -> None:
        """Adds the pictures of another tally.

        Raises:
            DataError: some are in both, and would count twice.
        """
        if both := sorted(self.rows.keys() & other.rows.keys()):
            raise DataError(
                [
                    f"{len(both)} pictures were evaluated by more than one process, the first is "
                    f"number {both[0]}; use a sampler that hands each picture out once, such as "
                    "detectron2's InferenceSampler"
                ],
                what="evaluation",
            )
        self.rows.update(other.rows)
        for ours, theirs in zip(self._sums, other._sums, strict=True):
            ours.merge(theirs)

    def results(self, *, parity: bool = False) -> list[OrderedDict[str, float]]:
        """Scores of the data set under each protocol, see :func:`.summary.summarize`."""
        return [
            summarize(sums, protocol, parity=parity)
            for sums, protocol in zip(self._sums, self.plan.protocols, strict=True)
        ]

    def flat_results(self) -> OrderedDict[str, float]:
        """All scores in one dictionary, "a2s/MAE" under all protocols but the first.

        ``images``, which is the same for all, is there once.
        """
        first, *others = self.results()
        for protocol, results in zip(self.plan.protocols[1:], others, strict=True):
            for name, value in results.items():
                if name != "images":
                    first[f"{protocol.name}/{name}"] = value
        return first

    def curves(self) -> list[dict[str, Floats]]:
        """Mean curves under each protocol, see :func:`.summary.mean_curves`."""
        return [
            mean_curves(sums, protocol)
            for sums, protocol in zip(self._sums, self.plan.protocols, strict=True)
        ]
