"""How good labels are: against masks, and for the eye."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from sor_ppa.data.image_io import read_grey, read_image, write_image
from sor_ppa.data.writers import PathLike
from sor_ppa.evaluation.dense_folders import FolderJob, score_folders
from sor_ppa.evaluation.sod.tally import Plan
from sor_ppa.pseudo_labels.inputs import Prediction
from sor_ppa.pseudo_labels.label import Grey, to_levels
from sor_ppa.pseudo_labels.ledger import Record, SetLabels
from sor_ppa.pseudo_labels.worker import Outcome

Predict = Callable[[Sequence[dict[str, Any]]], Iterable[Prediction | Outcome]]

PROTOCOL = "a2s"
_PICTURES = 24
_TILE_HEIGHT = 120


def score_labels(
    dicts: Sequence[Mapping[str, Any]], labels: SetLabels, workers: int = 0
) -> dict[str, float] | None:
    """Scores of labels against masks, by the published definitions (protocol A2S).

    Args:
        dicts: dataset dicts of the set; those without a mask are left out.
        labels: of the set.
        workers: processes; 0 = this one.

    Returns:
        what :func:`~sor_ppa.evaluation.dense.summarize` gives; None if the set has no masks, or
        no labels.
    """
    masks = {
        str(item["image_id"]): item["sem_seg_file_name"]
        for item in dicts
        if item.get("sem_seg_file_name") and str(item["image_id"]) in labels.shares
    }
    if not masks:
        return None
    files = {name: str(labels.folder / f"{name}.png") for name in masks}
    job = FolderJob(
        names=tuple(masks),
        masks=tuple(masks.values()),
        maps={"labels": files},
        plan=Plan.of([PROTOCOL]),
        resize=True,
    )
    scores = score_folders(job, allow_missing=True, workers=workers)
    return dict(scores.runs[0].tally.results()[0])


def write_sheet(path: PathLike, records: Sequence[Record], predict: Predict) -> None:
    """Writes some pictures, evenly spread, over their probabilities and labels.

    Args:
        path: .png or .jpg.
        records: the pictures of all sets; those without a label are passed over.
        predict: predicts for dataset dicts.

    Raises:
        ImageError: the file cannot be written.
    """
    from sor_ppa.visualization.contact_sheet import Tile, contact_sheet

    labelled = [record for record in records if record.name in record.labels.shares]
    places = np.linspace(0, len(labelled) - 1, min(_PICTURES, len(labelled))).round().astype(int)
    chosen = [labelled[place] for place in places]
    tiles = [
        Tile(chosen[found.index].name, _column(chosen[found.index], found))
        for found in predict([record.item for record in chosen])
        if isinstance(found, Prediction)
    ]
    if tiles:
        write_image(path, contact_sheet(tiles, tile_height=_TILE_HEIGHT, legend=False))


def _column(record: Record, found: Prediction) -> tuple[Grey, ...]:
    """Picture, probability and label at the picture's size."""
    picture = read_image(record.item["file_name"])
    size = (picture.shape[1], picture.shape[0])
    probability = cv2.resize(to_levels(found.probability), size, interpolation=cv2.INTER_LINEAR)
    return picture, np.asarray(probability, np.uint8), read_grey(record.path)
