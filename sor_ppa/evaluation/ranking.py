"""Evaluation of salient object ranking: everything under one name.

Pure functions on arrays (``spearman_rho_of_map``, ``sa_sor_of_image``, ``map_mae`` ...), the table
of published protocols, scores of images and data sets, and detectron2's evaluator around them.
"""

from __future__ import annotations

from sor_ppa.evaluation.coco_ap import coco_scores
from sor_ppa.evaluation.correlation import average_ranks, pearson, spearman
from sor_ppa.evaluation.evaluator import RankingEvaluator, coco_results
from sor_ppa.evaluation.ground_truth import GroundTruth
from sor_ppa.evaluation.map_objects import ranks_by_saliency, split_rank_map
from sor_ppa.evaluation.ndcg import ndcg_of_map
from sor_ppa.evaluation.protocols import PROTOCOLS, Protocol, get_protocol
from sor_ppa.evaluation.rank_metrics import (
    ImageRho,
    SorScore,
    greys_of_objects,
    map_mae,
    modal_grey,
    sor_score,
    spearman_rho_of_instances,
    spearman_rho_of_map,
    top1_hit,
)
from sor_ppa.evaluation.sa_sor import (
    ImageSaSor,
    mask_iou,
    match_greedy,
    match_hungarian,
    sa_sor_of_image,
    sa_sor_score,
)
from sor_ppa.evaluation.scoring import ImageScore, RankedObjects, score_image, summarize_scores

__all__ = [
    "PROTOCOLS",
    "GroundTruth",
    "ImageRho",
    "ImageSaSor",
    "ImageScore",
    "Protocol",
    "RankedObjects",
    "RankingEvaluator",
    "SorScore",
    "average_ranks",
    "coco_results",
    "coco_scores",
    "get_protocol",
    "greys_of_objects",
    "map_mae",
    "mask_iou",
    "match_greedy",
    "match_hungarian",
    "modal_grey",
    "ndcg_of_map",
    "pearson",
    "ranks_by_saliency",
    "sa_sor_of_image",
    "sa_sor_score",
    "score_image",
    "sor_score",
    "spearman",
    "spearman_rho_of_instances",
    "spearman_rho_of_map",
    "split_rank_map",
    "summarize_scores",
    "top1_hit",
]
