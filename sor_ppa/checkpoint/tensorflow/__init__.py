"""Weights in TensorFlow's files, read without TensorFlow: data only, nothing is executed.

Three forms: frozen graphs (``.pb``), SavedModels whose weights are constants, and checkpoint
bundles (``.index`` with ``.data-00000-of-00001``).
"""

from __future__ import annotations

from sor_ppa.checkpoint.tensorflow.files import find_tensorflow, read_tensorflow

__all__ = ["find_tensorflow", "read_tensorflow"]
