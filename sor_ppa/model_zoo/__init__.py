"""Configs and bundled weights by name, like detectron2's own model zoo.

    >>> from sor_ppa import model_zoo
    >>> model = model_zoo.get("sor/tiny.yaml", trained=True, device="cpu")

A name is a path below ``configs/``. Importing this module also teaches detectron2's file opener
the prefix ``sor_ppa://``: ``sor_ppa://weights/sor/tiny.safetensors``, ``sor_ppa://configs/sor/ppa.yaml``.
"""

from __future__ import annotations

from sor_ppa.model_zoo.files import available, get_config_file, has_weights, weights_url
from sor_ppa.model_zoo.handler import SorPpaHandler, register_handler
from sor_ppa.model_zoo.zoo import get, get_config

register_handler()

__all__ = [
    "SorPpaHandler",
    "available",
    "get",
    "get_config",
    "get_config_file",
    "has_weights",
    "weights_url",
]
