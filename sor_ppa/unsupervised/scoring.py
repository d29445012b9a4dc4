"""The table of a run: stage 1, its pseudo labels and stage 2 under two protocols."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from detectron2.data import DatasetCatalog

from sor_ppa.data.dense.pseudo import label_path
from sor_ppa.data.image_io import write_json
from sor_ppa.data.problems import read_json
from sor_ppa.errors import DataError
from sor_ppa.evaluation.dense_folders import FolderJob, score_folders
from sor_ppa.evaluation.dense_report import csv_text, write_report, write_texts
from sor_ppa.evaluation.report import format_score
from sor_ppa.evaluation.sod.tally import Plan as MetricPlan
from sor_ppa.unsupervised.plan import PROTOCOLS

FORMAT = "sor_ppa unsupervised results"
VERSION = 1
LABELS = "pseudo labels"
# Of each protocol what papers print; the other files have everything.
_COLUMNS = {
    "pysod": ("MAE", "maxFm", "avgFm", "wFm", "Sm", "avgEm"),
    "a2s": ("MAE", "adpFm", "adpEm", "binIoU"),
}
_NOTES = (
    "pysod: PySODMetrics (maps stretched to 0 ... 1). a2s: Zhou et al., CVPR 2023 (maps as they "
    "are, F and E at the adaptive threshold), as in the tables of that paper.",
    "No mask was seen in training; masks only serve to score.",
)


@dataclasses.dataclass(frozen=True)
class ResultRow:
    """Scores of one method on one data set.

    Attributes:
        dataset: its name.
        method: "stage 1", "pseudo labels", "stage 2" ...
        scores: by protocol, by column.
    """

    dataset: str
    method: str
    scores: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, dataset: str, method: str, path: Path) -> ResultRow:
        """From a ``metrics.json``.

        Raises:
            DataError: it is damaged, or of other protocols.
        """
        document = read_json(path)
        runs = document.get("runs", ()) if isinstance(document, dict) else ()
        scores = {run["protocol"]["name"]: run["sod"] for run in runs}
        if missing := [name for name in PROTOCOLS if name not in scores]:
            raise DataError([f"{path}: lacks protocol {missing[0]}; delete it and evaluate again"])
        return cls(dataset, method, scores)

    def flat(self) -> dict[str, Any]:
        """All scores, those of "a2s" as ``a2s/MAE``."""
        found = dict(self.scores[PROTOCOLS[0]])
        for name in PROTOCOLS[1:]:
            found.update({f"{name}/{key}": value for key, value in self.scores[name].items()})
        return found


def score_labels(
    folder: Path, root: Path, task: str, name: str, scored: str, *, workers: int = 0
) -> None:
    """Scores the pseudo labels of a set against masks and writes the usual tables.

    Args:
        folder: where to.
        root: of all pseudo labels.
        task: of the set.
        name: of the set.
        scored: registered name of the same pictures with masks; it may have fewer of them.
        workers: processes; 0 = this one.

    Raises:
        DataError: a label or a mask is missing or cannot be read.
    """
    masks = {str(d["image_id"]): d["sem_seg_file_name"] for d in DatasetCatalog.get(scored)}
    labels = {image_id: str(label_path(root, task, name, image_id)) for image_id in masks}
    job = FolderJob(
        names=tuple(masks),
        masks=tuple(masks.values()),
        maps={LABELS: labels},
        plan=MetricPlan.of(PROTOCOLS),
        resize=True,
    )
    runs = score_folders(job, workers=workers).runs
    write_report(folder, runs, job.names, dataset=scored, predictions={LABELS: str(root)})


def write_results(folder: Path, rows: Sequence[ResultRow]) -> str:
    """Writes results.json, results.csv and results.md.

    Args:
        folder: of the run.
        rows: in the order of the table.

    Returns:
        The table in results.md.

    Raises:
        OSError, SaliencyError: the folder cannot be written to.
    """
    entries = [{"dataset": r.dataset, "method": r.method, **r.scores} for r in rows]
    document = {"format": FORMAT, "version": VERSION, "rows": entries}
    write_json(folder / "results.json", document, indent=1)
    table = markdown(rows)
    flat = [{"dataset": row.dataset, "method": row.method, **row.flat()} for row in rows]
    write_texts(folder, {"results.csv": csv_text(flat), "results.md": table})
    return table


def markdown(rows: Sequence[ResultRow]) -> str:
    """A line a method and data set, the columns of both protocols side by side."""
    names = [(protocol, name) for protocol in PROTOCOLS for name in _COLUMNS[protocol]]
    heads = ["data set", "method", *(_head(*name) for name in names), "images"]
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for row in rows:
        cells = [row.dataset, row.method]
        cells += [format_score(row.scores[protocol].get(name), 4) for protocol, name in names]
        cells.append(str(row.scores[PROTOCOLS[0]]["images"]))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *(f"- {note}" for note in _NOTES)]) + "\n"


def _head(protocol: str, name: str) -> str:
    return name if protocol == PROTOCOLS[0] else f"{protocol}/{name}"
