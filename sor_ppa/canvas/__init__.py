"""The canvas that a fixation network looks at: putting a picture on it, taking its map off again.

Pure functions on arrays, shared by the mapper, the predictor and the network's outputs.
"""

from __future__ import annotations

from sor_ppa.canvas.placement import Placement, fitted_hw, place
from sor_ppa.canvas.rule import PRESETS, CanvasRule

__all__ = ["PRESETS", "CanvasRule", "Placement", "fitted_hw", "place"]
