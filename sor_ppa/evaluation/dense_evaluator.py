"""detectron2's evaluator for dense saliency maps: a thin wrapper around the pure functions."""

from __future__ import annotations

import logging
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from detectron2.data import DatasetCatalog
from detectron2.evaluation import DatasetEvaluator
from detectron2.utils import comm
from detectron2.utils.logger import create_small_table

from sor_ppa.data.image_io import image_size, write_image
from sor_ppa.data.mask_io import read_grey_mask
from sor_ppa.data.writers import PathLike
from sor_ppa.errors import DataError, SaliencyError
from sor_ppa.evaluation.dense_report import DenseRun, write_report
from sor_ppa.evaluation.sod.protocols import DenseProtocol
from sor_ppa.evaluation.sod.subject import Subject
from sor_ppa.evaluation.sod.tally import DenseTally, Plan
from sor_ppa.workers import Backlog, process_pool

logger = logging.getLogger(__name__)

Grey = npt.NDArray[np.uint8]
# As it is saved, and rounded for the protocols that do so.
Greys = tuple[Grey, Grey | None]
MaskFiles = PathLike | Sequence[PathLike]
_MAPS_AHEAD = 16


class DenseEvaluator(DatasetEvaluator):
    """Scores dense saliency maps against the masks of a data set.

    A map is brought to its mask's size (bilinear) and to 8 bits (truncated) before it is scored,
    as InSPyReNet's published test does; exactly these 8 bits are saved, so that scoring the files
    later gives the same numbers. Protocol "a2s" rounds instead and does not stretch the map, as
    its published test loop does; rounded maps are saved if no other protocol is asked for. Kept
    are exact sums and a few numbers a picture: any number of metric processes and of GPUs gives
    the same result to the last bit.

    Files in ``output_dir``: ``<image_id>.png`` a map, ``metrics.json``, ``metrics.csv``,
    ``metrics.md`` and ``per_image.csv``.
    """

    def __init__(
        self,
        dataset_name: str,
        *,
        protocol: str | DenseProtocol | Sequence[str | DenseProtocol] = "pysod",
        metrics: Sequence[str] | None = None,
        save: bool = True,
        workers: int = 0,
        output_dir: str | None = None,
        distributed: bool = True,
        strict: bool = False,
    ) -> None:
        """Lists the masks of a registered data set; none is opened.

        Args:
            dataset_name: a data set whose dicts have a ``sem_seg_file_name``.
            protocol: "pysod", "inspyrenet", "a2s", one of your own, or several of them
                ("pysod,a2s", or a list).
            metrics: what to compute, see :func:`~sor_ppa.evaluation.dense.choose_metrics`; None or
                nothing: all of the protocol but slow extras.
            save: write the files; needs ``output_dir``.
            workers: processes that compute the metrics; 0 = this one.
            output_dir: folder for the files; None writes nothing.
            distributed: gather the results of all processes.
            strict: a mask that cannot be used is an error, at the end; False: its picture is left
                out, with a warning.

        Raises:
            ConfigError: unknown protocol or metric.
            DataError: no picture has a mask, some have none, or an image id is used twice.
        """
        self._name = dataset_name
        self._plan = Plan.of(protocol, metrics)
        self._is_plain = {rule.plain_in_loop for rule in self._plan.protocols}
        self._masks = _mask_files(DatasetCatalog.get(dataset_name), dataset_name)
        self._index = {image_id: index for index, image_id in enumerate(self._masks)}
        self._output_dir = output_dir if save else None
        self._num_workers, self._distributed, self._strict = workers, distributed, strict
        self._metrics: Backlog | None = None
        self._writer: Backlog | None = None
        self.reset()

    def reset(self) -> None:
        """Forgets all pictures."""
        for backlog in filter(None, (self._metrics, self._writer)):
            backlog.cancel()
        self._metrics = self._writer = None
        self._tally = DenseTally(self._plan)
        self._faults: list[str] = []
        self._seen: set[int] = set()

    def process(
        self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]
    ) -> None:
        """Scores a batch.

        Args:
            inputs: model inputs; only ``image_id`` is read.
            outputs: model outputs; ``saliency`` floating point (H, W) in [0, 1].

        Raises:
            DataError: an image id that the data set lacks, or a map that is none.
        """
        for model_input, output in zip(inputs, outputs, strict=True):
            image_id = model_input["image_id"]
            if image_id not in self._index:
                raise DataError([f"image_id {image_id!r} is not in {self._name}"], what=self._name)
            index = self._index[image_id]
            if index not in self._seen:
                self._seen.add(index)
                self._process(index, image_id, _checked(output["saliency"], image_id))

    def evaluate(self) -> OrderedDict[str, OrderedDict[str, float]]:
        """Scores of all processes' pictures.

        Returns:
            ``{"sod": {"Sm", "MAE", "adpEm", "maxEm", ..., "images"}}`` in the main process, ``{}``
            in the others; see :func:`~sor_ppa.evaluation.dense.summarize`. Scores under further
            protocols have the protocol in front: "a2s/MAE".

        Raises:
            DataError: under ``strict``: masks that could not be used; all of them are listed.
            SaliencyError: a metric process died, or a file could not be written.
        """
        self._finish_work()
        parts = [(self._tally, self._faults)]
        if self._distributed:
            comm.synchronize()
            parts = comm.gather(parts[0], dst=0)
            if not comm.is_main_process():
                return OrderedDict()
        tally = DenseTally(self._plan)
        for part, _ in parts:
            tally.merge(part)
        self._report_faults(sorted(fault for _, faults in parts for fault in faults))
        self._report_missing(len(tally) + sum(len(faults) for _, faults in parts))
        return self._results(tally)

    def _process(self, index: int, image_id: int | str, saliency: torch.Tensor) -> None:
        files = self._masks[image_id]
        try:
            size_hw = image_size(files if isinstance(files, PathLike) else files[0])
        except SaliencyError as error:
            size_hw = (saliency.shape[0], saliency.shape[1])
            self._faults.append(str(error))
            files = ""
        maps = self._greys(saliency, size_hw)
        if self._output_dir is not None:
            path = os.path.join(self._output_dir, f"{image_id}.png")
            self._map_writer().submit(write_image, path, maps[0])
        if not files:
            return
        if self._num_workers > 0:
            self._metric_workers().submit(_score_in_worker, index, maps, files)
        else:
            self._receive(_score(self._plan, index, maps, files))

    def _greys(self, saliency: torch.Tensor, size_hw: tuple[int, int]) -> Greys:
        """The map as it is saved, and rounded where a protocol wants that."""
        saliency = _resized(saliency, size_hw)
        rounded = to_grey(saliency, size_hw, rounded=True) if True in self._is_plain else None
        if rounded is not None and False not in self._is_plain:
            return rounded, rounded
        return to_grey(saliency, size_hw), rounded

    def _receive(self, outcome: DenseTally | str) -> None:
        if isinstance(outcome, str):
            self._faults.append(outcome)
        else:
            self._tally.merge(outcome)

    def _map_writer(self) -> Backlog:
        if self._writer is None:
            self._writer = Backlog(ThreadPoolExecutor(1), limit=_MAPS_AHEAD)
        return self._writer

    def _metric_workers(self) -> Backlog:
        if self._metrics is None:
            pool = process_pool(self._num_workers, _start_worker, self._plan)
            limit = 4 * self._num_workers
            self._metrics = Backlog(pool, limit=limit, receive=self._receive)
        return self._metrics

    def _finish_work(self) -> None:
        backlogs = [backlog for backlog in (self._metrics, self._writer) if backlog is not None]
        self._metrics = self._writer = None
        try:
            for backlog in backlogs:
                backlog.finish()
        finally:
            for backlog in backlogs:
                backlog.cancel()

    def _report_faults(self, faults: Sequence[str]) -> None:
        if faults and self._strict:
            raise DataError(faults, what=f"masks of {self._name}")
        for fault in faults:
            logger.warning("%s: left out: %s", self._name, fault)

    def _report_missing(self, done: int) -> None:
        if done < len(self._masks):
            logger.warning(
                "%s: %d of %d images were not evaluated and are left out",
                self._name,
                len(self._masks) - done,
                len(self._masks),
            )

    def _results(self, tally: DenseTally) -> OrderedDict[str, OrderedDict[str, float]]:
        results = OrderedDict(sod=tally.flat_results())
        logger.info("%s, sod:\n%s", self._name, create_small_table(results["sod"]))
        if self._output_dir is not None:
            names = [str(image_id) for image_id in self._masks]
            write_report(self._output_dir, [DenseRun("", tally)], names, dataset=self._name)
        return results


