"""detectron2's evaluator for ranked instances: a thin wrapper around the pure functions."""

from __future__ import annotations

import logging
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.evaluation import DatasetEvaluator
from detectron2.structures import Instances
from detectron2.utils import comm
from detectron2.utils.logger import create_small_table

from sor_ppa.data.image_io import write_image, write_json
from sor_ppa.errors import DataError
from sor_ppa.evaluation.coco_ap import IOU_TYPES, coco_scores
from sor_ppa.evaluation.ground_truth import GroundTruth
from sor_ppa.evaluation.protocols import Protocol, get_protocol
from sor_ppa.evaluation.report import ScoredRun, metrics_document
from sor_ppa.evaluation.results_io import (
    Record,
    has_objects,
    instances_to_records,
    write_results,
)
from sor_ppa.evaluation.scoring import ImageScore, RankedObjects, score_image, summarize_scores

logger = logging.getLogger(__name__)


class RankingEvaluator(DatasetEvaluator):
    """Scores ranked instances: SOR, SA-SOR, MAE, top-1, and class-agnostic COCO AP and AR.

    Only numbers and run-length masks are kept of each image. With several processes every one
    scores its own images and the main one gathers, puts them in the data set's order and reduces,
    so that any number of processes gives the same result to the last bit; images that a sampler
    hands out twice count once.

    Files in ``output_dir``: ``rank_maps/<picture>.png``, ``ranked_instances.json`` (see
    :mod:`sor_ppa.evaluation.results_io`) and ``metrics.json`` with all constants.
    """

    def __init__(
        self,
        dataset_name: str,
        *,
        protocol: str | Protocol = "ppa",
        drawing: str = "exact",
        coco: bool = True,
        save: bool = True,
        output_dir: str | None = None,
        distributed: bool = True,
        num_ranks: int = 5,
        ranked_only: bool = True,
    ) -> None:
        """Loads the ground truth of a registered data set.

        Args:
            dataset_name: a data set whose annotations have a ``gt_rank``.
            protocol: ``"ppa"``, ``"irsr"``, ``"seqrank"``, or one of your own.
            drawing: how predicted rank maps are painted, ``"exact"`` or ``"published"``.
            coco: also compute AP and AR on boxes and masks.
            save: write the files; needs ``output_dir``.
            output_dir: folder for the files; None writes nothing.
            distributed: gather the results of all processes.
            num_ranks: objects that have a rank.
            ranked_only: true objects without a rank are background for AP and AR too.

        Raises:
            ConfigError: unknown protocol.
            DataError: faulty ground truth.
        """
        self._name = dataset_name
        self._protocol = get_protocol(protocol, drawing=drawing)
        self._coco = coco
        self._output_dir = output_dir if save else None
        self._distributed = distributed
        self._num_ranks = num_ranks
        self._gt = GroundTruth(
            DatasetCatalog.get(dataset_name),
            name=dataset_name,
            gt_root=MetadataCatalog.get(dataset_name).get("gt_root"),
            num_ranks=num_ranks,
            ranked_only=ranked_only,
        )
        if self._gt.ranks_left_out():
            logger.warning(
                "%s: %d true objects have a rank above %d and count as not ranked",
                dataset_name,
                self._gt.ranks_left_out(),
                num_ranks,
            )
        self.reset()

    def reset(self) -> None:
        """Forgets all images."""
        self._done: dict[int, tuple[ImageScore, list[Record]]] = {}

    def process(
        self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]
    ) -> None:
        """Scores a batch.

        Args:
            inputs: model inputs; only ``image_id`` is read.
            outputs: model outputs with ``instances`` at the pictures' original sizes.

        Raises:
            DataError: an image id that the data set lacks, or masks of another size.
        """
        for model_input, output in zip(inputs, outputs, strict=True):
            image_id = model_input["image_id"]
            index = self._gt.index(image_id)
            instances = output["instances"]
            records = instances_to_records(instances, image_id) if self._keeps_records else []
            self._done[index] = (self._score(index, instances), records)

    def evaluate(self) -> OrderedDict[str, OrderedDict[str, float]]:
        """Scores of all processes' images.

        Returns:
            ``{"ranking": {"SOR", "SA-SOR", "MAE", "top1", "images", "images_used", ...}, "bbox":
            {"AP", "AP50", ...}, "segm": {...}}`` in the main process, ``{}`` in the others. See
            :func:`~sor_ppa.evaluation.scoring.summarize_scores` and
            :func:`~sor_ppa.evaluation.coco_ap.coco_scores` for what can be NaN.
        """
        done = self._done
        if self._distributed:
            comm.synchronize()
            gathered = comm.gather(done, dst=0)
            if not comm.is_main_process():
                return OrderedDict()
            done = {index: item for part in gathered for index, item in part.items()}
        if len(done) < len(self._gt):
            logger.warning(
                "%s: %d of %d images were not evaluated and are left out",
                self._name,
                len(self._gt) - len(done),
                len(self._gt),
            )
        return self._finish(dict(sorted(done.items())))

    @property
    def _keeps_records(self) -> bool:
        return self._coco or self._output_dir is not None

    def _score(self, index: int, instances: Instances) -> ImageScore:
        gt = self._gt.objects(index)
        pred = _ranked_objects(instances, self._gt.size_hw(index), str(self._gt.names[index]))
        pred_map = pred.paint(num_ranks=self._num_ranks, drawing=self._protocol.drawing)
        if self._output_dir is not None:
            name = f"{self._gt.names[index]}.png"
            write_image(os.path.join(self._output_dir, "rank_maps", name), pred_map)
        gt_map = self._gt.rank_map(index, gt)
        return score_image(
            gt, gt_map, pred, pred_map, protocol=self._protocol, num_ranks=self._num_ranks
        )

    def _finish(
        self, done: Mapping[int, tuple[ImageScore, list[Record]]]
    ) -> OrderedDict[str, OrderedDict[str, float]]:
        """Reduces, logs and writes the images, which come in the data set's order."""
        scores = [score for score, _ in done.values()]
        results = OrderedDict(ranking=summarize_scores(scores, protocol=self._protocol))
        if self._coco:
            records = {index: records for index, (_, records) in done.items()}
            results.update(coco_results(self._gt, records))
        for task, values in results.items():
            logger.info("%s, %s:\n%s", self._name, task, create_small_table(values))
        if self._output_dir is not None:
            self._write(done, results)
        return results

    def _write(
        self,
        done: Mapping[int, tuple[ImageScore, list[Record]]],
        results: Mapping[str, Mapping[str, float]],
    ) -> None:
        info = {"dataset": self._name, "num_ranks": self._num_ranks}
        info["protocol"] = self._protocol.as_dict()
        images = []
        for index in done:
            image = self._gt.images[index]
            height, width = self._gt.size_hw(index)
            entry = {"id": image["image_id"], "file_name": os.path.basename(image["file_name"])}
            images.append({**entry, "height": height, "width": width})
        records = [record for _, records in done.values() for record in records]
        folder = str(self._output_dir)
        write_results(os.path.join(folder, "ranked_instances.json"), images, records, info)
        run = ScoredRun(self._protocol, None, results)
        document = metrics_document([run], dataset=self._name, num_ranks=self._num_ranks)
        write_json(os.path.join(folder, "metrics.json"), document, indent=2)


