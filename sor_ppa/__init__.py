"""sor_ppa: what people look at in a picture -- which objects, in which order, with which outline.

Importing the package registers its data sets and networks with detectron2; nothing is read from
disk. ``sor_ppa.engine`` and the other heavy rooms are imported when they are first touched.
"""

from __future__ import annotations

import importlib
import warnings
from types import ModuleType

try:
    import detectron2  # noqa: F401
except ImportError as error:  # pragma: no cover - needs an environment without detectron2
    raise ImportError(
        "sor_ppa is a detectron2 plugin and detectron2 is not installed here. It is not on PyPI "
        "under that name; run `python tools/install_detectron2.py` (or see README, 'Install')."
    ) from error

with warnings.catch_warnings():
    # detectron2 and fvcore script functions on import, which today's torch warns of.
    warnings.filterwarnings("ignore", message=".*torch.jit.script.*", category=FutureWarning)
    from sor_ppa import data, modeling  # noqa: F401  (registers data sets and networks)

from sor_ppa.config import add_saliency_config, get_cfg

__version__ = "0.1.0"
__all__ = ["__version__", "add_saliency_config", "get_cfg"]

_LAZY = ("checkpoint", "engine", "evaluation", "model_zoo", "showing", "visualization")


def __getattr__(name: str) -> ModuleType:
    if name in _LAZY:
        return importlib.import_module(f"sor_ppa.{name}")
    raise AttributeError(f"module 'sor_ppa' has no attribute {name!r}")
