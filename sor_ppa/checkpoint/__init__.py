"""Loading published weights and our own, safely; saving so that a kill cannot hurt."""

from __future__ import annotations

from sor_ppa.checkpoint.checkpointer import SaliencyCheckpointer
from sor_ppa.checkpoint.conversion import convert_file
from sor_ppa.checkpoint.formats import read_checkpoint, read_safetensors, write_safetensors
from sor_ppa.checkpoint.published import convert, recognise

__all__ = [
    "SaliencyCheckpointer",
    "convert",
    "convert_file",
    "read_checkpoint",
    "read_safetensors",
    "recognise",
    "write_safetensors",
]