def coco_results(
    gt: GroundTruth, records: Mapping[int, Sequence[Record]]
) -> OrderedDict[str, OrderedDict[str, float]]:
    """COCO AP and AR of boxes and masks.

    Args:
        gt: the ground truth.
        records: predictions of each evaluated image, by its index.
    """
    true = [record for index in records for record in gt.records(index)]
    found = [{**r, "image_id": index} for index, items in records.items() for r in items]
    return OrderedDict(
        (iou_type, coco_scores(true, found, list(records), iou_type=iou_type))
        for iou_type in IOU_TYPES
    )


def _ranked_objects(instances: Instances, size_hw: tuple[int, int], name: str) -> RankedObjects:
    """The masks, ranks and scores of a model's output."""
    if not has_objects(instances, where=name):
        return RankedObjects.of([], [], size_hw=size_hw)
    masks = instances.pred_masks.detach().cpu().numpy()
    if masks.shape[1:] != tuple(size_hw):
        raise DataError(
            [
                f"{name}: predicted masks are {masks.shape[1]} x {masks.shape[2]} (H x W), the "
                f"picture is {size_hw[0]} x {size_hw[1]}"
            ]
        )
    ranks = instances.pred_ranks.detach().cpu().numpy().astype(np.int64)
    return RankedObjects.of(masks, ranks, instances.scores.detach().cpu().numpy(), size_hw=size_hw)
