"""Registering our networks beside those of other detectron2 plugins.

fvcore's ``Registry`` asserts when a name is taken, and several published packages take the same
names as we do. :func:`register` survives a reload of our own module (notebooks, tests) and
otherwise says which two modules want the name.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from fvcore.common.registry import Registry

from sor_ppa.errors import SaliencyError

logger = logging.getLogger(__name__)
_Object = TypeVar("_Object", bound=Callable)


def register(registry: Registry) -> Callable[[_Object], _Object]:
    """Decorator that puts a class or function into ``registry`` under its own name.

    A second registration of the same module and name (a reload) is skipped with a
    debug message: the registry keeps the first object.

    Args:
        registry: an fvcore / detectron2 registry, e.g. ``BACKBONE_REGISTRY``.

    Raises:
        SaliencyError: another module has registered the name; the message names both.
    """

    def decorate(obj: _Object) -> _Object:
        name = obj.__name__
        if name not in registry:
            registry.register(obj)
            return obj
        taken_by, wanted_by = _where(registry.get(name)), _where(obj)
        if taken_by != wanted_by:
            raise SaliencyError(
                f"{wanted_by} cannot be registered as {name!r}: {taken_by} has taken that name in "
                f"registry {_registry_name(registry)}. Import only one of the two packages in a "
                "process (or import sor_ppa in a process of its own)."
            )
        logger.debug("%s is registered already (module reload); the first one is kept", name)
        return obj

    return decorate


def _where(obj: Callable) -> str:
    """Dotted name of a registered object, e.g. ``sor_ppa.modeling.backbone.fpn.build_x``."""
    return f"{obj.__module__}.{obj.__qualname__}"


def _registry_name(registry: Registry) -> str:
    return repr(getattr(registry, "_name", type(registry).__name__))
