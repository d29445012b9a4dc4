"""What a ranking evaluation writes: one JSON document, a table an image, a table to read."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from sor_ppa.evaluation.protocols import Protocol
from sor_ppa.evaluation.scoring import ImageScore

FORMAT = "sor_ppa ranking metrics"
VERSION = 1
# How equal images that no protocol constant covers are treated; the same for all protocols.
CONVENTIONS = {
    "gt_drawing": "the data set's own rank maps, else exact masks in descending area",
    "top1": "best predicted rank against best true rank, by the protocol's IoU rule",
    "unranked": "objects of rank 0, or of a rank above num_ranks, take part in no ranking score",
    "AP": "COCO, all objects as one class, in percent",
}

Scores = Mapping[str, Mapping[str, float]]


@dataclasses.dataclass(frozen=True)
class ScoredRun:
    """Scores under one protocol and one score threshold.

    Attributes:
        protocol: all constants, the drawing that was used among them.
        min_score: predictions below it were left out before scoring; None = none were.
        scores: ``{"ranking": {...}, "bbox": {...}, "segm": {...}}``.
        images: (image id, file name, scores) of each image, in the data set's order.
    """

    protocol: Protocol
    min_score: float | None
    scores: Scores
    images: Sequence[tuple[int | str, str, ImageScore]] = ()


def metrics_document(
    runs: Sequence[ScoredRun], *, dataset: str, num_ranks: int, **more: Any
) -> dict[str, Any]:
    """Everything needed to repeat and compare the scores, for JSON.

    Args:
        runs: one a protocol and threshold.
        dataset: name of the data set or path of the ground truth.
        num_ranks: objects that have a rank.
        more: further top-level entries, such as what was skipped.
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "task": "ranking",
        "dataset": dataset,
        "num_ranks": num_ranks,
        "conventions": CONVENTIONS,
        **more,
        "runs": [
            {
                "protocol": run.protocol.as_dict(),
                "min_score": run.min_score,
                **{task: dict(values) for task, values in run.scores.items()},
            }
            for run in runs
        ],
    }


def per_image_csv(runs: Sequence[ScoredRun]) -> str:
    """One line for each image of each run; undefined scores are empty fields."""
    fields = [field.name for field in dataclasses.fields(ImageScore)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["protocol", "min_score", "image_id", "file_name", *fields])
    for run in runs:
        for image_id, file_name, score in run.images:
            values = [csv_value(getattr(score, name)) for name in fields]
            writer.writerow(
                [run.protocol.name, csv_value(run.min_score), image_id, file_name, *values]
            )
    return text.getvalue()


def markdown_table(runs: Sequence[ScoredRun], notes: Sequence[str] = ()) -> str:
    """A table of the main scores, one line a run, with notes and the constants below it."""
    heads = ["protocol", "drawing", "min score", "SOR", "SA-SOR", "MAE", "top-1", "images"]
    heads += ["images used", "box AP50", "mask AP50", "mask AR"]
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for run in runs:
        ranking = run.scores["ranking"]
        box, mask = run.scores.get("bbox", {}), run.scores.get("segm", {})
        cells = [run.protocol.name, run.protocol.drawing, format_score(run.min_score, 2)]
        cells += [format_score(ranking[key], 4) for key in ("SOR", "SA-SOR", "MAE", "top1")]
        cells += [format_score(ranking[key], 0) for key in ("images", "images_used")]
        cells += [format_score(s.get(k), 2) for s, k in ((box, "AP50"), (mask, "AP50"))]
        cells.append(format_score(mask.get("AR"), 2))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *(f"- {note}" for note in notes), *_constants(runs)]) + "\n"


def format_score(value: float | None, digits: int) -> str:
    """A number with that many digits; ``n/a`` where there is none."""
    if value is None or math.isnan(value):
        return "n/a"
    return f"{value:.{digits}f}"


def _constants(runs: Sequence[ScoredRun]) -> list[str]:
    """One line a protocol with its constants."""
    lines = []
    for protocol in dict.fromkeys(run.protocol for run in runs):
        shown = {k: v for k, v in protocol.as_dict().items() if k not in ("name", "reference")}
        settings = ", ".join(f"{key}={value}" for key, value in shown.items())
        lines.append(f"- **{protocol.name}**: {settings}. {protocol.reference}.")
    return lines


def csv_value(value: Any) -> Any:
    """A value as a CSV field: empty where there is none, or NaN."""
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if missing else value
