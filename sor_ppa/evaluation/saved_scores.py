"""Scores saved outputs of any method against ranked ground truth, without a model."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sor_ppa.errors import DataError, SaliencyError
from sor_ppa.evaluation.evaluator import coco_results
from sor_ppa.evaluation.ground_truth import GroundTruth
from sor_ppa.evaluation.protocols import Protocol
from sor_ppa.evaluation.report import ScoredRun
from sor_ppa.evaluation.saved_predictions import PredictionSource
from sor_ppa.evaluation.scoring import ImageScore, score_image, summarize_scores
from sor_ppa.workers import no_worker_may_die, process_pool

logger = logging.getLogger(__name__)

Progress = Callable[[Iterable[Any], int], Iterable[Any]]


@dataclasses.dataclass(frozen=True)
class SavedScores:
    """What came out.

    Attributes:
        runs: one for each protocol and threshold, thresholds inside protocols.
        missing: images without a prediction, left out of every score.
        extra: predictions of no image, not looked at.
        faults: predictions that could not be used, left out as well.
    """

    runs: list[ScoredRun]
    missing: list[str]
    extra: list[str]
    faults: list[str]

    @property
    def skipped(self) -> int:
        """How many predictions and images were left out."""
        return len(self.missing) + len(self.extra) + len(self.faults)


@dataclasses.dataclass(frozen=True)
class _Job:
    """All that scoring an image needs; goes to every worker process once."""

    gt: GroundTruth
    source: PredictionSource
    protocols: tuple[Protocol, ...]
    thresholds: tuple[float | None, ...]


@dataclasses.dataclass(frozen=True)
class _Outcome:
    """One image: its scores by (protocol, threshold) position, or what went wrong."""

    index: int
    scores: dict[tuple[int, int], ImageScore] = dataclasses.field(default_factory=dict)
    fault: str = ""
    looks_dense: bool = False


def score_saved(
    gt: GroundTruth,
    source: PredictionSource,
    *,
    protocols: Sequence[Protocol],
    thresholds: Sequence[float | None] = (None,),
    coco: bool = True,
    allow_missing: bool = False,
    num_workers: int = 0,
    progress: Progress | None = None,
) -> SavedScores:
    """Scores every image under each protocol and threshold.

    Objects below a score threshold are left out before anything is painted or ranked; the others
    keep the ranks they were saved with.

    Args:
        gt: the ground truth.
        source: the predictions.
        protocols: with the drawing to use in them.
        thresholds: minimum scores; None = keep all.
        coco: also compute AP and AR where the source has scores.
        allow_missing: leave out missing, extra and unusable predictions instead of raising.
        num_workers: processes; 0 = this one. The result is the same.
        progress: wraps the iteration, given its length.

    Raises:
        DataError: lists missing, extra and unusable predictions, or none is left to score.
        SaliencyError: a worker process died.
    """
    problems = [f"no prediction for {name}" for name in source.missing]
    problems += [f"{name}: not in the ground truth" for name in source.extra]
    hint = "allow missing ones (--allow-missing) to score the rest"
    if problems and not allow_missing:
        raise DataError(problems, what=f"predictions; {hint}")
    job = _Job(gt, source, tuple(protocols), tuple(thresholds))
    indices = [index for index in range(len(gt)) if source.has(index)]
    with (
        no_worker_may_die(f"than {num_workers}"),
        _outcomes(job, indices, num_workers) as results,
    ):
        outcomes = list(progress(results, len(indices)) if progress else results)
    faults = [outcome.fault for outcome in outcomes if outcome.fault]
    if faults and not allow_missing:
        raise DataError(faults, what=f"predictions; {hint}")
    good = [outcome for outcome in outcomes if not outcome.fault]
    if len(gt) and not good:
        raise DataError([*problems, *faults], what="predictions: none is left to score")
    _warn_if_dense(good)
    runs = _runs(job, good, coco=coco and source.has_scores)
    return SavedScores(runs, list(source.missing), list(source.extra), faults)


@contextlib.contextmanager
def _outcomes(job: _Job, indices: Sequence[int], num_workers: int) -> Iterator[Iterable[_Outcome]]:
    """Outcomes in the order of the indices, from this process or from several."""
    if num_workers <= 0 or len(indices) < 2:
        yield (_score(job, index) for index in indices)
        return
    chunk = max(1, min(16, len(indices) // (4 * num_workers)))
    with process_pool(num_workers, _start_worker, job) as pool:
        yield pool.map(_score_in_worker, indices, chunksize=chunk)


_worker_jobs: list[_Job] = []


def _start_worker(job: _Job) -> None:
    _worker_jobs[:] = [job]


def _score_in_worker(index: int) -> _Outcome:
    return _score(_worker_jobs[0], index)


def _score(job: _Job, index: int) -> _Outcome:
    """Scores one image; a prediction that cannot be used is an outcome, not an exception."""
    num_ranks = job.gt.num_ranks
    gt = job.gt.objects(index)
    gt_map = job.gt.rank_map(index, gt)
    try:
        saved = job.source.load(index, gt, num_ranks=num_ranks)
    except DataError as error:
        return _Outcome(index, fault="; ".join(error.problems))
    except SaliencyError as error:
        return _Outcome(index, fault=str(error))
    scores = {}
    for place, threshold in enumerate(job.thresholds):
        pred = saved.objects
        if threshold is not None:
            pred = pred.select(pred.scores >= threshold)
        for which, protocol in enumerate(job.protocols):
            pred_map = saved.rank_map
            if pred_map is None:
                pred_map = pred.paint(num_ranks=num_ranks, drawing=protocol.drawing)
            scores[which, place] = score_image(
                gt, gt_map, pred, pred_map, protocol=protocol, num_ranks=num_ranks
            )
    return _Outcome(index, scores, looks_dense=saved.looks_dense)


def _runs(job: _Job, outcomes: Sequence[_Outcome], *, coco: bool) -> list[ScoredRun]:
    detection = [
        _detection(job, outcomes, threshold) if coco else OrderedDict()
        for threshold in job.thresholds
    ]
    runs = []
    for which, protocol in enumerate(job.protocols):
        for place, threshold in enumerate(job.thresholds):
            scores = [outcome.scores[which, place] for outcome in outcomes]
            results = OrderedDict(ranking=summarize_scores(scores, protocol=protocol))
            results.update(detection[place])
            images = [job.gt.images[outcome.index] for outcome in outcomes]
            rows = [
                (image["image_id"], str(image["file_name"]), score)
                for image, score in zip(images, scores, strict=True)
            ]
            runs.append(ScoredRun(protocol, threshold, results, rows))
    return runs


def _detection(
    job: _Job, outcomes: Sequence[_Outcome], threshold: float | None
) -> OrderedDict[str, OrderedDict[str, float]]:
    records = {outcome.index: job.source.records(outcome.index) for outcome in outcomes}
    if threshold is not None:
        records = {i: [r for r in kept if r["score"] >= threshold] for i, kept in records.items()}
    return coco_results(job.gt, records)


def _warn_if_dense(outcomes: Sequence[_Outcome]) -> None:
    dense = sum(outcome.looks_dense for outcome in outcomes)
    if dense:
        logger.warning(
            "%d of %d maps have no flat greys, or more of them than ranks: they look like dense "
            "saliency maps. SA-SOR and top-1 mean little for them; to rank objects by such maps "
            "use --rank-by-saliency",
            dense,
            len(outcomes),
        )
