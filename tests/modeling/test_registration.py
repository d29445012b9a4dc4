"""Our registration helper."""

from __future__ import annotations

import importlib
import logging
from types import ModuleType

import pytest
from detectron2.modeling import BACKBONE_REGISTRY
from fvcore.common.registry import Registry

from sor_ppa.errors import SaliencyError
from sor_ppa.modeling.backbone import fpn, mobilenet, vovnet
from sor_ppa.modeling.registration import register


def _named(name: str, module: str) -> type:
    return type(name, (), {"__module__": module, "__qualname__": name})


def test_registers_and_returns_the_object() -> None:
    registry = Registry("HEADS")
    head = _named("Head", "package.heads")
    assert register(registry)(head) is head
    assert registry.get("Head") is head


def test_a_reload_keeps_the_first(caplog: pytest.LogCaptureFixture) -> None:
    registry = Registry("HEADS")
    first, second = _named("Head", "package.heads"), _named("Head", "package.heads")
    register(registry)(first)
    with caplog.at_level(logging.DEBUG, logger="sor_ppa.modeling.registration"):
        assert register(registry)(second) is second
    assert registry.get("Head") is first
    assert "Head" in caplog.text


def test_another_package_is_named() -> None:
    registry = Registry("HEADS")
    register(registry)(_named("Head", "their.heads"))
    with pytest.raises(SaliencyError) as error:
        register(registry)(_named("Head", "our.heads"))
    for part in ("their.heads.Head", "our.heads.Head", "HEADS", "Import only one"):
        assert part in str(error.value)


@pytest.mark.parametrize("module", [fpn, mobilenet, vovnet])
def test_our_modules_can_be_reloaded(module: ModuleType) -> None:
    before, names = dict(BACKBONE_REGISTRY), dict(vars(module))
    importlib.reload(module)
    vars(module).update(names)  # other tests go on with the first classes
    assert dict(BACKBONE_REGISTRY) == before
