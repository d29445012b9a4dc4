"""Two networks that look at the same pictures, behind the call of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from sor_ppa.data.dense.modalities import Modality
from sor_ppa.engine.predictor import Predictor

__all__ = ["PairedPredictor"]


class PairedPredictor(Predictor):
    """Gives the outputs of both networks in one dict; where names agree, the second one's.

    Args:
        first: also says how large pictures may be.
        second: sees the same pictures.
    """

    def __init__(self, first: Predictor, second: Predictor) -> None:
        self.first, self.second = first, second
        self.cfg, self.device, self.half = first.cfg, first.device, first.half

    def prepare(self, image: np.ndarray, modality: Modality | None = None) -> dict[str, Any]:
        """Both models' inputs for one picture, still on the CPU."""
        return {
            "first": self.first.prepare(image, modality),
            "second": self.second.prepare(image),
        }

    @torch.inference_mode()
    def predict(self, inputs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Runs both networks on inputs made by :meth:`prepare`."""
        firsts = self.first.predict([item["first"] for item in inputs])
        seconds = self.second.predict([item["second"] for item in inputs])
        return [{**one, **two} for one, two in zip(firsts, seconds, strict=True)]
