"""All ranking scores of one image, and of a data set: what evaluator and tools share."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sor_ppa.evaluation.ndcg import ndcg_of_map
from sor_ppa.evaluation.protocols import Protocol
from sor_ppa.evaluation.rank_metrics import (
    ImageRho,
    map_mae,
    mean_with_nan_rule,
    ranked_order,
    sor_score,
    spearman_rho_of_instances,
    spearman_rho_of_map,
    top1_hit,
)
from sor_ppa.evaluation.sa_sor import mask_iou, sa_sor_of_image, sa_sor_score
from sor_ppa.visualization.rank_maps import paint_rank_map

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class RankedObjects:
    """Objects of one image with their ranks.

    Attributes:
        masks: bool (R, H, W).
        ranks: int64 (R,), 1 = most salient ..., 0 = not ranked.
        scores: float64 (R,), used only to choose among equal ranks.
    """

    masks: npt.NDArray[np.bool_]
    ranks: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]

    @classmethod
    def of(
        cls,
        masks: Sequence[Array] | Array,
        ranks: Sequence[int] | Array,
        scores: Sequence[float] | Array | None = None,
        *,
        size_hw: tuple[int, int],
    ) -> RankedObjects:
        """Objects from anything array-like; no object at all keeps the picture's size.

        Raises:
            ValueError: the numbers of masks, ranks and scores differ, or a mask has another size.
        """
        rank_array = np.asarray(ranks, dtype=np.int64).reshape(-1)
        mask_array = np.asarray(masks, dtype=bool)
        if len(mask_array) == 0:
            mask_array = np.zeros((0, *size_hw), dtype=bool)
        score_array = np.asarray(
            np.ones(len(rank_array)) if scores is None else scores, dtype=np.float64
        ).reshape(-1)
        if mask_array.shape != (len(rank_array), *size_hw) or score_array.shape != rank_array.shape:
            raise ValueError(
                f"{len(rank_array)} ranks need masks {(len(rank_array), *size_hw)} and as many "
                f"scores, got masks {mask_array.shape} and {len(score_array)} scores"
            )
        return cls(mask_array, rank_array, score_array)

    def __len__(self) -> int:
        return len(self.ranks)

    @property
    def size_hw(self) -> tuple[int, int]:
        """(H, W) of the picture."""
        return self.masks.shape[1], self.masks.shape[2]

    def ranked(self, num_ranks: int | None = None) -> RankedObjects:
        """Only the objects of rank 1 ... ``num_ranks`` (None: of any rank), in their order."""
        keep = self.ranks > 0
        if num_ranks is not None:
            keep &= self.ranks <= num_ranks
        return self.select(keep)

    def select(self, keep: Array) -> RankedObjects:
        """The objects that an index or bool array (R,) picks."""
        return RankedObjects(self.masks[keep], self.ranks[keep], self.scores[keep])

    def paint(self, *, num_ranks: int, drawing: str) -> npt.NDArray[np.uint8]:
        """Rank map uint8 (H, W) of the objects; ranks above ``num_ranks`` are left out."""
        shown = self.ranked(num_ranks)
        return paint_rank_map(
            shown.masks,
            shown.ranks,
            size_hw=self.size_hw,
            num_ranks=num_ranks,
            drawing=drawing,
        )


@dataclass(frozen=True)
class ImageScore:
    """The scores of one image; plain numbers only, so that it is cheap to keep and to send.

    Attributes:
        rho: Spearman's rho; NaN for the kinds "nan" and "none".
        rho_kind: see :class:`~sor_ppa.evaluation.rank_metrics.ImageRho`.
        sa_sor: correlation of SA-SOR; NaN where there is none.
        sa_sor_kind: see :class:`~sor_ppa.evaluation.sa_sor.ImageSaSor`.
        mae: mean absolute error of the rank map, in [0, 1].
        mae_binary: the same of the maps with every non-zero value as 1.
        top1: 1.0 or 0.0; NaN without a ranked true object.
        ndcg: normalised discounted cumulative gain; NaN without a ranked true object.
        num_gt: ranked true objects.
        num_found: how many of them the SOR of the protocol found.
        num_pred: ranked predictions.
    """

    rho: float
    rho_kind: str
    sa_sor: float
    sa_sor_kind: str
    mae: float
    mae_binary: float
    top1: float
    ndcg: float
    num_gt: int
    num_found: int
    num_pred: int


def score_image(
    gt: RankedObjects,
    gt_map: Array,
    pred: RankedObjects,
    pred_map: Array,
    *,
    protocol: Protocol,
    num_ranks: int = 5,
) -> ImageScore:
    """Scores one image under a protocol.

    Args:
        gt: true objects; ranks 0 and above ``num_ranks`` do not count.
        gt_map: true rank map, uint8 (H, W).
        pred: predicted objects, likewise.
        pred_map: predicted rank map, uint8 (H, W).
        protocol: the constants.
        num_ranks: objects that have a rank.
    """
    gt, pred = gt.ranked(num_ranks), pred.ranked(num_ranks)
    # Most salient first: "first" and "last" in the rules for ties are then about saliency.
    pred = pred.select(ranked_order(pred.ranks))
    iou = mask_iou(gt.masks, pred.masks)
    sa_sor = sa_sor_of_image(iou, -gt.ranks, -pred.ranks, protocol=protocol)
    rho = _rho(gt, pred, pred_map, iou, protocol)
    return ImageScore(
        rho=rho.rho,
        rho_kind=rho.kind,
        sa_sor=sa_sor.value,
        sa_sor_kind=sa_sor.kind,
        mae=map_mae(pred_map, gt_map),
        mae_binary=map_mae(pred_map, gt_map, binary=True),
        top1=top1_hit(iou, gt.ranks, pred.ranks, pred.scores, protocol=protocol),
        ndcg=ndcg_of_map(pred_map, gt.masks, gt.ranks, num_ranks=num_ranks),
        num_gt=len(gt),
        num_found=len(rho.used),
        num_pred=len(pred),
    )


def summarize_scores(
    scores: Sequence[ImageScore], *, protocol: Protocol
) -> OrderedDict[str, float]:
    """Scores of a data set from those of its images, in any order.

    Undefined scores are NaN: SOR when no image has a rho, SA-SOR when no image counts, MAE without
    images, top1 and nDCG without a ranked true object. Everything else is a finite number.

    Returns:
        ``SOR`` in [0, 1], ``SA-SOR`` in [-1, 1], ``MAE`` and ``MAE_binary`` in [0, 1], ``top1``
        and ``nDCG`` in [0, 1], and the counts they rest on: ``images``, ``images_used`` (with a
        rho), ``images_positive`` (rho > 0), ``images_sa_sor`` (with an SA-SOR of their own),
        ``images_top1``, ``objects``, ``objects_found``.
    """
    sor = sor_score([score.rho for score in scores], protocol=protocol)
    sa_values = [score.sa_sor for score in scores]
    tops = [score.top1 for score in scores]
    result: OrderedDict[str, float] = OrderedDict()
    result["SOR"] = sor.sor
    result["SA-SOR"] = sa_sor_score(sa_values, protocol=protocol)
    result["MAE"] = mean_with_nan_rule([score.mae for score in scores], "drop")
    result["MAE_binary"] = mean_with_nan_rule([score.mae_binary for score in scores], "drop")
    result["top1"] = mean_with_nan_rule(tops, "drop")
    result["nDCG"] = mean_with_nan_rule([score.ndcg for score in scores], "drop")
    result["images"] = len(scores)
    result["images_used"] = sor.images_used
    result["images_positive"] = sor.positive
    result["images_sa_sor"] = sum(not math.isnan(value) for value in sa_values)
    result["images_top1"] = sum(not math.isnan(value) for value in tops)
    result["objects"] = sum(score.num_gt for score in scores)
    result["objects_found"] = sum(score.num_found for score in scores)
    return result


def _rho(
    gt: RankedObjects, pred: RankedObjects, pred_map: Array, iou: Array, protocol: Protocol
) -> ImageRho:
    if protocol.sor == "instances":
        return spearman_rho_of_instances(iou, gt.ranks, pred.ranks, protocol=protocol)
    return spearman_rho_of_map(pred_map, gt.masks, gt.ranks, protocol=protocol)
