"""Scores of fixation maps over a data set, and the files in which they are kept."""

from __future__ import annotations

import dataclasses
import math
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tabulate import tabulate

from sor_ppa.data.image_io import write_json
from sor_ppa.data.writers import PathLike
from sor_ppa.evaluation.dense_report import csv_text, write_texts
from sor_ppa.evaluation.gaze.scoring import Rules

__all__ = ["FixationRun", "summary", "table", "write_fixation_report"]

FORMAT = "sor_ppa fixation metrics"
VERSION = 1
_CONVENTIONS = {
    "mean": "of an image's fixations, then of the images; images without fixations are left out",
    "IG": "bits against a centred Gaussian with a quarter of height and width as its spreads",
    "IG, LL": "of p = (map - min + 1e-6) / sum; nothing is fitted",
    "AUC-Borji": "100 splits; the drawn pixels follow from seed and place in the set",
    "MIT": "repetitions count once; people's map by a Gaussian in the Fourier domain",
}
# Of these, what a fixation contributes is also averaged over all fixations.
_BY_FIXATION = ("IG", "IG-uniform", "LL")


@dataclass
class FixationRun:
    """Scores of one method.

    Attributes:
        method: its name; "" where there is only one.
        rules: what was computed.
        rows: scores by the image's place in the set.
        fixations: number of fixations by the image's place.
    """

    method: str
    rules: Rules
    rows: dict[int, dict[str, float]] = field(default_factory=dict)
    fixations: dict[int, int] = field(default_factory=dict)

    def add(self, place: int, row: Mapping[str, float], fixations: int) -> None:
        """Keeps the scores of an image."""
        self.rows[place], self.fixations[place] = dict(row), fixations

    def merge(self, other: FixationRun) -> None:
        """Takes over what another process scored."""
        self.rows |= other.rows
        self.fixations |= other.fixations


def summary(run: FixationRun) -> OrderedDict[str, float]:
    """Means over the images, NaN left out; the same to the last bit in whatever order they came.

    Returns:
        metrics by name, "IG/fixations" and the like as means over all fixations, "images".
    """
    places = sorted(run.rows)
    found: OrderedDict[str, float] = OrderedDict()
    for name in run.rules.metrics:
        values = [run.rows[place][name] for place in places]
        found[name] = _mean([v for v in values if not math.isnan(v)])
    if run.rules.flavour == "tuebingen":
        total = sum(run.fixations[place] for place in places)
        for name in (n for n in _BY_FIXATION if n in run.rules.metrics):
            sums = [run.rows[place][name] * run.fixations[place] for place in places]
            found[f"{name}/fixations"] = math.fsum(sums) / total if total else math.nan
    found["images"] = len(places)
    return found


def table(runs: Sequence[FixationRun], notes: Sequence[str] = ()) -> str:
    """A Markdown table, a line a method, with notes below it."""
    rows = []
    for run in runs:
        means = summary(run)
        cells = {name: _cell(means[name]) for name in run.rules.metrics}
        name = {"method": run.method} if len(runs) > 1 or run.method else {}
        rows.append({**name, **cells, "images": str(means["images"])})
    lines = [f"- {note}" for note in [*notes, *_settings(runs[0].rules)]]
    text = tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True)
    return "\n".join([text, "", *lines, ""])


def write_fixation_report(
    folder: PathLike,
    runs: Sequence[FixationRun],
    names: Sequence[str],
    *,
    dataset: str,
    notes: Sequence[str] = (),
    **more: Any,
) -> None:
    """Writes ``metrics.json``, ``metrics.csv``, ``metrics.md`` and ``per_image.csv``.

    Args:
        folder: made if need be.
        runs: one a method.
        names: image ids in the order of the set.
        dataset: what was scored on.
        notes: lines for the table.
        more: further entries of the JSON file.
    """
    document = {
        "format": FORMAT,
        "version": VERSION,
        "task": "fixation",
        "dataset": dataset,
        "rules": dataclasses.asdict(runs[0].rules),
        "conventions": _CONVENTIONS,
        **more,
        "runs": [{"method": run.method, "fixation": summary(run)} for run in runs],
    }
    write_json(os.path.join(folder, "metrics.json"), document, indent=2)
    texts = {
        "metrics.csv": csv_text([{"method": r.method, **summary(r)} for r in runs]),
        "per_image.csv": csv_text(_image_rows(runs, names)),
        "metrics.md": table(runs, notes),
    }
    write_texts(folder, texts)


def _image_rows(runs: Sequence[FixationRun], names: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "method": run.method,
            "image_id": names[place],
            "fixations": run.fixations[place],
            **run.rows[place],
        }
        for run in runs
        for place in sorted(run.rows)
    ]


def _settings(rules: Rules) -> list[str]:
    words = f"definitions: {rules.flavour}, seed {rules.seed}"
    if rules.flavour == "tuebingen":
        words += f"; people's map: Gaussian, sigma {rules.sigma:g} pixels"
    return [words]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def _cell(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.4f}"
