"""Metrics as pure functions on arrays, and the detectron2 evaluators around them."""

from __future__ import annotations

from sor_ppa.evaluation.build import build_evaluator
from sor_ppa.evaluation.dense_evaluator import DenseEvaluator
from sor_ppa.evaluation.evaluator import RankingEvaluator
from sor_ppa.evaluation.protocols import PROTOCOLS, Protocol, get_protocol
from sor_ppa.evaluation.results_io import instances_to_records, read_results, write_results

__all__ = [
    "PROTOCOLS",
    "DenseEvaluator",
    "Protocol",
    "RankingEvaluator",
    "build_evaluator",
    "get_protocol",
    "instances_to_records",
    "read_results",
    "write_results",
]
