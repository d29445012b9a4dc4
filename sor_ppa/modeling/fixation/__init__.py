"""Parts of networks that predict where people look."""

from __future__ import annotations

from sor_ppa.modeling.fixation.aspp import ASPP
from sor_ppa.modeling.fixation.decoder import Decoder, stretched, upsampled_twice

__all__ = ["ASPP", "Decoder", "stretched", "upsampled_twice"]
