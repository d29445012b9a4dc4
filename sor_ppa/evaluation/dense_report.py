"""What an evaluation of dense maps writes: JSON, tables for people and for spreadsheets."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sor_ppa.data.image_io import atomic_path, write_json
from sor_ppa.data.writers import PathLike
from sor_ppa.evaluation.report import csv_value, format_score
from sor_ppa.evaluation.sod.protocols import DenseProtocol
from sor_ppa.evaluation.sod.tally import DenseTally

FORMAT = "sor_ppa saliency metrics"
VERSION = 1


@dataclasses.dataclass(frozen=True)
class DenseRun:
    """Scores of one method.

    Attributes:
        method: its name; "" where there is only one.
        tally: its scores under all protocols.
    """

    method: str
    tally: DenseTally


def metrics_document(runs: Sequence[DenseRun], *, dataset: str, **more: Any) -> dict[str, Any]:
    """Everything needed to repeat and compare the scores, for JSON.

    Args:
        runs: one a method.
        dataset: name of the data set or folder of the masks.
        more: further top-level entries, such as what was left out.
    """
    entries = []
    for run in runs:
        parts = (run.tally.plan, run.tally.results(), run.tally.curves())
        for (protocol, families), results, curves in zip(*parts, strict=True):
            entry = {"method": run.method, "protocol": protocol.as_dict(), "metrics": families}
            entries.append({**entry, "sod": results, "curves": curves})
    head = {"format": FORMAT, "version": VERSION, "task": "dense", "dataset": dataset}
    return {**head, **more, "runs": entries}


def metrics_csv(runs: Sequence[DenseRun]) -> str:
    """One line a method and protocol with every score; empty where there is none."""
    rows = [
        {"method": run.method, "protocol": protocol.name, **results}
        for run in runs
        for protocol, results in zip(run.tally.plan.protocols, run.tally.results(), strict=True)
    ]
    return csv_text(rows)


def per_image_csv(runs: Sequence[DenseRun], names: Sequence[str]) -> str:
    """One line a method, protocol and picture.

    Args:
        runs: one a method.
        names: of the pictures, by their index.
    """
    rows = [
        {"method": run.method, "protocol": protocol.name, "image": names[index], **row}
        for run in runs
        for place, protocol in enumerate(run.tally.plan.protocols)
        for index, row in sorted((i, rows[place]) for i, rows in run.tally.rows.items())
    ]
    return csv_text(rows)


def markdown_table(runs: Sequence[DenseRun], notes: Sequence[str] = ()) -> str:
    """The columns of the protocols' tables, one line a method and protocol, with notes below."""
    protocols = list(dict.fromkeys(p for run in runs for p in run.tally.plan.protocols))
    results = [
        (run.method, protocol, values)
        for run in runs
        for protocol, values in zip(run.tally.plan.protocols, run.tally.results(), strict=True)
    ]
    heads = ["method"] if any(run.method for run in runs) else []
    columns = _columns(protocols, [values for *_, values in results])
    heads += ["protocol", *columns, "images"]
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for method, protocol, values in results:
        cells = [protocol.name, *(format_score(values.get(name), 4) for name in columns)]
        cells.append(str(values["images"]))
        lines.append("| " + " | ".join([method, *cells] if heads[0] == "method" else cells) + " |")
    references = [f"**{protocol.name}**: {protocol.reference}." for protocol in protocols]
    skipped = [note for result in results for note in _skipped(*result)]
    return "\n".join([*lines, "", *(f"- {n}" for n in (*notes, *skipped, *references))]) + "\n"


def write_report(
    folder: PathLike,
    runs: Sequence[DenseRun],
    names: Sequence[str],
    *,
    dataset: str,
    notes: Sequence[str] = (),
    **more: Any,
) -> None:
    """Writes metrics.json, metrics.csv, metrics.md and per_image.csv.

    Raises:
        OSError, SaliencyError: the folder cannot be written to.
    """
    folder = Path(folder).expanduser()
    document = metrics_document(runs, dataset=dataset, **more)
    write_json(folder / "metrics.json", document, indent=1)
    write_texts(
        folder,
        {
            "metrics.csv": metrics_csv(runs),
            "metrics.md": markdown_table(runs, notes),
            "per_image.csv": per_image_csv(runs, names),
        },
    )


def write_texts(folder: PathLike, texts: Mapping[str, str]) -> None:
    """Writes text files atomically.

    Args:
        folder: is made if need be.
        texts: content by file name.
    """
    for name, text in texts.items():
        with atomic_path(Path(folder).expanduser() / name) as path:
            path.write_text(text, encoding="utf-8")


def _columns(
    protocols: Sequence[DenseProtocol], results: Sequence[Mapping[str, float]]
) -> list[str]:
    """Columns of the protocols' tables that were computed; all that were, if none of those."""
    wanted = dict.fromkeys(name for protocol in protocols for name in protocol.columns)
    there = dict.fromkeys(
        name for values in results for name in values if not name.startswith("images")
    )
    return [name for name in wanted if name in there] or list(there)


def _skipped(method: str, protocol: DenseProtocol, values: Mapping[str, float]) -> list[str]:
    """One line for each score that some pictures do not have."""
    label = f"{method}, {protocol.name}" if method else protocol.name
    return [
        f"{label}: {name.removeprefix('images_')} is undefined in "
        f"{values['images'] - count:.0f} of {values['images']} pictures and is the mean of the rest"
        for name, count in values.items()
        if name.startswith("images_") and count < values["images"]
    ]


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line a row, a column for every key that occurs; empty where a row has none, or NaN."""
    fields = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: csv_value(value) for name, value in row.items()} for row in rows)
    return text.getvalue()
