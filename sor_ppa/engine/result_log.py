"""Evaluation results in the log."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

logger = logging.getLogger(__name__)

# {task: {metric: value}}
Results = Mapping[str, Any]


def log_results(dataset_name: str, results: Results) -> None:
    """Logs results in the ``copypaste:`` form of detectron2; a metric without value is "n/a"."""
    for task, metrics in results.items():
        cells = metrics.items() if isinstance(metrics, Mapping) else [(task, metrics)]
        names = ",".join(str(name) for name, _ in cells)
        values = ",".join(cell(value) for _, value in cells)
        logger.info("copypaste: Dataset: %s, Task: %s", dataset_name, task)
        logger.info("copypaste: %s", names)
        logger.info("copypaste: %s", values)


def cell(value: Any) -> str:
    """One value of a table: four decimals, or "n/a" for None and NaN."""
    if isinstance(value, Real) and not isinstance(value, (bool, int)):
        return "n/a" if value != value else f"{float(value):.4f}"
    return "n/a" if value is None else str(value)


def numbers_only(results: Results) -> dict[str, Any]:
    """The results without what is not a finite number; nested dictionaries stay nested."""
    kept: dict[str, Any] = {}
    for name, value in results.items():
        if isinstance(value, Mapping):
            kept[name] = numbers_only(value)
        elif isinstance(value, Real) and math.isfinite(value):
            kept[name] = float(value)
    return kept
