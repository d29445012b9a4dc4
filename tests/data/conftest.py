"""Settings of the property tests: the same cases every time, and no clock on a busy machine."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("sor_ppa", deadline=None, derandomize=True)
settings.load_profile("sor_ppa")