def to_grey(saliency: torch.Tensor, size_hw: tuple[int, int], *, rounded: bool = False) -> Grey:
    """A map as it is scored and saved: uint8 (H, W).

    Args:
        saliency: floating point (h, w) in [0, 1], on any device.
        size_hw: of the mask; another size is resized bilinearly (half-pixel centres).
        rounded: to the nearest of the 256 levels (half to even); False: truncated.
    """
    levels = _resized(saliency, size_hw) * 255
    if rounded:
        levels.round_()
    return levels.clamp_(0, 255).to(torch.uint8).cpu().numpy()


def _resized(saliency: torch.Tensor, size_hw: tuple[int, int]) -> torch.Tensor:
    saliency = saliency.detach().float()
    if tuple(saliency.shape) == tuple(size_hw):
        return saliency
    return F.interpolate(saliency[None, None], size_hw, mode="bilinear")[0, 0]


def _checked(saliency: Any, image_id: int | str) -> torch.Tensor:
    if not isinstance(saliency, torch.Tensor) or saliency.ndim != 2:
        found = tuple(saliency.shape) if hasattr(saliency, "shape") else type(saliency).__name__
        raise DataError([f"{image_id}: saliency must be a tensor (H, W), got {found}"])
    if not torch.isfinite(saliency).all():
        raise DataError([f"{image_id}: the predicted saliency map holds NaN or infinity"])
    return saliency


