"""The programs of the folder ``datasets`` as modules."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def script(repository: Path, name: str) -> ModuleType:
    """The program ``datasets/<name>.py``, imported."""
    spec = importlib.util.spec_from_file_location(name, repository / "datasets" / f"{name}.py")
    assert spec and spec.loader
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
