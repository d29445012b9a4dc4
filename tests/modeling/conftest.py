"""Networks that several files test."""

from __future__ import annotations

import pytest

from sor_ppa.modeling.meta_arch.a2s import A2S
from tests.modeling.unlabelled import small_network


@pytest.fixture
def tiny_a2s() -> A2S:
    """A2S on MobileNetV2 with random weights."""
    return small_network(A2S, size_steps=(-32, 32))
