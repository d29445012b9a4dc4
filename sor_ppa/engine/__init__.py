"""Training and prediction: the same code for every task."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["Predictor", "Trainer"]

# Predicting does not pay for the import of training, nor the other way round.
_HOMES = {"Predictor": "sor_ppa.engine.predictor", "Trainer": "sor_ppa.engine.trainer"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'sor_ppa.engine' has no attribute {name!r}")
