"""detectron2's evaluator for fixation maps: a thin wrapper around the pure functions."""

from __future__ import annotations

import logging
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from detectron2.data import DatasetCatalog
from detectron2.evaluation import DatasetEvaluator
from detectron2.utils import comm
from detectron2.utils.logger import create_small_table

from sor_ppa.data.fixation.map_io import write_map
from sor_ppa.errors import DataError
from sor_ppa.evaluation.fixation_report import FixationRun, summary, write_fixation_report
from sor_ppa.evaluation.gaze.crew import Crew
from sor_ppa.evaluation.gaze.scoring import DEFAULT_SIGMA, Rules, choose
from sor_ppa.evaluation.gaze.truth import FixationTruth
from sor_ppa.workers import Backlog

logger = logging.getLogger(__name__)

_MAPS_AHEAD = 16


class FixationEvaluator(DatasetEvaluator):
    """Scores fixation maps against the fixations of a data set.

    Kept are a few numbers an image, averaged in the order of the set at the end: any number of
    metric processes and of GPUs gives the same result to the last bit.

    Files in ``output_dir``: ``<image_id>.png`` a map (16 bits), ``metrics.json``,
    ``metrics.csv``, ``metrics.md`` and ``per_image.csv``.
    """

    def __init__(
        self,
        dataset_name: str,
        *,
        flavour: str = "tuebingen",
        metrics: Sequence[str] = (),
        sigma: float = DEFAULT_SIGMA,
        seed: int = 0,
        save: bool = True,
        workers: int = 0,
        output_dir: str | None = None,
        distributed: bool = True,
    ) -> None:
        """Reads the fixations of a registered data set, all of them.

        Args:
            dataset_name: a data set whose dicts have fixations.
            flavour: "tuebingen" or "mit".
            metrics: what to compute; () = all of the flavour.
            sigma: of people's map, in pixels.
            seed: of random negatives.
            save: write the files; needs ``output_dir``.
            workers: processes that compute the metrics; 0 = this one.
            output_dir: folder for the files; None writes nothing.
            distributed: gather the results of all processes.

        Raises:
            ConfigError: unknown flavour or metric.
            DataError: the set has no fixations, or its files are faulty.
        """
        self._name = dataset_name
        self._rules = Rules(flavour, choose(flavour, metrics), sigma, seed)
        self._truth = FixationTruth(DatasetCatalog.get(dataset_name), self._rules)
        self._output_dir = output_dir if save else None
        self._num_workers, self._distributed = workers, distributed
        self._crew: Crew | None = None
        self._writer: Backlog | None = None
        self.reset()

    def reset(self) -> None:
        """Forgets all pictures."""
        self._cancel()
        self._run = FixationRun("", self._rules)
        self._seen: set[int] = set()

    def process(
        self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]
    ) -> None:
        """Scores a batch.

        Args:
            inputs: model inputs; only ``image_id`` is read.
            outputs: model outputs; ``fixation`` floating point (H, W).

        Raises:
            DataError: an image id that the data set lacks, or a map that is none.
        """
        for model_input, output in zip(inputs, outputs, strict=True):
            name = str(model_input["image_id"])
            if name not in self._truth.index:
                raise DataError([f"image_id {name!r} is not in {self._name}"], what=self._name)
            place = self._truth.index[name]
            if place not in self._seen:
                self._seen.add(place)
                self._process(place, name, checked_map(output.get("fixation"), name))

    def evaluate(self) -> OrderedDict[str, OrderedDict[str, float]]:
        """Scores of all processes' pictures.

        Returns:
            ``{"fixation": {"NSS", "AUC", ..., "images"}}`` in the main process, ``{}`` in the
            others; see :func:`~sor_ppa.evaluation.fixation_report.summary`.

        Raises:
            SaliencyError: a metric process died, or a file could not be written.
        """
        self._finish_work()
        runs = [self._run]
        if self._distributed:
            comm.synchronize()
            runs = comm.gather(self._run, dst=0)
            if not comm.is_main_process():
                return OrderedDict()
        whole = FixationRun("", self._rules)
        for run in runs:
            whole.merge(run)
        self._report_missing(whole)
        results = OrderedDict(fixation=summary(whole))
        logger.info("%s, fixation:\n%s", self._name, create_small_table(results["fixation"]))
        if self._output_dir is not None:
            names = self._truth.names
            write_fixation_report(self._output_dir, [whole], names, dataset=self._name)
        return results

    def _process(self, place: int, name: str, fixation: np.ndarray) -> None:
        if self._output_dir is not None:
            path = os.path.join(self._output_dir, f"{name}.png")
            self._map_writer().submit(write_map, path, fixation)
        if self._crew is None:
            self._crew = Crew(self._truth, self._num_workers, self._run.add)
        self._crew.submit(place, fixation)

    def _map_writer(self) -> Backlog:
        if self._writer is None:
            self._writer = Backlog(ThreadPoolExecutor(1), limit=_MAPS_AHEAD)
        return self._writer

    def _finish_work(self) -> None:
        try:
            if self._crew is not None:
                self._crew.finish()
            if self._writer is not None:
                self._writer.finish()
        finally:
            self._cancel()

    def _cancel(self) -> None:
        """Ends the processes and threads."""
        if self._crew is not None:
            self._crew.cancel()
        if self._writer is not None:
            self._writer.cancel()
        self._crew, self._writer = None, None

    def _report_missing(self, run: FixationRun) -> None:
        for fault in self._truth.faults:
            logger.warning("%s: left out: %s", self._name, fault)
        empty = sum(len(points) == 0 for points in self._truth.points)
        missing = len(self._truth.names) - empty - len(run.rows)
        if missing or empty:
            logger.warning(
                "%s: %d of %d images were not evaluated, %d have no fixations; left out",
                *(self._name, missing, len(self._truth.names), empty),
            )


def checked_map(fixation: Any, name: str) -> np.ndarray:  # noqa: ANN401 - whatever a network gave
    """A network's map as an array (H, W).

    Raises:
        DataError: it is none, or holds NaN or infinity.
    """
    if not isinstance(fixation, torch.Tensor) or fixation.ndim != 2:
        found = tuple(fixation.shape) if hasattr(fixation, "shape") else type(fixation).__name__
        raise DataError([f"{name}: fixation must be a tensor (H, W), got {found}"])
    values = fixation.detach().float().cpu().numpy()
    if not np.isfinite(values).all():
        raise DataError([f"{name}: the predicted fixation map holds NaN or infinity"])
    return values