def _mask_files(dicts: Sequence[Mapping[str, Any]], name: str) -> dict[int | str, MaskFiles]:
    """Mask file (or files, one mask together) of each image id, in the data set's order."""
    masks: dict[int | str, MaskFiles] = {}
    problems = []
    if dicts and not any(item.get("sem_seg_file_name") for item in dicts):
        text = "there is nothing to evaluate: none of the pictures has a mask (sem_seg_file_name)"
        raise DataError([f"{name}: {text}; give masks, or leave it out of DATASETS.TEST"])
    for item in dicts:
        image_id, files = item["image_id"], item.get("sem_seg_file_name")
        if not files:
            problems.append(f"{item['file_name']}: has no mask (sem_seg_file_name)")
        if image_id in masks:
            problems.append(f"{item['file_name']}: image_id {image_id!r} is used twice")
        masks[image_id] = files or ""
    if problems:
        raise DataError(problems, what=name)
    return masks


def _score(plan: Plan, index: int, maps: Greys, files: MaskFiles) -> DenseTally | str:
    """Scores one map; a mask that cannot be used is an outcome, not an exception."""
    tally = DenseTally(plan)
    try:
        tally.add(index, Subject(maps[0], read_grey_mask(files), rounded=maps[1]))
    except (SaliencyError, ValueError) as error:
        return f"{files}: {error}" if isinstance(error, ValueError) else str(error)
    return tally


def _start_worker(plan: Plan) -> None:
    cv2.setNumThreads(1)
    _worker_plans[:] = [plan]


_worker_plans: list[Plan] = []


def _score_in_worker(index: int, maps: Greys, files: MaskFiles) -> DenseTally | str:
    return _score(_worker_plans[0], index, maps, files)
